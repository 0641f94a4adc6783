"""Image backbones of torchvision: any classification architecture, its last layer replaced by the identity."""

from contextlib import suppress

import torch
from torch import nn
from torchvision import models

from graft.common.errors import UserError, UserErrors, did_you_mean
from graft.networks.backbones import image_preprocessing
from graft.networks.own_training import naming, network_in, relatives
from graft.networks.weights import linear_head
from graft.networks.weights import take as take_strictly

MODALITY = "image"
CLASSIFIER = True  # of ImageNet, see `head`
AUXILIARY = ("AuxLogits.", "aux1.", "aux2.")  # second classifiers that only training uses
WITH_AUXILIARY = {"googlenet", "inception_v3"}
DEFAULTS = {
    "size": 224,
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "interpolation": "bilinear",
    "fit": "crop",
    "crop": 0.875,
}


def describe(entry, folder):
    name = entry.get("architecture")
    if name not in models.list_models(module=models):
        hint = did_you_mean(name, models.list_models(module=models))
        raise UserError(f"torchvision has no classification architecture '{name}'", where="architecture", hint=hint)
    weights = weights_named(name, (entry.get("source") or {}).get("torchvision") or "DEFAULT")
    defaults = dict(DEFAULTS)
    if weights is not None:
        facts = weights.transforms()
        defaults |= {
            "size": facts.crop_size[0],
            "mean": facts.mean,
            "std": facts.std,
            "interpolation": facts.interpolation.value,
            "crop": facts.crop_size[0] / facts.resize_size[0],
        }
    return {
        "architecture": name,
        "modality": "image",
        "licence": None,
        "preprocessing": image_preprocessing(entry, defaults),
    }


def weights_named(architecture, name):
    """torchvision's entry for pretrained weights (None if the architecture has none at all)."""
    known = models.get_model_weights(architecture)
    if not len(known):
        return None
    try:
        return known[name]
    except KeyError:
        raise UserError(
            f"torchvision has no weights '{name}' of {architecture}",
            where="source.torchvision",
            allowed=", ".join(known.__members__),
            hint=did_you_mean(name, known.__members__),
        ) from None


def build(spec, folder=None, head=False):
    name, options = spec["architecture"], {}
    if name in WITH_AUXILIARY:
        # As torchvision builds them for its own weights, which expect another normalisation than the other networks.
        options = {"aux_logits": False, "init_weights": False, "transform_input": True}
    network = models.get_model(name, weights=None, **options)
    if not head:
        _replace(network, _classifier(network), nn.Identity())
    return network


def _classifier(network):
    """Name of the last layer: the last linear one, or the last convolution (SqueezeNet)."""
    for kind in (nn.Linear, nn.Conv2d):
        found = [name for name, layer in network.named_modules() if isinstance(layer, kind)]
        if found:
            return found[-1]
    raise UserError("has no layer that gives classes", where="architecture")


def _replace(network, name, layer):
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, layer)


def take(state, spec, order):
    full, head = _parts(spec)
    if order:
        return take_strictly(state, full, head, order)
    state = network_in({name: tensor for name, tensor in state.items() if not name.startswith(AUXILIARY)}, full, head)
    try:
        return take_strictly(state, full, head)
    except UserErrors as error:
        raise naming(error, state, full, lambda: _others(spec["architecture"])) from None


def _parts(spec):
    """The state dict of the whole network, and the names of its classifier."""
    full = build(spec, head=True).state_dict()
    return full, full.keys() - build(spec).state_dict().keys()


def _others(name):
    for other in relatives(name, models.list_models(module=models)):
        parts = ()
        with torch.device("meta"), suppress(NotImplementedError):  # RegNets cannot be built there
            parts = _parts({"architecture": other})
        if parts:
            yield other, *parts


def head(state, spec, order):
    """The classifier of ImageNet-1k, as weights.linear_head."""
    full = build(spec, head=True).state_dict()
    state = {name: tensor for name, tensor in state.items() if not name.startswith(AUXILIARY)}
    return linear_head(state, full, full.keys() - build(spec).state_dict().keys(), order)


def example(spec):
    size = spec["preprocessing"]["size"]
    return torch.zeros(1, 3, size, size)
