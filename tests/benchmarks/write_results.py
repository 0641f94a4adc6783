"""Write the tables of docs/results.md and README.md from the summary of config/results.yaml: `make results`."""

import argparse
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.over_runs import mean_over_seeds, mean_over_splits
from graft.common.outputs import read_json, write_text

HERE = Path(__file__).resolve().parents[2]
PAGE, README = HERE / "docs" / "results.md", HERE / "README.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
MAIN = re.compile(r"`linear`$|same, `(lp_ft|full)`$|distilled from|5-shot")
MISSING = "not measured"
SPLITS = "elpv-"  # how the data sets begin that are one data set split in several ways
HOLDS = (
    "Intervals over splits are corrected for the rows that the splits share (Nadeau and Bengio 2003). Intervals over seeds hold "
    "for other test rows, too. Intervals of few-shot learning hold for other train and test rows and other episodes."
)
SOLAR = "ELPV, 2,624 cells, defect; mean of five splits"
TOPICS = "20 Newsgroups sci.*, official test part; mean of three seeds"

WORDINGS = {  # entries of config/results.yaml
    "names": "the names of the topics, cleaned (crypt, electronics, med, space), three templates",
    "names-alone": "the same without templates",
    "names-whole": "the names as they are (sci.crypt ..)",
    "words": "a word each (cryptography, electronics, medicine, space)",
    "sentences": "three words each (cryptography, encryption and privacy; ..)",
}


def main(summary, page, readme):
    """Replace what is between the markers of `page` by the table of `summary` (CSV), and in `readme` by its main rows."""
    rows = results(pd.read_csv(summary), overlap(Path(summary).parent / "data"))
    put_between(page, BEGIN, END, table(rows))
    put_between(readme, BEGIN, END, short(rows))


def overlap(data):
    """Test rows over train rows of the splits of one data set, out of the data cards below `data`: the mean."""
    counts = [read_json(path)["counts"] for path in sorted(data.glob(f"{SPLITS}*/data_card.json"))]
    return float(np.mean([one["test"] / one["train"] for one in counts])) if counts else np.nan


def put_between(path, begin, end, text):
    """Replace what is between two markers of a file."""
    before, rest = Path(path).read_text(encoding="utf-8").split(begin)
    write_text(path, f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}")


def results(summary, ratio):
    """Rows of data, model, metric, value and goal; `ratio` of test to train rows of a split, see over_runs.mean_over_splits."""
    linear, lp_ft = over_splits(summary, "solar-", "linear"), over_splits(summary, "solar-", "lp_ft")
    wide, both = over_splits(summary, "wide-", "linear"), over_splits(summary, "both-", "mean")
    better = np.maximum(linear, wide) if len(linear) == len(wide) else linear[:0]
    alone, student = over_splits(summary, "alone-", "lp_ft"), over_splits(summary, "small-", "kd")
    rows = [
        (SOLAR, "EfficientNet-Lite0, 224 px, `linear`", "AUROC", mean(linear, ratio), ">= 0.885"),
        ("", "the same, `lp_ft`", "AUROC", mean(lp_ft, ratio), ""),
        ("", "`lp_ft` over `linear`, paired", "AUROC", difference(lp_ft, linear, ratio), "interval above 0"),
        ("", "EfficientNet-Lite2, 260 px, `linear` (a second member)", "AUROC", mean(wide, ratio), ""),
        ("", "ensemble: the mean of the two `linear` models", "AUROC", mean(both, ratio), ""),
        ("", "the ensemble over the better of the two on test, paired", "AUROC", difference(both, better, ratio), ""),
        ("", "student: EfficientNet-Lite0, 160 px, alone (`lp_ft`)", "AUROC", mean(alone, ratio), ""),
        (
            "",
            "student: EfficientNet-Lite0, 160 px, distilled from the 224 px `lp_ft` (`kd`)",
            "AUROC",
            mean(student, ratio),
            "",
        ),
        ("", "distilled over alone, paired", "AUROC", difference(student, alone, ratio), "interval above 0"),
        (TOPICS, "MiniLM, 128 tokens, `linear`", "accuracy", over_seeds(summary, "topics.", "linear"), ">= 0.935"),
        ("", "the same, `full`", "accuracy", over_seeds(summary, "topics.", "full"), ">= 0.955"),
    ]
    few_shot = summary[summary["stage"] == "few_shot"].set_index("shots")
    for shots, goal in ((1, 0.58), (5, 0.74), (10, 0.77)):
        found = [few_shot[f"test_accuracy{end}"].get(shots) for end in ("", "_low", "_high")]
        figure = MISSING if found[0] is None else interval(*found)
        rows.append(("", f"MiniLM, prototypes, 4-way {shots}-shot, 600 episodes", "accuracy", figure, f">= {goal}"))
    zero_shot = summary[summary["stage"] == "zero_shot"].set_index("model")
    for name, words in WORDINGS.items():
        task = f"{name}.minilm.similarity"
        found = [zero_shot[f"test_accuracy{end}"].get(task) for end in ("", "_low", "_high")]
        figure = MISSING if found[0] is None else interval(*found)
        worth = "" if found[0] is None else f", as good as {zero_shot['shots_worth'][task]} labelled messages per topic"
        rows.append(
            ("", f"MiniLM, zero-shot, {words}", "accuracy", figure + worth, ">= 0.81" if name == "names" else "")
        )
    return rows


def table(rows):
    """All results as Markdown."""
    lines = ["| data | model | metric on test | value [95 % interval] | goal |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", HOLDS, "", machine()])


def short(rows):
    """The main results as Markdown."""
    chosen = [(data, model, f"{metric} {value}") for data, model, metric, value, _ in rows if MAIN.search(model)]
    return "\n".join(
        ["| data | model | test [95 % interval] |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in chosen)]
    )


def runs_of(summary, start, method):
    """The rows of the models whose name begins with `start`, in the order of their split or seed."""
    chosen = summary[summary["model"].str.startswith(start) & (summary["method"] == method)]
    return chosen.sort_values(["dataset", "seed"])


def over_splits(summary, start, method):
    """The test AUROC of each split."""
    return runs_of(summary, start, method)["test_auroc"].to_numpy(np.float64)


def over_seeds(summary, start, method):
    """Mean test accuracy over seeds with its interval; a model that has not run is marked so."""
    columns = [f"test_accuracy{end}" for end in ("", "_low", "_high")]
    found = runs_of(summary, start, method)[columns].to_numpy(np.float64)
    return interval(*mean_over_seeds(*found.T).values()) if len(found) else MISSING


def mean(values, ratio):
    """Mean over splits with its interval; a model that has not run is marked so."""
    return interval(*mean_over_splits(values, ratio).values()) if len(values) else MISSING


def difference(ours, theirs, ratio):
    """Mean of the paired differences."""
    if not len(ours) or len(ours) != len(theirs):
        return MISSING
    found = mean_over_splits(ours - theirs, ratio)
    if found["low"] is None:
        return f"{found['value']:+.3f} (no interval)"
    return f"{found['value']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"


def interval(value, low, high):
    unknown = low is None or not np.isfinite([low, high]).all()
    return f"{value:.3f} (no interval)" if unknown else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def machine(command="make results"):
    """One line about what this was measured with, and by which command."""
    versions = ", ".join(
        f"{package} {version(package)}" for package in ("torch", "torchvision", "timm", "transformers")
    )
    return f"Measured with `{command}` on {os.cpu_count()} cores of {processor()}, {versions}."


def processor():
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("summary", type=Path)
    arguments = parser.parse_args()
    main(arguments.summary, PAGE, README)
