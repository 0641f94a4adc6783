"""Exported models: written as plain files that need no pickle, and loaded again to predict new samples."""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from graft.common.errors import UserError
from graft.common.outputs import read_json
from graft.networks.network import from_dict
from graft.serving.by_members import joined, with_all_sets
from graft.serving.new_predictions import embed_taken, table_of
from graft.serving.samples_in_memory import given_files, given_texts, given_vectors
from graft.serving.trained_model import card_of

ANSWERS = ("predicted", "confidence", "std")


def load_exported(folder):
    """The network of an exported model, in eval mode.

    Parameters
    ----------
    folder : path
        Holds model.safetensors and config.json.

    Returns
    -------
    Network
        forward(inputs) -> {target: logits}; `.config` is config.json, `.folder` the folder. Of an ensemble no network, but
        `.config`, `.folder` and `.members`, the loaded models whose folders are beside it.

    Raises
    ------
    UserError
        If a file is missing, damaged, or not of this architecture.
    """
    folder = Path(folder)
    try:
        config = read_json(folder / "config.json")
        if "members" in config:
            return SimpleNamespace(config=config, folder=folder, members=_members(folder, config))
        network = from_dict({**config, "state_dict": load_file(folder / "model.safetensors")})
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"cannot be loaded as an exported graft model ({reason})", where=str(folder)) from error
    network.config, network.folder = config, folder
    return network


def predict(network, samples):
    """Answers for new samples, which are read, checked and preprocessed as `make predict` does.

    Parameters
    ----------
    network : what `load_exported` returned
    samples : list, or for vectors also a 2-d array or a DataFrame
        Paths of image files, texts, or vectors of numbers. If the model's data had named columns, those of a DataFrame are
        taken by their names, in any order.

    Returns
    -------
    dict of str to DataFrame
        Per target, one row per sample: predicted, confidence, prob_<class> and set_90, or predicted, std, low_90 and high_90; and
        problem: null, or why a sample has no answer (the other columns are then empty). There are no sets if they hold within a
        column of subgroups: samples in memory do not say theirs.

    Raises
    ------
    UserError
        If no sample can be predicted; with the reasons.
    """
    _check_list(samples, "predict")
    return {target: _answers(table) for target, table in _tables(network, samples).items()}


def embed(network, samples):
    """Embeddings of new samples by a model's own network, which are read, checked and preprocessed as for `predict`.

    Parameters
    ----------
    network, samples : see `predict`; not an ensemble, which has no network

    Returns
    -------
    float32 array, shape (samples, width): a row per sample, NaN where it cannot be read

    Raises
    ------
    UserError
        If no sample can be read; with the reasons.
    """
    _check_list(samples, "embed")
    if hasattr(network, "members"):
        raise UserError("an ensemble has no embeddings of its own", hint="embed(model.members[0], samples)")
    rows, embeddings = _embedded(network, samples)
    found = np.full((len(rows), network.backbone.width), np.nan, np.float32)
    found[rows["reason"].isna().to_numpy()] = embeddings
    return found


def _check_list(samples, function):
    if isinstance(samples, str | bytes | Path):
        raise UserError("one sample that is not in a list", allowed="a list", hint=f"{function}(model, [sample])")


def _members(folder, config):
    """The loaded members of an ensemble, which is beside them."""
    models, found = folder.absolute().parents[1], []
    for member in config["members"]:
        one = load_exported(models / member["name"] / f"seed{member['seed']}")
        if one.config["digests"]["model"] != member["digest"]:
            raise UserError(f"is not the model that '{config['name']}' is made of", where=str(one.folder))
        found.append(one)
    return found


def _tables(network, samples):
    """Per target the prediction table of new samples."""
    if hasattr(network, "members"):
        each = [_tables(one, samples) for one in network.members]
        config = network.config
        return with_all_sets(
            config, {name: joined(config, name, [tables[name] for tables in each]) for name in config["targets"]}
        )
    config, (rows, embeddings) = network.config, _embedded(network, samples)
    weights = {name: tensor.cpu() for name, tensor in network.state_dict().items() if name.startswith("heads.")}
    content = {**config, "state_dict": weights, "fold_heads": {}}
    return with_all_sets(config, {target: table_of(content, target, rows, embeddings) for target in config["targets"]})


def _embedded(network, samples):
    """The rows of new samples, and the embeddings of those that can be taken: see new_predictions.embed_taken."""
    card = card_of(network.config, {})
    give = {"image": given_files, "text": given_texts, "vector": given_vectors}[card["modality"]]
    with tempfile.TemporaryDirectory(prefix="graft-") as folder:
        new = give(samples, card, folder)
        if not len(new.rows):
            return new.rows, np.zeros((0, network.backbone.width), np.float32)
        device, threads = next(network.parameters()).device, torch.get_num_threads()
        return embed_taken(new, card, lambda: _backbone(network), "samples", "fp32", device, threads)


def _backbone(network):
    """A loaded network's backbone as features.trained gives that of an ft_model.pt."""
    config = network.config
    return SimpleNamespace(
        spec=config["backbone"],
        folder=network.folder,
        weights=config["digests"]["backbone"],
        network=lambda: network.backbone,
    )


def _answers(table):
    wanted = [name for name in table if name in ANSWERS or name.startswith(("prob_", "set_", "low_", "high_"))]
    return pd.DataFrame(table[[*wanted, "problem"]])
