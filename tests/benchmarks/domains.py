"""Heads that adapt, on real data: newsgroups with other subtopics than the labelled ones, and solar cells of another kind.

`PYTHONPATH=scripts:tests python -m benchmarks.domains` runs them in build/domains (10 minutes on two cores, most of it embedding) and
writes their table into docs/results.md. It can be stopped and goes on where it was.
"""

import numpy as np
import pandas as pd
import yaml

import assets
from benchmarks.elpv import ENTRY
from benchmarks.write_results import HERE, PAGE, machine, put_between
from graft.common import plugins
from graft.common.fingerprint import root_of
from graft.common.outputs import read_json
from graft.config.plan import SOURCE_ONLY
from running import graft

BEGIN, END = "<!-- domains: begin -->", "<!-- domains: end -->"
SCI, REC = ("crypt", "electronics", "med", "space"), ("autos", "motorcycles", "sport.baseball", "sport.hockey")
# Two subtopics of each field are the source, the other two the target.
HALVES = {
    "first-half": ((0, 1), (0, 1)),
    "second-half": ((2, 3), (2, 3)),
    "odd": ((0, 2), (0, 2)),
    "even": ((1, 3), (1, 3)),
}
METHODS = [name for name in plugins.names("adaptation") if name not in SOURCE_ONLY.values()]


def write_messages(path):
    """All messages of the eight groups, each once: id, text, field (sci or rec), subtopic, and a split that is drawn once."""
    root = root_of(assets.dataset("newsgroups") / "dataset.json")
    parts = [
        pd.read_csv(root / f"20newsgroups-{part}.tab", sep="\t", skiprows=[1, 2], dtype=str)
        for part in ("train", "test")
    ]
    frame = pd.concat(parts).drop_duplicates("Text").dropna(subset=["Text"])
    frame = frame[frame["Category"].str.startswith(("sci.", "rec."))].reset_index(drop=True)
    draw = np.random.default_rng(0).permutation(len(frame)) / len(frame)
    pd.DataFrame(
        {
            "id": [f"m{i}" for i in range(len(frame))],
            "text": frame["Text"],
            "field": frame["Category"].str.split(".").str[0],
            "subtopic": frame["Category"].str.split(".", n=1).str[1],
            "split": np.select([draw < 0.3, draw < 0.45], ["test", "validation"], "train"),
        }
    ).to_csv(path, index=False)


def config_of(folder):
    """The config of all pairs."""
    news = {"dataset": "news", "label": "field", "backbone": "minilm-128", "method": METHODS}
    subtopics = {name: [SCI[i] for i in sci] + [REC[i] for i in rec] for name, (sci, rec) in HALVES.items()}
    others = {"first-half": "second-half", "second-half": "first-half", "odd": "even", "even": "odd"}
    entries = {
        f"news-{name}": {**news, "domain": {"column": "subtopic", "source": own, "target": subtopics[others[name]]}}
        for name, own in subtopics.items()
    }
    cells = {"dataset": "cells", "label": "defect", "backbone": "effnet-lite0", "method": METHODS}
    for source, target in (("mono", "poly"), ("poly", "mono")):
        entries[f"{source}-to-{target}"] = {**cells, "domain": {"column": "type", "source": source, "target": target}}
    elpv = root_of(assets.dataset("elpv") / "dataset.json")
    targets = {"field": {"classes": ["rec", "sci"]}, "subtopic": {}}
    columns = {"id": "id", "text": "text", "split": "split"}
    return {
        "datasets": {
            "news": {
                "source": {"path": str(folder)},
                "reader": "table",
                "table": "messages.csv",
                "columns": columns,
                "targets": targets,
            },
            "cells": {
                **ENTRY,
                "source": {"path": str(elpv)},
                "targets": {
                    "defect": {"column": "probability", "threshold": 0.5, "classes": ["intact", "defective"]},
                    "type": {"classes": ["mono", "poly"]},
                },
            },
        },
        "backbones": {"minilm-128": {"like": "minilm", "max_length": 128}},
        "adapt": entries,
    }


def rows(folder):
    """A row per pair: what does not adapt, what the validator chose, and the best by the target's labels, which nobody has."""
    for entry in yaml.safe_load((folder / "config.yaml").read_text())["adapt"]:
        table = pd.read_csv(folder / f"results/adapt/{entry}.csv").set_index("method")
        chosen = table.loc[table["rank"] == 1].iloc[0]
        best = table.loc[table["oracle_rank"] == 1].iloc[0]
        warned = "yes" if read_json(folder / f"results/adapt/{entry}.json")["warning"] else "no"
        yield (
            f"| {entry} | {table['test_accuracy']['source_only']:.3f} | `{chosen.name}` {chosen['test_accuracy']:.3f} | "
            f"{chosen['gain']:+.3f} [{chosen['gain_low']:+.3f}, {chosen['gain_high']:+.3f}] | "
            f"`{best.name}` {best['test_accuracy']:.3f} | {warned} |"
        )


def main():
    folder = HERE / "build" / "domains"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "messages.csv").exists():
        write_messages(folder / "messages.csv")
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(config_of(folder), sort_keys=False))
    names = yaml.safe_load(config.read_text())["adapt"]
    graft(folder, config, *(f"results/adapt/{entry}.csv" for entry in names))
    head = "| pair | does not adapt | chosen by `information_maximisation` | gain, paired [95 % interval] | best by the target's labels | warned |"
    lines = [head, "|---|---|---|---|---|---|", *rows(folder), "", machine("python -m benchmarks.domains")]
    put_between(PAGE, BEGIN, END, "\n".join(lines))


if __name__ == "__main__":
    main()
