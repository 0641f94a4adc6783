"""The prediction table of new samples: their embeddings by the model, its head on them, and how unusual they are."""

import math
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from graft.common.errors import UserError
from graft.common.job import Progress
from graft.common.outputs import read_json
from graft.data.listing.rows import listed
from graft.data.samples import Manifest, card_beside
from graft.data.survey.new_checks import check_new
from graft.embedding import features
from graft.embedding.input_batches import open_inputs
from graft.serving.new_data import list_new
from graft.serving.novelty import Novelty, training_embeddings
from graft.serving.trained_model import card_of
from graft.store import Store
from graft.targets.predictions import predict

BLOCK = 256  # samples whose decoded images are on the disk at once


def embed_for(content, around, data, column=None, precision="auto", device=None, threads=1, subgroups=()):
    """The embeddings of new samples by a trained network.

    Parameters
    ----------
    content : dict of ft_model.pt
    around : trained_model.Beside, what is beside the model
    data, column, subgroups : see new_data.list_new
    precision : 'auto', 'fp32' or 'bf16'
    device : torch.device, optional

    Returns
    -------
    rows, embeddings : see `embed_taken`

    Raises
    ------
    UserError
        If there is no sample, or none that the model can take.
    """
    known = card_beside(around.samples) if around.samples else {}
    card = card_of(content, known)
    new = list_new(data, card, column, subgroups)

    def backbone():
        return features.trained(content, tokenizer_folder(content, around.backbone))

    return embed_taken(new, card, backbone, str(data), precision, device, threads, around.store)


def tables_of(content, rows, embeddings, novelty):
    """The prediction tables of new samples by one network: dict, target -> DataFrame, see `table_of`.

    `novelty` : Novelty; or a str, why there are no distances
    """
    target, *others = content["targets"]
    first = table_of(content, target, rows, embeddings, novelty if isinstance(novelty, Novelty) else None)
    same = {key: first[key] for key in ("distance", "unusual")}  # how far a sample is does not depend on the target
    return {target: first} | {one: table_of(content, one, rows, embeddings).assign(**same) for one in others}


def embed_taken(new, card, backbone, where, precision="auto", device=None, threads=1, store=None):
    """The embeddings of those new samples that the model can take: `make predict` and exported models go this one way.

    Parameters
    ----------
    new : SimpleNamespace with rows, entry and root, as new_data.list_new gives them
    card : dict, what `card_of` gave
    backbone : function that gives what features.trained gives; called only if some sample can be taken
    where : str, the samples' place, for errors
    store : path, optional, of a store where the network may be converted already; it is only read

    Returns
    -------
    rows : DataFrame, new.rows with content_sha256, and reason: null, or why a sample has no embedding
    embeddings : float32 array, shape (rows without a reason, width)

    Raises
    ------
    UserError
        If no sample can be taken; with the reasons.
    """
    rows = check_new(new, card, threads)
    good = rows["reason"].isna()
    if good.any():
        source = SimpleNamespace(entry=new.entry, root=new.root, card=card)
        found, rows.loc[good, "reason"] = embed_new(rows[good], source, backbone(), precision, device, threads, store)
        found = found[rows.loc[good, "reason"].isna().to_numpy()]
        if len(found):
            return rows, found
    lines = [f"{name}: {why}" for name, why in zip(rows["sample_id"], rows["reason"], strict=True)]
    raise UserError(f"none of {len(rows)} samples can be predicted:{listed(lines)}", where)


def tokenizer_folder(content, folder):
    """The folder of a text model's backbone, with the tokenizer that the model learned with; None for other models."""
    if _modality(content) != "text":
        return None
    name = content["backbone"]["name"]
    where = str(folder or f"resources/backbones/{name}")
    hint = "run the workflow again, or name the folder of the resources: --resources"
    if folder is None or not (Path(folder) / "backbone.json").is_file():
        raise UserError("a text model needs its backbone's tokenizer, which is not there", where, None, hint)
    there = read_json(Path(folder) / "backbone.json")["preprocessing"].get("tokenizer")
    if there != content["transform"].get("tokenizer"):
        raise UserError("holds another tokenizer than the one that the model learned with", where, None, hint)
    return folder


