"""An ensemble by stacking: logistic regression on the log-probabilities of all models (Wolpert 1992)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score


def main(predictions, output, metrics):
    """Learn the weights on the train rows, out of fold; write predictions of all rows, and what they are worth."""
    classes = json.loads(pq.read_schema(predictions).metadata[b"classes"])
    columns = [f"prob_{name}" for name in classes]
    table = pd.read_parquet(predictions)
    rows = table.drop_duplicates("sample_id").set_index("sample_id")[["split", "label"]]
    models = {
        f"{model}.seed{seed}": part.set_index("sample_id").loc[rows.index]
        for (model, seed), part in table.groupby(["model", "seed"])
    }
    chances = {name: part[columns].to_numpy() for name, part in models.items()}
    # Of a train row without a fold, a model knows the label by heart: that must not count for it.
    honest = np.all([part["fold"] >= 0 for part in models.values()], axis=0)
    train = honest & (rows["split"] == "train") & rows["label"].notna()
    if not train.any():
        raise SystemExit("no train row has out-of-fold probabilities of every model: give trained networks `folds`")
    chances["ensemble"] = stacked(list(chances.values()), rows["label"], train, classes)

    found = {name: figures_by_split(rows, values, classes) for name, values in chances.items()}
    best = max(models, key=lambda name: found[name]["validation"]["auroc"])
    facts = {"train_rows": int(train.sum()), "best_single": best, "models": found}
    Path(metrics).write_text(json.dumps(facts, indent=2) + "\n")
    table = rows.reset_index().assign(model="ensemble", predicted=np.array(classes)[chances["ensemble"].argmax(1)])
    table[columns] = chances["ensemble"]
    table.to_parquet(output, index=False)


def stacked(chances, labels, train, classes):
    """The ensemble's probabilities, shape (rows, classes), from those of the models; it learns from the `train` rows."""
    logs = np.log(np.clip(np.hstack(chances), 1e-6, 1))
    ensemble = LogisticRegression().fit(logs[train], labels[train].map(classes.index))
    return ensemble.predict_proba(logs)


def figures_by_split(rows, chances, classes):
    """AUROC, accuracy and log loss on validation and test; the best single model is chosen on the former."""
    found = {}
    for split in ("validation", "test"):
        own = (rows["split"] == split).to_numpy()
        codes, values = rows["label"][own].map(classes.index), chances[own]
        scores = values[:, 1] if len(classes) == 2 else values
        found[split] = {
            "auroc": roc_auc_score(codes, scores, multi_class="ovr"),
            "accuracy": accuracy_score(codes, values.argmax(1)),
            "log_loss": log_loss(codes, values, labels=range(len(classes))),
        }
    return found


if "snakemake" in globals():
    main(snakemake.input.predictions, snakemake.output.predictions, snakemake.output.metrics)
