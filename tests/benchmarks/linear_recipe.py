"""`linear` as it was and as it is, on the same embeddings and splits: python tests/benchmarks/linear_recipe.py [FOLDER].

As it was: L2 chosen on validation rows, the head fitted on train rows, a temperature fitted to validation rows without a
prior. (Of its fifteen L2 values those below 0.01 are left out: they take nearly all of the time and lose on these data.) As
it is: Trainer.probe. Embeddings are kept in FOLDER. It prints the test metrics of every split and the paired differences with
the interval of Nadeau and Bengio (2003), for resplits that overlap. The test messages of the newsgroups are given, so that
their seeds draw validation rows and folds only, and the interval says nothing of other messages.
"""

import platform
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
import torch
import yaml
from scipy.special import softmax

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import assets  # noqa: E402
from benchmarks.over_runs import mean_over_splits  # noqa: E402
from fits import L2S, fit_logistic  # noqa: E402
from graft.common.fingerprint import root_of  # noqa: E402
from graft.data.prepare import prepare  # noqa: E402
from graft.data.readers import complete  # noqa: E402
from graft.embedding import features  # noqa: E402
from graft.embedding.input_batches import open_source  # noqa: E402
from graft.evaluation.metrics import classification_metrics  # noqa: E402
from graft.heads import calibration, solvers  # noqa: E402
from graft.heads.principal_axes import steadied  # noqa: E402
from graft.heads.probe import solve_probe  # noqa: E402
from graft.store import Store  # noqa: E402

SEEDS = range(10)
FEW = 150  # labelled rows, of train and validation together
DATA = {  # what it is called here: config, its data set, files, backbone
    "elpv": ("results.yaml", "elpv-0", "elpv", "effnet-lite0"),
    "news": ("results.yaml", "news", "newsgroups", "minilm"),  # near copies together
    "news, copies apart": ("test/tiny.yaml", "news", "newsgroups", "minilm"),
}
FIGURES = ("auroc", "accuracy", "log_loss", "class_ece")


def embedded(name, work):
    """For each split seed the manifest's frame, class codes and classes; and the embeddings by sample id."""
    config, entry_name, files, backbone_name = DATA[name]
    folder = assets.dataset(files)
    entry = yaml.safe_load((ROOT / "config" / config).read_text())["datasets"][entry_name]
    root = root_of(folder / "dataset.json")
    for seed in SEEDS:
        own = complete({**entry, "split_seed": seed, "limit": None})
        prepared = prepare(name, own, root, cache=work / f"{files}.checked.parquet")
        backbone = features.pretrained(assets.backbone(backbone_name), prepared.card)
        source = open_source(folder / "dataset.json", own, prepared.card)
        found, _ = features.embed(prepared.frame, source, backbone, Store(work / "store"))
        (target, facts), *_ = prepared.targets.items()
        codes = prepared.frame[target].map({label: i for i, label in enumerate(facts["classes"])}).to_numpy(int)
        yield seed, found, codes, prepared.frame["split"].to_numpy(object), prepared.frame["fold"].to_numpy(), facts


def as_it_was(embeddings, codes, splits, folds, facts):
    """Test probabilities of the recipe up to version 0.1."""
    train, validation = splits == "train", splits == "validation"
    classes, l2s = len(facts["classes"]), L2S[6:]
    found = fit_logistic(embeddings[train], codes[train], classes, l2s)
    outputs = [solvers.outputs(embeddings, weight, bias) for weight, bias in zip(*found, strict=True)]
    best = min(outputs, key=lambda logits: calibration.log_loss(logits[validation], codes[validation]).mean())
    return softmax(best[splits == "test"] / free_temperature(best[validation], codes[validation]), axis=1)


def free_temperature(logits, codes):
    """Without a prior; the targets have a pseudo-count per class where every prediction is right (Platt 1999)."""
    values = np.exp(np.linspace(np.log(calibration.LOWEST), np.log(calibration.HIGHEST), 3000))
    targets = np.eye(logits.shape[1])[codes]
    if (logits.argmax(1) == codes).all():
        soft = 1 / (len(codes) + logits.shape[1])
        targets = (1 - logits.shape[1] * soft) * targets + soft
    losses = [-(targets * np.log(softmax(logits / value, axis=1) + 1e-300)).sum(1).mean() for value in values]
    return values[int(np.argmin(losses))]


def as_it_is(embeddings, codes, splits, folds, facts):
    """Test probabilities of the present recipe."""
    settings = {"l2": None, "class_weights": "none"}
    unit = steadied(embeddings[splits == "train"])
    solved = solve_probe(embeddings, codes, splits, folds, facts, settings, unit=unit, refit=True)
    known = np.isfinite(solved["outputs"][:, 0])
    made = calibration.fit_calibration(solved["outputs"][known], codes[known])
    logits = solvers.outputs(embeddings[splits == "test"], solved["weight"], solved["bias"])
    return calibration.probabilities(logits, **made)


def few(codes, splits, seed):
    """FEW of the train and validation rows, in their shares of each class, and all test rows."""
    draw = np.random.default_rng(seed).random(len(codes))
    frame = pd.DataFrame({"code": codes, "split": splits, "draw": draw})[splits != "test"]
    rank = frame.groupby(["code", "split"])["draw"].rank(pct=True)
    chosen = np.zeros(len(codes), bool)
    chosen[rank.sort_values(kind="stable").index[:FEW]] = True
    return chosen | (splits == "test")


def main(work):
    rows = []
    for name in DATA:
        for seed, embeddings, *labels, facts in embedded(name, work):
            codes, splits, _ = labels
            for size, kept in (("all", np.ones(len(codes), bool)), (str(FEW), few(codes, splits, seed))):
                own = [part[kept] for part in (embeddings, *labels)]
                test = own[1][own[2] == "test"]
                share = len(test) / (len(own[1]) - len(test))
                for recipe in (as_it_was, as_it_is):
                    found = classification_metrics(test, recipe(*own, facts), facts["classes"])
                    figures = {figure: found[figure]["value"] for figure in FIGURES}
                    rows.append(
                        {"data": name, "rows": size, "seed": seed, "recipe": recipe.__name__, "share": share, **figures}
                    )
                    print(rows[-1], flush=True)
    print(f"{len(SEEDS)} split seeds; {machine()}")
    print(differences(pd.DataFrame(rows)).to_string(index=False))


def differences(table):
    """Mean metrics of both recipes, and their paired difference with its 95 % interval."""
    out = []
    for (name, size), part in table.groupby(["data", "rows"]):
        old, new = (part[part["recipe"] == recipe].set_index("seed") for recipe in ("as_it_was", "as_it_is"))
        for figure in FIGURES:
            gain = mean_over_splits(new[figure] - old[figure], part["share"].mean())
            out.append([name, size, figure, old[figure].mean(), new[figure].mean(), *gain.values()])
    columns = ["data", "rows", "figure", "as it was", "as it is", "difference", "low", "high"]
    return pd.DataFrame(out, columns=columns).round(4)


def machine():
    """What the numbers were measured on."""
    versions = {"Python": platform.python_version(), "torch": torch.__version__, "scipy": scipy.__version__}
    return ", ".join([platform.processor() or platform.machine(), *(f"{k} {v}" for k, v in versions.items())])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder))