def novelty_of(content, around):
    """Novelty for a model; or a str, why there is none."""
    if around.samples is None or around.features is None:
        return "the embeddings of its training data are not beside the model"
    try:
        found = training_embeddings(
            around.samples, around.features, list(content["targets"]), content["backbone"]["width"]
        )
    except UserError as error:
        return f"{error.where}: {error.what}"
    return Novelty(*found, columns_differ=_modality(content) == "vector")


def embed_new(rows, source, backbone, precision="auto", device=None, threads=1, store=None):
    """Embeddings of samples that no later run will ask for.

    They do not go into the user's store. It makes room by dropping the tables that were not used for longest, and a
    folder that is looked at once must not push out those of a data set. Decoded images are in a store that lives as
    long as their block. (Samples to predict time and again belong into a data set, as its pool.)

    Parameters
    ----------
    rows : DataFrame with path, row, content_sha256
    source : SimpleNamespace with entry, root, card, as for features.embed
    backbone : what features.trained gave
    store : path, optional, of a store where the network may be converted already; it is only read

    Returns
    -------
    embeddings : float32 array, shape (n, width)
    reasons : list of str or None, why a sample has none (its row is then zero)
    """
    progress = Progress("predicting", len(rows))
    network = backbone.network() if source.card["modality"] == "vector" else None
    engines = []  # none, before a block could be read whose samples it is tried with

    def engine_of(block, store):
        if not engines:
            mode = {"device": device, "threads": threads, "engine": "auto", "samples": len(rows)}
            engines.append(features.engine_for(block, source, backbone, store, precision, **mode))
        return engines[0]

    def embedded(block):
        with tempfile.TemporaryDirectory(prefix="graft-") as folder:
            inputs = open_inputs(block, source, backbone, Store(folder), threads)
            if network:
                return features.of_vectors(network, inputs.vectors)
            return features.forward(engine_of(block, Store(kept, shared=store)), inputs)[0]

    parts, reasons = [], []
    with tempfile.TemporaryDirectory(prefix="graft-") as kept:
        for start in range(0, len(rows), BLOCK):
            found, why = _whole_or_halves(embedded, rows.iloc[start : start + BLOCK], backbone.spec["width"])
            parts.append(found)
            reasons += why
            progress.add(len(found))
    return np.concatenate(parts), reasons


def _whole_or_halves(embedded, block, width):
    """One sample that fails (pixels at which the network overflows, a file that went away) takes no other with it."""
    try:
        return embedded(block), [None] * len(block)
    except UserError as error:
        if len(block) == 1:
            return np.zeros((1, width), np.float32), [getattr(error, "errors", [error])[0].what]
    middle = len(block) // 2
    parts = [_whole_or_halves(embedded, half, width) for half in (block.iloc[:middle], block.iloc[middle:])]
    return np.concatenate([found for found, _ in parts]), [why for _, reasons in parts for why in reasons]


def table_of(content, target, rows, embeddings, novelty=None):
    """The prediction table of new samples, in their order.

    Parameters
    ----------
    content : dict of ft_model.pt; `target` is one of its targets
    rows : DataFrame with sample_id and reason (null, or why there is no prediction), n rows
    embeddings : float array, shape (rows without a reason, width)
    novelty : Novelty, optional

    Returns
    -------
    DataFrame
        The columns of predictions.predict, with split "new" and without labels; then distance (to the training data),
        unusual (null where there is no distance, or too few samples to hold it against) and problem (why there is no
        prediction)
    """
    rows = unlabelled(content, target, rows.reset_index(drop=True)).assign(split="new", fold=-1)
    good = rows[rows["reason"].isna()]
    found = predict(content, target, Manifest(good, content["targets"], {}), good, embeddings)
    every = {"target": target, "split": "new", "fold": np.int16(-1), "model": content["name"], "seed": content["seed"]}
    table = found.set_index(good.index).reindex(rows.index).assign(sample_id=rows["sample_id"], **every)[found.columns]
    table["distance"] = np.nan
    table["unusual"] = pd.Series(pd.NA, rows.index, dtype="boolean")
    if novelty is not None:
        distances = novelty.distance(embeddings)
        table.loc[good.index, "distance"] = distances
        if math.isfinite(novelty.limit):  # else nobody can say
            table.loc[good.index, "unusual"] = novelty.is_unusual(distances)
    return table.assign(problem=rows["reason"])


def unlabelled(content, target, rows):
    """Rows that have no label of a target."""
    return rows.assign(**{target: np.nan if content["targets"][target]["kind"] == "regression" else None})


def _modality(content):
    return content["backbone"]["modality"]
