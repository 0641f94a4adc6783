"""Targets of every kind on real data: two together with half of the labels, grades, several labels, and molecules.

`PYTHONPATH=scripts:tests python -m benchmarks.targets` runs them in build/targets (three quarters of an hour on two cores) and writes their tables into
docs/results.md. It can be stopped and goes on where it was.
"""

import shutil

import numpy as np
import pandas as pd
import yaml
from sklearn.metrics import accuracy_score, average_precision_score, cohen_kappa_score, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split

import assets
from benchmarks.elpv import ENTRY
from benchmarks.pool_students import TEST, cell, resampled
from benchmarks.write_results import HERE, PAGE, machine, put_between
from graft.common.fingerprint import root_of
from running import graft

BEGIN, END = "<!-- targets: begin -->", "<!-- targets: end -->"
NETWORK, MOLECULES = "effnet-lite0-160", "rxnfp"
GRADES = ["intact", "rather intact", "rather defective", "defective"]  # the probabilities 0, 1/3, 2/3 and 1
DRAWS, SEEDS = range(3), [1]
TUNED = {"method": "full", "epochs": 20, "lr": 2e-4, "head_lr": 2e-3, "batch_size": 16, "patience": None}
CLASSES = ["(A) low", "(B) medium", "(C) high"]


def write_cells(folder):
    """The images, and a table per draw: what is validated on, and which labels of train and validation rows are missing, is drawn."""
    root = root_of(assets.dataset("elpv") / "dataset.json")
    if not (folder / "images").exists():
        shutil.copytree(root / "images", folder / "images")
    table = pd.read_csv(root / "labels.csv", sep=r"\s+", names=ENTRY["header"])
    grade = (3 * table["probability"]).round().astype(int)
    table["grade"] = np.array(GRADES)[grade]
    table["defective"], table["poly"] = (grade > 1).astype(int), (table["type"] == "poly").astype(int)
    strata = table["type"] + grade.astype(str)
    rest, _ = train_test_split(np.arange(len(table)), test_size=TEST, stratify=strata, random_state=0)
    for draw in DRAWS:
        _, validation = train_test_split(rest, test_size=0.18, stratify=strata[rest], random_state=draw)
        split = np.full(len(table), "test", object)
        split[rest], split[validation] = "train", "validation"
        random, drawn = np.random.default_rng(draw), table.assign(split=split)
        for column, words in {"defective": ["no", "yes"], "poly": ["mono", "poly"]}.items():
            known = (split == "test") | (random.random(len(table)) < 0.5)
            drawn[f"half_{column}"] = np.where(known, np.array(words)[table[column]], "")
        drawn.to_csv(folder / f"draw{draw}.csv", index=False)


def config_of(cells):
    """The workflow's config: a data set of cells per draw, and the molecules."""
    columns = {"path": "path", "split": "split"}
    targets = {
        "defect": {"column": "half_defective", "classes": ["no", "yes"]},
        "type": {"column": "half_poly", "classes": ["mono", "poly"]},
        "grade": {"kind": "ordinal", "classes": GRADES},
        "grade_class": {"column": "grade", "classes": GRADES},
        "grade_number": {"column": "probability", "kind": "regression"},
        "signs": {"kind": "multilabel", "columns": ["defective", "poly"]},
    }
    draws = {
        f"draw{draw}": {"reader": "table", "modality": "image", "targets": targets, "columns": columns}
        | {"source": {"path": str(cells)}, "table": f"draw{draw}.csv"}
        for draw in DRAWS
    }
    molecules = {
        "source": {"path": str(root_of(assets.dataset("solubility") / "dataset.json"))},
        "reader": "table",
        "table": {"train": "solubility.train.sdf", "test": "solubility.test.sdf"},
        "columns": {"text": "smiles"},
        "targets": {
            "logS": {"column": "SOL", "kind": "regression"},
            "class": {"column": "SOL_classification", "classes": CLASSES},
        },
        "split": {"validation": 0.15},
        "duplicates": "drop",
    }
    cells = {"dataset": list(draws), "backbone": NETWORK, "method": "lp_ft", "epochs": 4, "patience": None}
    aqueous = {"dataset": "molecules", "targets": ["logS", "class"], "backbone": MOLECULES}
    return {
        "datasets": {**draws, "molecules": molecules},
        "backbones": {NETWORK: {"like": "effnet-lite0", "input_size": 160}},
        "finetune": {
            "half": {**cells, "targets": ["defect", "type"]},
            **{name: {**cells, "target": name} for name in ("grade", "grade_class", "grade_number", "signs")},
            "frozen": {**aqueous, "method": "linear"},
            "tuned": {**aqueous, **TUNED, "seeds": SEEDS},
        },
    }


def file_of(model, target, seed=0):
    return f"results/finetune/{model}/seed{seed}/{target}/predictions.parquet"


def all_files():
    """The predictions that the table is made of."""
    ends = {"half": ("defect", "type"), **{name: (name,) for name in ("grade", "grade_class", "grade_number", "signs")}}
    for entry, targets in ends.items():
        for draw in DRAWS:
            yield from (file_of(f"{entry}-draw{draw}.{NETWORK}.lp_ft", target) for target in targets)
            alone = targets if len(targets) > 1 else ()
            yield from (file_of(f"{entry}-draw{draw}-{target}.{NETWORK}.lp_ft", target) for target in alone)
    for entry, method, seeds in (("frozen", "linear", [0]), ("tuned", "full", SEEDS)):
        for seed in seeds:
            for target in ("logS", "class"):
                yield file_of(f"{entry}.{MOLECULES}.{method}", target, seed)
                yield file_of(f"{entry}-{target}.{MOLECULES}.{method}", target, seed)


