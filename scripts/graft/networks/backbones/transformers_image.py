"""Image backbones of transformers: encoders such as ViT, DINOv2 or ConvNeXt, one vector per image."""

import inspect

import torch
from torch import nn

from graft.common.outputs import read_json
from graft.networks.backbones import image_preprocessing
from graft.networks.backbones.transformers import fitted, make_config, model_folder, network_of, read_config

MODALITY = "image"
RESAMPLING = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers, as preprocessor_config.json has them
CLASS_TOKENS = ("cls_token", "class_embedding")


class ImageEncoder(nn.Module):
    """A transformers model whose class token, or else the mean over all places, is the embedding."""

    def __init__(self, network, size):
        super().__init__()
        self.network = network
        known = inspect.signature(network.forward).parameters
        other = size != getattr(network.config, "image_size", size)  # than the positions were trained for
        self.options = {"interpolate_pos_encoding": True} if other and "interpolate_pos_encoding" in known else {}
        self.has_class_token = any(name.endswith(CLASS_TOKENS) for name, _ in network.named_parameters())

    def forward(self, images):
        """Embeddings, shape (n, width), of images, float32 of shape (n, 3, size, size)."""
        found = self.network(pixel_values=images, **self.options)
        pooled = getattr(found, "pooler_output", None)
        if pooled is not None:
            return pooled.flatten(1)
        hidden = found.last_hidden_state
        if hidden.ndim == 4:
            return hidden.mean(dim=(2, 3))
        return hidden[:, 0] if self.has_class_token else hidden.mean(dim=1)


def describe(entry, folder):
    home = model_folder(folder)
    config = read_config(home, entry.get("architecture"))
    return {
        "architecture": config.model_type,
        "modality": "image",
        "config": config.to_diff_dict() | {"model_type": config.model_type},
        "preprocessing": image_preprocessing(entry, _said_beside(home, config)),
    }


def _said_beside(home, config):
    """The preprocessing of preprocessor_config.json, or what is usual where there is none."""
    path = home / "preprocessor_config.json"
    facts = read_json(path) if path.is_file() else {}
    size, cropped = facts.get("size"), facts.get("do_center_crop", False)
    size = {"shortest_edge" if cropped else "height": size} if isinstance(size, int) else size or {}
    resized = size.get("shortest_edge") or size.get("height") or getattr(config, "image_size", None) or 224
    crop = facts.get("crop_size") or resized
    crop = crop if isinstance(crop, int) else crop["height"]
    normal = facts.get("do_normalize", True)
    return {
        "size": crop if cropped else resized,
        "mean": facts.get("image_mean", 0.5) if normal else 0.0,
        "std": facts.get("image_std", 0.5) if normal else 1.0,
        "interpolation": RESAMPLING.get(facts.get("resample"), "bicubic"),
        "fit": "crop" if "shortest_edge" in size else "squash",
        "crop": crop / resized if cropped else 1.0,
    }


def build(spec, folder=None):
    """The network of spec["config"], without pooler and head; no code is loaded."""
    return ImageEncoder(network_of(make_config(spec["config"])), spec["preprocessing"]["size"])


def take(state, spec, order):
    """As transformers.take."""
    return {f"network.{name}": tensor for name, tensor in fitted(state, build(spec).network).items()}


def example(spec):
    size = spec["preprocessing"]["size"]
    return torch.zeros(1, 3, size, size)
