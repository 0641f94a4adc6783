"""Students of ELPV that learn from 400 labels and a pool, against the same student that is trained alone on the labels.

`PYTHONPATH=scripts:tests python -m benchmarks.pool_students` runs them in build/pool_students (40 minutes on two busy cores) and
writes their table into docs/results.md. It can be stopped and goes on where it was.
"""

import shutil

import numpy as np
import pandas as pd
import yaml
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

import assets
from benchmarks.elpv import ENTRY
from benchmarks.write_results import HERE, PAGE, machine, put_between
from graft.common.fingerprint import root_of
from running import graft

BEGIN, END = "<!-- pool students: begin -->", "<!-- pool students: end -->"
DRAWS, TEST, TRAIN, VALIDATION = range(5), 525, 300, 100
TEACHER, STUDENT = "effnet-lite2", "effnet-lite0-160"
TUNED = {"epochs": 10, "patience": None}
ALONE = {"alone": {"epochs": 20, "patience": None}, "alone-short": {}}  # 200 steps
TAUGHT = {  # student -> its teacher, and its settings
    "pool": ("teacher-{draw}.effnet-lite2.linear", {"epochs": 2, "patience": None, "pool": True}),  # 126 steps
    "better-pool": ("both-{draw}.ensemble.mean", {"epochs": 4, "patience": None, "pool": True}),  # 252 steps
    "better-labelled": ("both-{draw}.ensemble.mean", {"epochs": 26, "patience": None, "pool": False}),  # 260 steps
}
BOOTSTRAPS = 2000
NAMES = {
    "teacher": "teacher: EfficientNet-Lite2, 260 px, `linear`",
    "alone-short": "student: EfficientNet-Lite0, 160 px, alone (`lp_ft`), 5 epochs",
    "alone": "the same, 20 epochs: more steps than with the pool",
    "pool": "distilled from it, labelled rows and pool (`pool: true`), 2 epochs",
    "both": "teacher: the mean of EfficientNet-Lite0, 224 px, and Lite2, 260 px, `lp_ft`, 10 epochs each",
    "better-labelled": "student distilled from that, labelled rows alone (`pool: false`), 26 epochs",
    "better-pool": "the same, labelled rows and pool, 4 epochs: as many steps",
}
PAIRS = {
    ("pool", "alone"): "pool and `linear` teacher over alone, 20 epochs, paired",
    ("pool", "alone-short"): "pool and `linear` teacher over alone, 5 epochs, paired",
    ("pool", "teacher"): "the same over its teacher, paired",
    ("better-pool", "alone"): "pool and better teacher over alone, 20 epochs, paired",
    ("better-pool", "better-labelled"): "the same over `pool: false`, paired",
    ("better-pool", "both"): "the same over its teacher, paired",
}


def splits_of(labels):
    """One column of splits per draw: the test rows are always the same, the others are drawn; shares of the classes are equal."""
    rest, test = train_test_split(np.arange(len(labels)), test_size=TEST, stratify=labels, random_state=0)
    for draw in DRAWS:
        pool, known = train_test_split(rest, test_size=TRAIN + VALIDATION, stratify=labels[rest], random_state=draw)
        train, validation = train_test_split(known, test_size=VALIDATION, stratify=labels[known], random_state=draw)
        column = np.full(len(labels), "test", object)
        for name, rows in {"train": train, "validation": validation, "pool": pool}.items():
            column[rows] = name
        yield f"split{draw}", column


def write_data(folder):
    """The images, and a table with a column of splits per draw. The labels of the pool are not even in it: one table per draw."""
    root = root_of(assets.dataset("elpv") / "dataset.json")
    if not (folder / "images").exists():
        shutil.copytree(root / "images", folder / "images")
    table = pd.read_csv(root / "labels.csv", sep=r"\s+", names=ENTRY["header"])
    for name, column in splits_of((table["probability"] > 0.5).to_numpy()):
        known = table.assign(split=column, probability=table["probability"].where(column != "pool"))
        known.to_csv(folder / f"{name}.csv", index=False)


