"""Image backbones of timm: any architecture, without its classifier."""

import inspect
import sys
from contextlib import suppress
from pathlib import Path

import timm
import torch

from graft.common.errors import UserError, UserErrors, did_you_mean
from graft.common.outputs import read_json
from graft.networks.backbones import image_preprocessing
from graft.networks.own_training import naming, network_in, relatives
from graft.networks.weights import linear_head
from graft.networks.weights import take as take_strictly

MODALITY = "image"
CLASSIFIER = True  # of ImageNet, see `head`
# Of a network's arguments in config.json: these are graft's own, or create_model's, which may load files.
NO_OPTIONS = {"num_classes", "img_size", *inspect.signature(timm.create_model).parameters}
FITS = {"center": "crop", "squash": "squash", "border": "pad"}  # timm's crop_mode


def describe(entry, folder):
    name = entry.get("architecture")
    if not name or not timm.is_model(name):
        hint = did_you_mean(name, timm.list_models())
        raise UserError(f"timm has no architecture '{name}'", where="architecture", hint=hint)
    tag = (entry.get("source") or {}).get("timm")
    pretrained = timm.get_pretrained_cfg(f"{name}.{tag}" if tag else name)
    said = _said_beside(folder)
    known = (pretrained.to_dict() if pretrained else {}) | (said.get("pretrained_cfg") or {})
    facts = timm.data.resolve_data_config(pretrained_cfg=known)
    options = {key: value for key, value in (said.get("model_args") or {}).items() if key not in NO_OPTIONS}
    defaults = {
        "size": facts["input_size"][-1],
        "mean": facts["mean"],
        "std": facts["std"],
        "interpolation": facts["interpolation"],
        "fit": FITS.get(facts["crop_mode"], "crop"),
        "crop": facts["crop_pct"],
    }
    return {
        "architecture": name,
        "modality": "image",
        "licence": pretrained.license if pretrained else None,
        "preprocessing": image_preprocessing(entry, defaults),
        **({"options": options} if options else {}),
    }


def _said_beside(folder):
    """The config.json that timm's repositories on the hub have: preprocessing, and what the network is built with."""
    path = Path(folder) / "config.json"
    content = read_json(path) if path.is_file() else {}
    return content if "pretrained_cfg" in content else {}


def build(spec, folder=None, **options):
    """timm's model with `num_classes=0`: its forward gives the pooled features."""
    name, size = spec["architecture"], spec["preprocessing"]["size"]
    pretrained = timm.get_pretrained_cfg(name)
    if pretrained is not None and pretrained.fixed_input_size and size != pretrained.input_size[-1]:
        options["img_size"] = size
    return timm.create_model(name, pretrained=False, **{"num_classes": 0, **spec.get("options", {}), **options})


def take(state, spec, order):
    """As weights.take; a checkpoint in an older layout, or for another size, goes through timm's own conversion."""
    network, full, head = _parts(spec)
    if order:
        return take_strictly(state, full, head, order)
    state = network_in(state, full, head)
    try:
        return take_strictly(state, full, head)
    except UserErrors as error:
        found = error
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if convert is not None:
        with suppress(Exception):  # the conversion trusts that the checkpoint is of this architecture
            state = convert(dict(state), network)
        try:
            return take_strictly(state, full, head)
        except UserErrors as error:
            found = error
    raise naming(found, state, full, lambda: _others(spec["architecture"]))


def _parts(spec):
    """The network with a classifier, its state dict, and the names of the classifier."""
    network = build(spec, num_classes=1000)
    full = network.state_dict()
    return network, full, full.keys() - build(spec).state_dict().keys()


def _others(name):
    for other in relatives(
        name, timm.list_models(module=timm.models.model_entrypoint(name).__module__.rpartition(".")[2])
    ):
        relative = {"architecture": other, "preprocessing": {"size": timm.get_pretrained_cfg(other).input_size[-1]}}
        parts = ()
        with torch.device("meta"), suppress(Exception):  # some cannot be built there
            parts = _parts(relative)[1:]
        if parts:
            yield other, *parts


def head(state, spec, order):
    """The classifier of ImageNet-1k, as weights.linear_head; none in a checkpoint that is converted."""
    full = build(spec, num_classes=1000).state_dict()
    return linear_head(state, full, full.keys() - build(spec).state_dict().keys(), order)


def example(spec):
    size = spec["preprocessing"]["size"]
    return torch.zeros(1, 3, size, size)
