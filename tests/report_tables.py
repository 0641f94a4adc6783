"""Small result files of the real formats, for the tests of the report and of the hand-over."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd

from graft.common.outputs import write_csv, write_json, write_parquet
from graft.curves.table import forecast_rows, measured_row, none_row, table_of
from graft.heads.calibration import probabilities


def classes_of(count):
    return [f"class {i + 1}" for i in range(count)]


def predictions(path, classes, rows=120, seed=0, model="solar.rn50.linear", target="kind", temperature=2.0, pool=5):
    """A prediction table as predict.py writes it; the last `pool` rows have no label."""
    rng = np.random.default_rng([seed, len(classes)])
    truth = np.arange(rows) % len(classes)
    logits = rng.normal(0, 1.5, (rows, len(classes))) + 3 * np.eye(len(classes))[truth]
    chances = probabilities(logits, temperature)
    ranked = np.sort(chances, axis=1)
    names = np.array(classes, dtype=object)
    split = np.array(["train", "validation", "test", "test"], dtype=object)[(np.arange(rows) // len(classes)) % 4]
    label = names[truth].copy()
    if pool:
        split[-pool:], label[-pool:] = "pool", None
    frame = pd.DataFrame(
        {
            "sample_id": [f"s{i:04d}" for i in range(rows)],
            "target": target,
            "split": split,
            "fold": np.where(split == "train", np.arange(rows) % 5, -1).astype(np.int16),
            "model": model,
            "seed": seed,
            "label": label,
            "predicted": names[chances.argmax(1)],
            "confidence": ranked[:, -1],
            "entropy": -(chances * np.log(chances)).sum(1),
            "margin": ranked[:, -1] - ranked[:, -2],
            "temperature": temperature,
            **{f"prob_{name}": chances[:, i] for i, name in enumerate(classes)},
            **{f"logit_{name}": logits[:, i] for i, name in enumerate(classes)},
        }
    )
    write_parquet(path, frame, {"target": target, "classes": json.dumps(classes), "model_digest": f"{model}-{seed}"})
    return frame


def regression(path, rows=200, seed=0, model="sol.rn50.linear", target="logS", split="test"):
    """A prediction table of a regression target."""
    rng = np.random.default_rng(seed)
    value = rng.normal(-3, 2, rows)
    frame = pd.DataFrame(
        {
            "sample_id": [f"s{i:04d}" for i in range(rows)],
            "target": target,
            "split": split,
            "fold": np.int16(-1),
            "model": model,
            "seed": seed,
            "value": value,
            "predicted": value + rng.normal(0, 0.8, rows),
            "std": 0.8,
        }
    )
    write_parquet(path, frame, {"target": target, "classes": "null", "model_digest": "d"})
    return frame


def metrics(path, kind="classification", value=0.8):
    """metrics.json with the same metrics for every split."""
    names = {
        "classification": ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "log_loss", "ece"),
        "regression": ("r2", "rmse", "mae"),
    }[kind]
    one = {name: {"value": value, "low": value - 0.05, "high": value + 0.04} for name in names}
    write_json(path, {split: one for split in ("train", "validation", "test")})


def history(path, probe=True, epochs=6, quality=("val_acc", "val_auroc")):
    """ft_history.csv of lp_ft: the probe's candidates, then epochs."""
    rows = []
    for i, l2 in enumerate((1e-4, 1e-3, 1e-2, 1e-1, 1.0) if probe else ()):
        rows.append(
            {
                "epoch": i + 1,
                "train_loss": 0.2 + 0.1 * i,
                "val_loss": 0.5 + 0.05 * abs(i - 2),
                "stage": "probe",
                "l2": l2,
                "best": i == 2,
            }
        )
    for i in range(epochs):
        rows.append(
            {
                "epoch": i + 1,
                "train_loss": 0.6 / (i + 1),
                "val_loss": 0.5 - 0.03 * i * (4.5 - i) / 2,
                "lr": 1e-3,
                "stage": "train",
            }
            | {name: 0.7 + 0.03 * i + 0.02 * j for j, name in enumerate(quality)}
        )
    columns = ["epoch", "train_loss", "val_acc", "val_loss", "val_auroc", "val_r2", "lr", "stage", "l2", "best"]
    always = ("epoch", "train_loss", "val_acc", "val_loss")
    frame = pd.DataFrame(rows)
    write_csv(path, frame.reindex(columns=[name for name in columns if name in always or name in frame]))


