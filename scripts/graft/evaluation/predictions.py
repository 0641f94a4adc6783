"""The prediction table: one schema for every stage, one row per sample and target."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa

from graft.common.outputs import write_parquet
from graft.evaluation.held_out import with_held_out
from graft.evaluation.metrics import choose_threshold, classification_metrics, regression_metrics
from graft.heads import solvers
from graft.heads.calibration import calibrated, decide, probabilities
from graft.heads.probe import VALIDATION

SPLITS = ("train", "validation", "test")


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
    DataFrame; train rows carry a fold only if their probabilities are out-of-fold, validation rows probe.VALIDATION only
    if the model's own head has seen them, and this is what the head of the train rows says
    """
    facts = content["targets"][target]
    blocks = [(slice(None), embeddings)] if isinstance(embeddings, np.ndarray) else embeddings
    outputs, folds = outputs_of(content, target, blocks, rows)
    if held_out is not None:
        outputs, folds = with_held_out(outputs, folds, rows, held_out, facts)
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
    codes = manifest.codes(target, rows)
    columns = _classes(outputs, codes, facts) if facts["kind"] == "classification" else _values(outputs, codes, facts)
    return pd.concat([table, pd.DataFrame(columns)], axis=1)


def _classes(logits, codes, facts):
    classes, best = facts["classes"], decide(logits)
    chances = probabilities(calibrated(logits, facts))
    ranked = np.sort(chances, axis=1)
    names = np.array(classes, dtype=object)
    intercepts = facts.get("intercepts", ())
    return {
        "label": np.where(codes >= 0, names[np.maximum(codes, 0)], None),
        "predicted": names[best],
        "confidence": np.take_along_axis(chances, best[:, None], axis=1)[:, 0],
        "entropy": -np.sum(chances * np.log(np.maximum(chances, 1e-300)), axis=1),
        "margin": ranked[:, -1] - ranked[:, -2],
        "temperature": facts["temperature"],
        **{f"prob_{name}": chances[:, i] for i, name in enumerate(classes)},
        **{f"logit_{name}": logits[:, i] for i, name in enumerate(classes)},
        **{f"intercept_{name}": value for name, value in zip(classes, intercepts, strict=False)},
    }


def _values(outputs, values, facts):
    return {
        "value": values,
        "predicted": outputs[:, 0] * facts["std"] + facts["mean"],
        "std": facts["residual_std"],
    }


def write_predictions(path, table, content, target):
    """Write the table with the class order and the model's digest in the file's metadata."""
    metadata = {
        "target": target,
        "classes": json.dumps(content["targets"][target].get("classes")),
        "model_digest": content["digests"]["model"],
    }
    write_parquet(path, pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None), metadata)


def metrics_of(table, facts, groups=None):
    """Metrics with intervals per split; rows without a label are left out.

    Of two classes, sensitivity and specificity are for one threshold for all splits, chosen on validation rows; it is
    0.5 if those lack a class.

    Parameters
    ----------
    table : DataFrame of `predict`
    facts : dict, the target's facts in ft_model.pt
    groups : sequence of str or None, one per row of the table: rows of one group (a patient, a plate) are drawn together
    """
    known = "label" if facts["kind"] == "classification" else "value"
    groups = np.full(len(table), None) if groups is None else np.asarray(groups, dtype=object)
    table = table.assign(group=groups)[table[known].notna()]
    parts = {split: table[table["split"] == split] for split in SPLITS}
    if facts["kind"] == "regression":
        measure = _regression
    else:
        threshold = None
        if len(facts["classes"]) == 2:
            threshold = choose_threshold(*_judged(parts["validation"], facts["classes"], column=1))
        measure = partial(_classification, classes=facts["classes"], threshold=threshold)
    return {split: measure(part) for split, part in parts.items() if len(part)}


def _regression(part):
    return regression_metrics(part["value"].to_numpy(), part["predicted"].to_numpy(), part["group"].to_numpy())


def _classification(part, classes, threshold):
    predicted = part["predicted"].map({name: i for i, name in enumerate(classes)}).to_numpy(np.int64)
    return classification_metrics(*_judged(part, classes), classes, part["group"].to_numpy(), threshold, predicted)


def _judged(part, classes, column=slice(None)):
    """Class indices and probabilities of some rows."""
    labels = part["label"].map({name: i for i, name in enumerate(classes)}).to_numpy(np.int64)
    names = [f"prob_{name}" for name in classes]
    return labels, part[names[column] if column == 1 else names].to_numpy()
