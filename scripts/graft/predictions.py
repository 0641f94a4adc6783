"""The prediction table: one schema for every stage, one row per sample and target."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa

from graft.calibration import probabilities
from graft.metrics import classification_metrics, regression_metrics
from graft.outputs import write_parquet

SPLITS = ("train", "validation", "test")


def logits_of(content, target, embeddings):
    """The outputs of a model's head for embeddings of shape (n, width); float64, shape (n, outputs)."""
    state = content["state_dict"]
    weight, bias = (state[f"heads.{target}.{name}"].double().numpy() for name in ("weight", "bias"))
    return np.asarray(embeddings, np.float64) @ weight.T + bias


def out_of_fold(content, target, embeddings, folds, outputs):
    """Replace the outputs of rows that have a fold by those of the head that did not see them."""
    heads = content["fold_heads"].get(target)
    if heads is None:
        return outputs, np.full(len(folds), -1)
    outputs = outputs.copy()
    for place, fold in enumerate(np.unique(folds[folds >= 0])):
        rows = folds == fold
        weight, bias = heads["weight"][place].double().numpy(), heads["bias"][place].double().numpy()
        outputs[rows] = embeddings[rows].astype(np.float64) @ weight.T + bias
    return outputs, folds


def predict(content, target, manifest, rows, embeddings):
    """The prediction table of one model and target.

    Parameters
    ----------
    content : dict of ft_model.pt
    rows : DataFrame, rows of the manifest
    embeddings : float array, shape (n, width), of the model's own backbone

    Returns
    -------
    DataFrame; train rows carry a fold only if their probabilities are out-of-fold
    """
    facts = content["targets"][target]
    outputs = logits_of(content, target, embeddings)
    outputs, folds = out_of_fold(content, target, embeddings, rows["fold"].to_numpy(), outputs)
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


def metrics_of(table, facts):
    """Metrics with bootstrap intervals per split; rows without a label are left out."""
    known = "label" if facts["kind"] == "classification" else "value"
    table = table[table[known].notna()]
    parts = {split: table[table["split"] == split] for split in SPLITS}
    return {split: _metrics(part, facts) for split, part in parts.items() if len(part)}


def _metrics(table, facts):
    if facts["kind"] == "regression":
        return regression_metrics(table["value"].to_numpy(), table["predicted"].to_numpy())
    classes = facts["classes"]
    labels = table["label"].map({name: i for i, name in enumerate(classes)}).to_numpy(np.int64)
    return classification_metrics(labels, table[[f"prob_{name}" for name in classes]].to_numpy(), classes)
