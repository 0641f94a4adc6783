"""Image backbones of timm: any architecture, without its classifier."""

import sys

import timm
import torch

from graft.common.errors import UserError, did_you_mean
from graft.networks.backbones import image_preprocessing
from graft.networks.weights import take as take_strictly

MODALITY = "image"
FITS = {"center": "crop", "squash": "squash", "border": "pad"}  # timm's crop_mode


def describe(entry, folder):
    name = entry.get("architecture")
    if not name or not timm.is_model(name):
        hint = did_you_mean(name, timm.list_models())
        raise UserError(f"timm has no architecture '{name}'", where="architecture", hint=hint)
    tag = (entry.get("source") or {}).get("timm")
    pretrained = timm.get_pretrained_cfg(f"{name}.{tag}" if tag else name)
    facts = timm.data.resolve_data_config(pretrained_cfg=pretrained.to_dict() if pretrained else {})
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
    }


def build(spec, folder=None, **options):
    """timm's model with `num_classes=0`: its forward gives the pooled features."""
    name, size = spec["architecture"], spec["preprocessing"]["size"]
    pretrained = timm.get_pretrained_cfg(name)
    if pretrained is not None and pretrained.fixed_input_size and size != pretrained.input_size[-1]:
        options["img_size"] = size
    return timm.create_model(name, pretrained=False, **{"num_classes": 0, **options})


def take(state, spec, order):
    """As weights.take; a checkpoint in an older layout, or for another size, goes through timm's own conversion."""
    network = build(spec, num_classes=1000)
    full = network.state_dict()
    head = full.keys() - build(spec).state_dict().keys()
    try:
        return take_strictly(state, full, head, order)
    except UserError:
        convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
        if order or convert is None:
            raise
        try:
            state = convert(dict(state), network)
        except Exception:  # the conversion trusts that the checkpoint is of this architecture
            state = state
        return take_strictly(state, full, head)


def example(spec):
    size = spec["preprocessing"]["size"]
    return torch.zeros(1, 3, size, size)
