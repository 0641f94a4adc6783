"""The prediction table: one schema for every stage, one row per sample and target."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa

from graft.common import plugins
from graft.common.outputs import write_parquet
from graft.data.splitting.halves import second_half
from graft.heads import solvers
from graft.heads.probe import VALIDATION
from graft.targets.held_out import with_held_out

SPLITS = ("train", "validation", "test")
KEPT_ASIDE = (
    -3
)  # among the folds: validation rows that chose neither the epoch nor the temperature of a trained network


def logits_of(content, target, embeddings):
    """The outputs of a model's head for embeddings of shape (n, width); float64, shape (n, outputs)."""
    state = content["state_dict"]
    return solvers.outputs(embeddings, state[f"heads.{target}.weight"], state[f"heads.{target}.bias"])


def teaching_logits(content, target, embeddings):
    """The logits that a student may learn from, shape (n, classes): its validation rows have no part in them.

    They are those of the head of the train rows alone, where the model's own head was fitted on validation rows, too.
    """
    blind = content["fold_heads"].get(target)
    if blind is None or VALIDATION not in _folds_of(blind, ()):
        return logits_of(content, target, embeddings)
    return solvers.outputs(embeddings, blind["weight"][0], blind["bias"][0])


def outputs_of(content, target, blocks, rows):
    """The outputs for each row; those of a head that did not see it, where the model has one.

    A fold without a row of this target has no head: the model's own saw none of its rows.

    Parameters
    ----------
    blocks : iterable of (places of rows, their embeddings), as feature_files.blocks_of gives them
    rows : DataFrame with split and fold (-1 for none), n rows

    Returns
    -------
    float64 array, shape (n, outputs), and the number of each row's head: its fold, probe.VALIDATION, or -1 for the model's
    """
    blind = content["fold_heads"].get(target)
    outputs = np.empty((len(rows), len(content["state_dict"][f"heads.{target}.bias"])))
    folds = rows["fold"].to_numpy()
    known = [] if blind is None else _folds_of(blind, folds)
    kinds = np.where(rows["split"].to_numpy() == "validation", VALIDATION, folds)
    kinds = np.where(np.isin(kinds, known), kinds, -1)
    for places, embeddings in blocks:
        found = logits_of(content, target, embeddings)
        for place, fold in enumerate(known):
            own = kinds[places] == fold
            if own.any():
                found[own] = solvers.outputs(embeddings[own], blind["weight"][place], blind["bias"][place])
        outputs[places] = found
    return outputs, kinds


def _folds_of(blind, folds):
    """Whom each of the heads predicts; models of earlier versions have the heads of all folds of their data."""
    return blind["folds"].tolist() if "folds" in blind else np.unique(folds[folds >= 0]).tolist()


def predict(content, target, manifest, rows, embeddings, held_out=None):
    """The prediction table of one model and target.

    Parameters
    ----------
    content : dict of ft_model.pt
    rows : DataFrame, rows of the manifest
    embeddings : float array, shape (n, width), of the model's own backbone; or an iterable of blocks of them, see
        `outputs_of`
    held_out : DataFrame of held_out.read_held_out, of a network that was also trained without each of its folds

    Returns
    -------
    DataFrame; train rows carry a fold only if their probabilities are out-of-fold; validation rows probe.VALIDATION if the model's
    own head has seen them, and this is what the head of the train rows says, and KEPT_ASIDE if they chose nothing of a network
    """
    facts = content["targets"][target]
    blocks = [(slice(None), embeddings)] if isinstance(embeddings, np.ndarray) else embeddings
    outputs, folds = outputs_of(content, target, blocks, rows)
    if held_out is not None:
        outputs, folds = with_held_out(outputs, folds, rows, held_out, target, facts)
    validation = (rows["split"] == "validation").to_numpy()
    if content.get("kept_aside") and validation.any():  # new samples have no split, and no group
        folds = np.where(validation & second_half(rows), KEPT_ASIDE, folds)
    table = pd.DataFrame(
        {
            "sample_id": rows["sample_id"],
            "target": target,
            "split": rows["split"],
            "fold": folds.astype(np.int16),
            "model": content["name"],
            "seed": content["seed"],
        }
    ).reset_index(drop=True)
    columns = plugins.load("kind", facts["kind"]).columns(outputs, manifest.codes(target, rows), facts)
    return pd.concat([table, pd.DataFrame(columns)], axis=1)


def write_predictions(path, table, content, target):
    """Write the table with the class order and the model's digest in the file's metadata."""
    metadata = {
        "target": target,
        "kind": content["targets"][target]["kind"],
        "classes": json.dumps(content["targets"][target].get("classes")),
        "model_digest": content["digests"]["model"],
    }
    found = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    lists = ["label", "predicted"] if metadata["kind"] == "multilabel" else []
    for name in [*lists, *(name for name in table if name.startswith("set_"))]:
        # A column of nulls or of empty lists alone says no type.
        place = found.schema.get_field_index(name)
        found = found.set_column(place, name, found[name].cast(pa.list_(pa.string())))
    write_parquet(path, found, metadata)


def metrics_of(table, facts, groups=None, splits=SPLITS):
    """Metrics with intervals per split of `splits`; rows without a label are left out.

    Parameters
    ----------
    table : DataFrame of `predict`
    facts : dict, the target's facts in ft_model.pt
    groups : sequence of str or None, one per row of the table: rows of one group (a patient, a plate) are drawn together
    """
    kind = plugins.load("kind", facts["kind"])
    groups = np.full(len(table), None) if groups is None else np.asarray(groups, dtype=object)
    table = table.assign(group=groups)[table[kind.LABEL].notna()]
    found = kind.metrics({split: table[table["split"] == split] for split in splits}, facts)
    return {split: metrics for split, metrics in found.items() if (table["split"] == split).any()}
