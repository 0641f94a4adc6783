"""Export a trained model as files that any lab can read: weights, config, labels, model card, preprocessing."""

from pathlib import Path

import numpy as np
import safetensors.torch

from graft import __version__
from graft.common.job import job
from graft.common.outputs import read_json, write_bytes, write_json, write_text
from graft.embedding.input_batches import of_bands, pixel_scale
from graft.evaluation.tables import portable
from graft.networks import network
from graft.serving.model_card import labels_of, model_card, reading_of
from graft.serving.trained_model import card_of

RESAMPLE = {
    "nearest": 0,
    "lanczos": 1,
    "bilinear": 2,
    "bicubic": 3,
    "box": 4,
    "hamming": 5,
}  # as PIL and the hub number them


def main(model, metrics, backbone, card, dataset, folder, sets=()):
    """Write model.safetensors, config.json, labels.json, README.md and what the modality needs into `folder`.

    Parameters
    ----------
    model : path of ft_model.pt
    metrics, sets : paths of its metrics.json and conformal.json, which are in folders called as its targets
    backbone : path of the backbone's backbone.json, beside which its tokenizer is
    card, dataset : paths of data_card.json and dataset.json of the model's data set
    folder : path of the folder to write
    """
    content, folder, card = network.load(model), Path(folder), read_json(card)
    config = config_of(content, card) | {"conformal": {Path(path).parent.name: read_json(path) for path in sets}}
    for stale in folder.glob("*"):
        stale.unlink()
    write_bytes(folder / "model.safetensors", weights(content["state_dict"]))
    write_json(folder / "config.json", config)
    write_json(folder / "labels.json", labels_of(content["targets"]))
    if content["backbone"]["modality"] == "image":
        write_json(folder / "preprocessor_config.json", preprocessor(content["transform"], config["image"]))
    if content["backbone"]["modality"] == "text":
        copy_tokenizer(Path(backbone).parent, folder)
    measured = {Path(path).parent.name: read_json(path) for path in metrics}
    write_text(folder / "README.md", model_card(config, measured, card, read_json(dataset)))


def config_of(content, card):
    """Everything of ft_model.pt except its tensors, and what is needed to read other data like the training data."""
    config = {key: value for key, value in content.items() if key not in ("state_dict", "fold_heads")}
    heads = sum(tensor.numel() for name, tensor in content["state_dict"].items() if name.startswith("heads."))
    config["backbone"] = portable(config["backbone"])  # its source may be a folder of this machine
    config["parameters"] = (content["backbone"].get("parameters") or 0) + heads
    known = card_of(content, card)
    config |= {key: known[key] for key in ("image", "columns") if known.get(key)}
    return {**config, "graft": __version__}


def weights(state):
    """The tensors in the safetensors format; tied ones are written out twice, since the format shares none."""
    tensors = {name: state[name].clone().contiguous() for name in sorted(state)}
    return safetensors.torch.save(tensors, metadata={"format": "pt"})


def preprocessor(transform, image):
    """Image preprocessing in the hub's words, as transformers' image processors read them; what these cannot say is in "unsaid".

    The hub scales by a factor and subtracts a mean: black, where it is not 0, is part of the mean.
    """
    size, fit = transform["size"], transform["fit"]
    square, whole = {"height": size, "width": size}, round(size / transform["crop"])
    return {
        "do_resize": True,
        "size": {
            "crop": {"shortest_edge": whole},
            "squash": {"height": whole, "width": whole},
            "pad": {"longest_edge": size},
        }[fit],
        "resample": RESAMPLE[transform["interpolation"]],
        "do_center_crop": fit != "pad" and whole != size,
        "crop_size": square,
        "do_pad": fit == "pad",
        "pad_size": square,
        "do_rescale": True,
        "do_normalize": True,
        **_scaling(transform, image),
        "do_convert_rgb": image["dtype"] == "uint8" and image["channels"] in (1, 3),
        "unsaid": reading_of(image, fit),
    }


def _scaling(transform, image):
    """How pixels are scaled, in the hub's words. Where each band has its own range, mean and spread are in the files' own numbers."""
    if image.get("band_ranges"):
        low, scale, shift = (np.array(pixel_scale(transform, image)[key]) for key in ("low", "scale", "shift"))
        return {
            "rescale_factor": 1.0,
            "image_mean": (low - shift / scale).tolist(),
            "image_std": (1 / scale).tolist(),
        }
    low, high = image["range"]
    mean, std = (of_bands(transform[key], image["channels"]) for key in ("mean", "std"))
    return {
        "rescale_factor": 1 / (high - low),
        "image_mean": [value + low / (high - low) for value in mean],
        "image_std": std,
    }


def copy_tokenizer(source, folder):
    """Copy the tokenizer's files, so that the exported folder works alone."""
    from graft.networks.backbones.transformers import tokenizer_files

    for path in tokenizer_files(source):
        write_bytes(folder / path.name, path.read_bytes())


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            model=snakemake.input.model,
            metrics=list(snakemake.input.metrics),
            sets=list(snakemake.input.sets),
            backbone=snakemake.input.backbone,
            card=snakemake.input.card,
            dataset=snakemake.input.dataset,
            folder=Path(snakemake.output.weights).parent,
        )