def config_of(folder):
    """The workflow's config: a data set per draw, a teacher, and the students."""
    settings = {key: ENTRY[key] for key in ("reader", "modality", "targets")}
    datasets = {
        f"draw{draw}": settings
        | {"source": {"path": str(folder)}, "table": f"split{draw}.csv", "columns": {"path": "path", "split": "split"}}
        for draw in DRAWS
    }
    cells = {"dataset": list(datasets), "method": "lp_ft"}
    tuned = {name: {**cells, "backbone": name, **TUNED} for name in ("effnet-lite0", TEACHER)}
    alone = {name: {**cells, "backbone": STUDENT, **settings} for name, settings in ALONE.items()}
    members = {f"both-draw{draw}": {"models": [f"{name}-draw{draw}.{name}.lp_ft" for name in tuned]} for draw in DRAWS}
    taught = {
        f"{name}-draw{draw}": {"teacher": teacher.format(draw=f"draw{draw}"), "backbone": STUDENT, **settings}
        for draw in DRAWS
        for name, (teacher, settings) in TAUGHT.items()
    }
    return {
        "datasets": datasets,
        "backbones": {STUDENT: {"like": "effnet-lite0", "input_size": 160}},
        "finetune": {"teacher": {**cells, "backbone": TEACHER, "method": "linear"}, **alone, **tuned},
        "ensemble": members,
        "distill": taught,
    }


def table_of(name, draw):
    """The file of a model's predictions, in the run's folder."""
    places = {
        "teacher": f"finetune/teacher-draw{draw}.{TEACHER}.linear",
        "both": f"ensemble/both-draw{draw}.ensemble.mean",
    }
    stage, method = ("distill", "kd") if name in TAUGHT else ("finetune", "lp_ft")
    place = places.get(name, f"{stage}/{name}-draw{draw}.{STUDENT}.{method}")
    return f"results/{place}/seed0/defect/predictions.parquet"


def chances_on_test(work):
    """Labels of the test rows, and for each model the probability of a defect, array of shape (draws, rows)."""
    found = {}
    for name in NAMES:
        tables = [pd.read_parquet(work / table_of(name, draw)) for draw in DRAWS]
        tables = [table[table["split"] == "test"].sort_values("sample_id") for table in tables]
        labels = (tables[0]["label"] == "defective").to_numpy()
        found[name] = np.stack([table["prob_defective"].to_numpy() for table in tables])
    return labels, found


def resampled(labels, chances, statistic=roc_auc_score, seed=0):
    """A statistic of each model, mean over draws: of the rows as they are, and of bootstraps of draws and of test rows together.

    Returns
    -------
    dict, model -> array of shape (1 + BOOTSTRAPS,)
    """
    random, found = np.random.default_rng(seed), {name: [] for name in chances}
    for number in range(1 + BOOTSTRAPS):
        draws, rows = np.arange(len(next(iter(chances.values())))), np.arange(len(labels))
        if number:
            draws, rows = random.choice(draws, len(draws)), random.choice(rows, len(rows))
        for name, one in chances.items():
            found[name].append(np.mean([statistic(labels[rows], one[draw][rows]) for draw in draws]))
    return {name: np.array(values) for name, values in found.items()}


def cell(values, sign=""):
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return f"{values[0]:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def table(found):
    rows = [f"| {words} | {cell(found[name])} |" for name, words in NAMES.items()]
    rows += [f"| {words} | {cell(found[name] - found[other], '+')} |" for (name, other), words in PAIRS.items()]
    return "\n".join(["| model | AUROC on test [95 % interval] |", "|---|---|", *rows])


def main():
    work = HERE / "build" / "pool_students"
    (work / "elpv").mkdir(parents=True, exist_ok=True)
    write_data(work / "elpv")
    config = work / "config.yaml"
    config.write_text(yaml.safe_dump(config_of(work / "elpv"), sort_keys=False))
    graft(work, config, *(table_of(name, draw) for name in NAMES for draw in DRAWS), timeout=None)
    words = machine("python -m benchmarks.pool_students")
    put_between(PAGE, BEGIN, END, f"{table(resampled(*chances_on_test(work)))}\n\n{words}")


if __name__ == "__main__":
    main()
