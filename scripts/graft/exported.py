"""Exported models: written as plain files that need no pickle, and loaded again to predict new samples."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from graft import images
from graft.calibration import calibrated, decide, probabilities
from graft.errors import UserError
from graft.inputs import ImageInputs, TextInputs, token_rows
from graft.network import from_dict
from graft.outputs import read_json

BATCH = 32


def load_exported(folder):
    """The network of an exported model, in eval mode.

    Parameters
    ----------
    folder : path
        Holds model.safetensors and config.json.

    Returns
    -------
    Network
        forward(inputs) -> {target: logits}; `.config` is config.json, `.folder` the folder.

    Raises
    ------
    UserError
        If a file is missing, damaged, or not of this architecture.
    """
    folder = Path(folder)
    try:
        config = read_json(folder / "config.json")
        network = from_dict({**config, "state_dict": load_file(folder / "model.safetensors")})
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"cannot be loaded as an exported graft model ({reason})", where=str(folder)) from error
    network.config, network.folder = config, folder
    return network


@torch.inference_mode()
def predict(network, samples):
    """Answers for new samples, preprocessed as in training.

    Parameters
    ----------
    network : what `load_exported` returned
    samples : list
        Paths of image files, texts, or vectors of numbers.

    Returns
    -------
    dict of str to DataFrame
        Per target, one row per sample: predicted, confidence and prob_<class>, or predicted and std.
    """
    inputs = open_samples(network, samples)
    outputs = {target: [np.zeros((0, head.out_features))] for target, head in network.heads.items()}
    for start in range(0, len(samples), BATCH):
        batch = inputs.prepare(inputs.batch(np.arange(start, min(start + BATCH, len(samples)))), "cpu")
        for target, logits in network(batch).items():
            outputs[target].append(logits.double().numpy())
    return {
        target: answers(np.concatenate(parts), network.config["targets"][target]) for target, parts in outputs.items()
    }


def answers(outputs, facts):
    """Calibrated probabilities, or values in the target's unit."""
    if facts["kind"] == "regression":
        return pd.DataFrame({"predicted": outputs[:, 0] * facts["std"] + facts["mean"], "std": facts["residual_std"]})
    classes = facts["classes"]
    chances, best = probabilities(calibrated(outputs, facts)), decide(outputs)
    return pd.DataFrame(
        {
            "predicted": np.array(classes, dtype=object)[best],
            "confidence": np.take_along_axis(chances, best[:, None], axis=1)[:, 0],
            **{f"prob_{name}": chances[:, i] for i, name in enumerate(classes)},
        }
    )


def open_samples(network, samples):
    """The inputs of samples that are not in any data set."""
    kind = {"image": _Images, "text": _Texts, "vector": _Vectors}[network.config["backbone"]["modality"]]
    return kind(network, samples)


class _Images(ImageInputs):
    """Image files, decoded at once and not kept in a store."""

    def __init__(self, network, paths):
        self.preprocessing, self.format = network.config["transform"], network.config["image"]
        self.paths = [Path(path) for path in paths]

    def batch(self, indices):
        arrays = [self._open(self.paths[i]) for i in indices]
        return torch.from_numpy(np.stack(arrays))

    def _open(self, path):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"cannot be read ({error.strerror})", where=str(path)) from error
        form = self.format
        array = images.decode(content, form.get("frames", "error"), form.get("bands"))
        return images.to_input(array, form, self.preprocessing, str(path))


class _Texts(TextInputs):
    """Texts as strings."""

    def __init__(self, network, texts):
        from graft.backbones.transformers import make_config, tokenizer

        # The folder's own config.json is graft's, and would not tell transformers which tokenizer this is.
        self.tokenizer = tokenizer(network.folder, make_config(network.config["backbone"]["config"]))
        self.rows = token_rows(self.tokenizer, list(texts), network.config["transform"]["max_length"])

    def _token_rows(self, indices):
        return self.rows[indices]


class _Vectors:
    """Rows of numbers."""

    def __init__(self, network, rows):
        self.rows = torch.as_tensor(np.asarray(rows, np.float32))

    def batch(self, indices):
        return self.rows[indices]

    def prepare(self, batch, device, views=None):
        return batch.to(device)