def few_shot(path, ways=5, shots=(1, 5, 10), start=0.5):
    """metrics.json of a few-shot task."""
    settings = [
        {
            "ways": ways,
            "shots": count,
            "queries": 15,
            "episodes": 600,
            "accuracy": {"value": start + 0.1 * i, "low": start + 0.1 * i - 0.02, "high": start + 0.1 * i + 0.02},
            "log_loss": 0.9 - 0.1 * i,
            "ece": 0.05,
            "temperature": 1.2,
        }
        for i, count in enumerate(shots)
    ]
    write_json(path, {"settings": settings})


def curves():
    """A table of learning curves: five draws of three fractions, a forecast of validation rows and none of test rows."""
    rows, draw = [], np.random.default_rng(0)
    for split in ("validation", "test"):
        for fraction in (0.25, 0.5, 1.0):
            for number in range(5):
                value = {"value": 1 - 0.1 / fraction**0.5 + draw.normal() / 100, "low": None, "high": None}
                rows.append(measured_row("linear on b", split, fraction, int(100 * fraction), number, "auroc", value))
    ahead = np.array([100, 200, 1000])
    value = 1 - 0.1 / (ahead / 100) ** 0.5
    foretold = SimpleNamespace(labels=ahead, value=value, low=value - 0.02, high=value + 0.01)
    rows += forecast_rows("linear on b", "validation", "auroc", foretold, 100)
    return table_of([*rows, none_row("linear on b", "test", "auroc", "with all labels it is worse than with fewer")])


def agreement(
    path, kind="classification", teacher="solar-teacher.effnet-lite2.lp_ft", student="small.effnet-lite0-160.kd"
):
    """agreement.json of a distilled model."""
    names = (
        ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "log_loss", "ece")
        if kind == "classification"
        else ("r2", "rmse", "mae")
    )

    def side(name, parameters, value):
        return {
            "name": name,
            "seed": 0,
            "parameters": parameters,
            "flops": parameters * 170,
            "bytes": parameters * 4,
            "input": 160,
            "metrics": {key: {"value": value, "low": value - 0.04, "high": value + 0.03} for key in names},
        }

    shares = {
        split: {"value": value, "low": value - 0.02, "high": value + 0.02}
        for split, value in (("train", 0.95), ("validation", 0.91), ("test", 0.9))
    }
    write_json(
        path,
        {"teacher": side(teacher, 4_870_000, 0.85), "student": side(student, 3_380_000, 0.82), "agreement": shares},
    )


def manifest(folder, frame, modality, group=None, paths=None, rows=None, content=None, card=None):
    """samples.parquet, labels.json and data_card.json that a prediction table belongs to."""
    count = len(frame)
    samples = pd.DataFrame(
        {
            "sample_id": frame["sample_id"],
            "path": "x.csv" if paths is None else paths,
            "row": np.arange(count) if rows is None else rows,
            "content_sha256": [f"{i:064x}" for i in range(count)] if content is None else content,
            "split": frame["split"],
            "fold": np.int16(-1),
            "group": pd.Series([None] * count if group is None else group, dtype=object),
            "sampling_unit": pd.Series([None] * count if group is None else group, dtype=object),
        }
    )
    write_parquet(folder / "samples.parquet", samples)
    write_json(folder / "labels.json", {"targets": {}})
    write_json(folder / "data_card.json", {"dataset": "tiny", "modality": modality, "counts": {}, **(card or {})})


def zero_shot(path, accuracy=0.8, worth="7", classes=("a", "b")):
    """metrics.json of a zero-shot task, and its predictions, which are right so often on validation rows."""
    metric = {"value": accuracy, "low": accuracy - 0.05, "high": accuracy + 0.05}
    splits = {split: {"accuracy": metric, "balanced_accuracy": metric} for split in ("validation", "test")}
    shots = [{"task": "few", "ways": len(classes), "shots": 7.0, "words": worth, "accuracy": accuracy, "few_shot": {}}]
    facts = {"calibration": {"by": "scores of rows", "rows": 9, "temperature": 0.03}, "counts": {}, "notes": []}
    write_json(path, {**splits, **facts, "texts": {name: [name] for name in classes}, "shots_worth": shots})
    right = np.arange(60) < accuracy * 60
    rows = pd.DataFrame({"sample_id": [f"s{i:04d}" for i in range(60)], "split": "validation", "label": classes[0]})
    rows = rows.assign(predicted=np.where(right, *classes[:2]), confidence=0.9)
    for i, name in enumerate(classes):
        rows[f"prob_{name}"] = np.where(right == (i == 0), 0.9, 0.1)
    write_csv(path.with_name("zero_shot_predictions.csv"), rows)