def test_rows(folder, model, target, seed=0):
    """The test rows of a model's predictions, in the order of the samples."""
    table = pd.read_parquet(folder / file_of(model, target, seed))
    return table[table["split"] == "test"].sort_values("sample_id").reset_index(drop=True)


def over_draws(folder, entry, target, values, suffix=""):
    """What `values` makes of the tables of a model on the cells: array of shape (draws, rows, ..)."""
    names = [f"{entry}-draw{draw}{suffix}.{NETWORK}.lp_ft" for draw in DRAWS]
    return np.stack([values(test_rows(folder, name, target)) for name in names])


def together(folder):
    """Rows of the table: both targets in one model, against each alone, with half of the labels."""
    for target, positive in (("defect", "yes"), ("type", "poly")):
        chance = f"prob_{positive}"
        found = {
            "together": over_draws(folder, "half", target, lambda table, chance=chance: table[chance]),
            "alone": over_draws(folder, "half", target, lambda table, chance=chance: table[chance], f"-{target}"),
        }
        labels = (test_rows(folder, f"half-draw0.{NETWORK}.lp_ft", target)["label"] == positive).to_numpy()
        aurocs = resampled(labels, found)
        for name, values in aurocs.items():
            yield f"| {target} with half of the labels, {name} | AUROC | {cell(values)} |"
        yield f"| {target}, together over alone, paired | AUROC | {cell(aurocs['together'] - aurocs['alone'], '+')} |"


def grades(folder):
    """Rows of the table: grades as an ordinal target, as classes without an order, and as a number."""

    def number(table):
        return table["predicted"].map(GRADES.index)

    found = {
        "ordinal": over_draws(folder, "grade", "grade", number),
        "classes": over_draws(folder, "grade_class", "grade_class", number),
        "number": over_draws(
            folder,
            "grade_number",
            "grade_number",
            lambda table: (3 * table["predicted"]).round().clip(0, 3).astype(int),
        ),
    }
    labels = test_rows(folder, f"grade-draw0.{NETWORK}.lp_ft", "grade")["label"].map(GRADES.index).to_numpy()
    statistics = {
        "quadratic kappa": lambda labels, found: cohen_kappa_score(labels, found, weights="quadratic"),
        "mean error in grades": lambda labels, found: np.abs(labels - found).mean(),
        "accuracy": accuracy_score,
    }
    for metric, statistic in statistics.items():
        values = resampled(labels, found, statistic)
        for name, one in values.items():
            yield f"| grades as {name} | {metric} | {cell(one)} |"
        for other in ("classes", "number"):
            yield f"| ordinal over {other}, paired | {metric} | {cell(values['ordinal'] - values[other], '+')} |"


def signs(folder):
    """Rows of the table: defective and poly as two labels of one sample."""
    names = ["defective", "poly"]
    found = {"signs": over_draws(folder, "signs", "signs", lambda table: table[[f"prob_{name}" for name in names]])}
    table = test_rows(folder, f"signs-draw0.{NETWORK}.lp_ft", "signs")
    labels = np.array([[name in row for name in names] for row in table["label"]])
    for metric, statistic in {
        "mean average precision": average_precision_score,
        "macro AUROC": roc_auc_score,
        "AUROC of defective": lambda labels, found: roc_auc_score(labels[:, 0], found[:, 0]),
    }.items():
        yield f"| labels {{defective, poly}} | {metric} | {cell(resampled(labels, found, statistic)['signs'])} |"
    chosen = [
        np.array(
            [
                [name in row for name in names]
                for row in test_rows(folder, f"signs-draw{draw}.{NETWORK}.lp_ft", "signs")["predicted"]
            ]
        )
        for draw in DRAWS
    ]
    exact = resampled(labels, {"signs": np.stack(chosen)}, accuracy_score)["signs"]
    yield f"| labels {{defective, poly}} | exact match | {cell(exact)} |"


def molecules(folder):
    """Rows of the table: solubility as a number and as a class."""
    models = {"frozen": ("frozen", "linear", [0]), "tuned": ("tuned", "full", SEEDS)}
    for target, metric, statistic in (("logS", "R²", r2_score), ("class", "accuracy", accuracy_score)):
        found, labels = {}, None
        for words, (entry, method, seeds) in models.items():
            for end, together_ in (("", "together"), (f"-{target}", "alone")):
                tables = [test_rows(folder, f"{entry}{end}.{MOLECULES}.{method}", target, seed) for seed in seeds]
                labels = tables[0]["value" if target == "logS" else "label"].to_numpy()
                found[f"{words}, {together_}"] = np.stack([table["predicted"] for table in tables])
        for words in models:
            pair = [f"{words}, together", f"{words}, alone"]
            values = resampled(labels, {name: found[name] for name in pair}, statistic)
            for name in pair:
                yield f"| {target}, {name} | {metric} | {cell(values[name])} |"
            yield f"| {target}, {words}, together over alone, paired | {metric} | {cell(values[pair[0]] - values[pair[1]], '+')} |"


def main():
    work = HERE / "build" / "targets"
    (work / "cells").mkdir(parents=True, exist_ok=True)
    if not (work / "cells" / "draw0.csv").exists():
        write_cells(work / "cells")
    config = work / "config.yaml"
    config.write_text(yaml.safe_dump(config_of(work / "cells"), sort_keys=False))
    graft(work, config, "--", *all_files(), timeout=None)
    head = ["| what | metric | test [95 % interval] |", "|---|---|---|"]
    rows = [*together(work), *grades(work), *signs(work), *molecules(work)]
    put_between(PAGE, BEGIN, END, "\n".join([*head, *rows, "", machine("python -m benchmarks.targets")]))


if __name__ == "__main__":
    main()
