"""The prediction table: one schema for every stage, one row per sample and target."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa

from graft.calibration import probabilities
from graft.held_out import with_held_out
from graft.metrics import choose_threshold, classification_metrics, regression_metrics
from graft.outputs import write_parquet

SPLITS = ("train", "validation", "test")


def logits_of(content, target, embeddings):
    """The outputs of a model's head for embeddings of shape (n, width); float64, shape (n, outputs)."""
    state = content["state_dict"]
    weight, bias = (state[f"heads.{target}.{name}"].double().numpy() for name in ("weight", "bias"))
    return np.asarray(embeddings, np.float64) @ weight.T + bias


def outputs_of(content, target, blocks, folds):
    """The outputs for each row, of rows that have a fold those of the head that did not see them.

    A fold without a row of this target has no head: the model's own saw none of its rows.

    Parameters
    ----------
    blocks : iterable of (places of rows, their embeddings), as feature_files.blocks_of gives them
    folds : int array, shape (n,), -1 for none

    Returns
    -------
    float64 array, shape (n, outputs), and the folds, all -1 if the model has no heads of folds
    """
    heads = content["fold_heads"].get(target)
    outputs = np.empty((len(folds), len(content["state_dict"][f"heads.{target}.bias"])))
    known = () if heads is None else heads["folds"].tolist()
    for rows, embeddings in blocks:
        found = logits_of(content, target, embeddings)
        for place, fold in enumerate(known):
            own = folds[rows] == fold
            weight, bias = heads["weight"][place].double().numpy(), heads["bias"][place].double().numpy()
            found[own] = embeddings[own].astype(np.float64) @ weight.T + bias
        outputs[rows] = found
    return outputs, np.full(len(folds), -1) if heads is None else folds


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
    DataFrame; train rows carry a fold only if their probabilities are out-of-fold
    """
    facts = content["targets"][target]
    blocks = [(slice(None), embeddings)] if isinstance(embeddings, np.ndarray) else embeddings
    outputs, folds = outputs_of(content, target, blocks, rows["fold"].to_numpy())
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
    classes, temperature = facts["classes"], facts["temperature"]
    chances = np.asarray(probabilities(logits, temperature))
    ranked = np.sort(chances, axis=1)
    names = np.array(classes, dtype=object)
    return {
        "label": np.where(codes >= 0, names[np.maximum(codes, 0)], None),
        "predicted": names[chances.argmax(1)],
        "confidence": ranked[:, -1],
        "entropy": -np.sum(chances * np.log(np.maximum(chances, 1e-300)), axis=1),
        "margin": ranked[:, -1] - ranked[:, -2],
        "temperature": temperature,
        **{f"prob_{name}": chances[:, i] for i, name in enumerate(classes)},
        **{f"logit_{name}": logits[:, i] for i, name in enumerate(classes)},
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

    Of two classes, sensitivity and specificity stand at one threshold for all splits, chosen on validation rows; it is
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
    return classification_metrics(*_judged(part, classes), classes, part["group"].to_numpy(), threshold)


def _judged(part, classes, column=slice(None)):
    """Class indices and probabilities of some rows."""
    labels = part["label"].map({name: i for i, name in enumerate(classes)}).to_numpy(np.int64)
    names = [f"prob_{name}" for name in classes]
    return labels, part[names[column] if column == 1 else names].to_numpy()
