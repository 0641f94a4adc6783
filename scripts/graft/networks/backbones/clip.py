"""Image backbones of CLIP and SigLIP (transformers). Their text tower embeds descriptions in the same space."""

import torch
import transformers
from torch import nn
from torch.nn.functional import logsigmoid, normalize

from graft.common.errors import UserError
from graft.common.outputs import read_json
from graft.networks.backbones import image_preprocessing
from graft.networks.backbones.transformers import (
    make_config,
    model_folder,
    read_config,
    tokenizer_digest,
    tokenizer_files,
)
from graft.networks.weights import load_strictly
from graft.networks.weights import take as take_strictly

MODALITY = "image"
TEXT_TOWER = True
WHOLE = {"clip": transformers.CLIPModel, "siglip": transformers.SiglipModel}
PROJECTION = {"vision": "visual_projection", "text": "text_projection"}  # of CLIP
INTERPOLATION = {2: "bilinear", 3: "bicubic"}  # as Pillow counts them


def describe(entry, folder):
    home = model_folder(folder)
    config = read_config(home, entry.get("architecture"))
    if config.model_type not in WHOLE:
        raise UserError(
            f"'{config.model_type}' has not a tower for images and one for texts that graft knows",
            where="library: clip",
            allowed=", ".join(WHOLE),
        )
    path = home / "preprocessor_config.json"
    said = read_json(path) if path.is_file() else {}
    mean, std = transformers.image_utils.OPENAI_CLIP_MEAN, transformers.image_utils.OPENAI_CLIP_STD
    siglip = config.model_type == "siglip"
    defaults = {
        "size": config.vision_config.image_size,
        "mean": said.get("image_mean", [0.5] * 3 if siglip else mean),
        "std": said.get("image_std", [0.5] * 3 if siglip else std),
        "interpolation": INTERPOLATION.get(said.get("resample"), "bicubic"),
        "fit": "squash" if siglip else "crop",
        "crop": 1.0,
    }
    text = {"max_length": config.text_config.max_position_embeddings}
    text |= {"padding": "max_length" if siglip else "longest", "tokenizer": tokenizer_digest(beside(entry, folder))}
    return {
        "architecture": config.model_type,
        "modality": "image",
        "config": config.to_diff_dict() | {"model_type": config.model_type},
        "preprocessing": image_preprocessing(entry, defaults),
        "text": text,
    }


def beside(entry, folder):
    """What is kept beside the weights, {file name: bytes}: the tokenizer of the tower for texts."""
    return {path.name: path.read_bytes() for path in tokenizer_files(model_folder(folder))}


class Tower(nn.Module):
    """One of the two towers, whose parts are called as in the whole model; its forward gives vectors not yet of length 1.

    Parameters
    ----------
    spec : dict, as in backbone.json
    part : "vision" or "text"
    """

    def __init__(self, spec, part):
        super().__init__()
        config, whole = make_config(spec["config"]), _whole(spec)
        tower, self.part, self.masked = f"{part}_model", part, spec["architecture"] == "clip"
        self.add_module(tower, type(getattr(whole, tower))(getattr(config, f"{part}_config")))
        self.projection = PROJECTION[part] if hasattr(whole, PROJECTION[part]) else None
        if self.projection:
            shape = getattr(whole, self.projection).weight.shape
            self.add_module(self.projection, nn.Linear(shape[1], shape[0], bias=False))

    def forward(self, inputs):
        """Embeddings, shape (n, width), of images (n, 3, size, size) or of input_ids and attention_mask (n, tokens)."""
        if self.part == "vision":
            inputs = {"pixel_values": inputs}
        elif not self.masked:
            inputs = {"input_ids": inputs["input_ids"]}  # SigLIP was trained with padding that it sees
        found = getattr(self, f"{self.part}_model")(**inputs).pooler_output
        return getattr(self, self.projection)(found) if self.projection else found


def _whole(spec):
    """The whole model of transformers, without memory for its weights."""
    with torch.device("meta"):
        return WHOLE[spec["architecture"]](make_config(spec["config"]))


def build(spec, folder=None):
    """The tower for images."""
    return Tower(spec, "vision")


def take(state, spec, order):
    """The tensors of the tower for images; the whole checkpoint must fit."""
    return _part(state, spec, order, build(spec).state_dict().keys())


def head(state, spec, order):
    """The tensors of the tower for texts, and logit_scale and, of SigLIP, logit_bias."""
    full = _whole(spec).state_dict().keys()
    return _part(state, spec, order, full - build(spec).state_dict().keys())


def _part(state, spec, order, wanted):
    state = {name: tensor for name, tensor in state.items() if not name.endswith("position_ids")}
    full = _whole(spec).state_dict()
    return take_strictly(state, full, full.keys() - wanted, order)


def example(spec):
    size = spec["preprocessing"]["size"]
    return torch.zeros(1, 3, size, size)


def text_tower(spec, tensors):
    """The tower for texts, in eval mode; `tensors` are those of `head`."""
    tower = Tower(spec, "text")
    load_strictly(tower, {name: tensor for name, tensor in tensors.items() if not name.startswith("logit_")})
    return tower.eval()


def logits(images, texts, spec, tensors):
    """What a softmax over the texts makes probabilities of; float64, shape (n, m).

    CLIP: the cosine times exp(logit_scale) (Radford et al. 2021, fig. 3). SigLIP gives each pair a probability of its own,
    the sigmoid of cosine * exp(logit_scale) + logit_bias (Zhai et al. 2023, alg. 1); here the logarithm of that, so that
    a softmax divides each by their sum.

    Parameters
    ----------
    images, texts : float arrays, shapes (n, width) and (m, width)
    """
    images, texts = (normalize(torch.as_tensor(one, dtype=torch.float64), dim=-1) for one in (images, texts))
    found = images @ texts.T * tensors["logit_scale"].double().exp()
    if spec["architecture"] == "siglip":
        found = logsigmoid(found + tensors["logit_bias"].double())
    return found.numpy()
