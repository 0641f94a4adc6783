"""The rules of the workflow and the files between them, as Snakemake itself reads them.

Snakemake plans a run that needs every rule, in a folder where the checkpoint's files are already. No job runs.
"""

import contextlib
import io
import json
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.io import strip_wildcard_constraints
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    RerunTrigger,
    ResourceSettings,
)

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {"all", "check", "tune", "label"}

# A run that needs every rule. A new rule that this run does not need has to be asked for here.
CONFIG = {
    "datasets": {
        "notes": {
            "source": {"path": "."},
            "reader": "table",
            "modality": "text",
            "table": "notes.csv",
            "columns": {"text": "text"},
            "targets": {
                "kind": {"column": "kind", "classes": ["a", "b"]},
                "size": {"column": "size", "kind": "regression"},
                "tags": {"column": "tags", "kind": "multilabel", "separator": ";"},
            },
        },
        "spectra": {"source": {"path": "."}, "reader": "table", "table": "s.csv", "columns": {"features": "nm_*"}},
    },
    "backbones": {"small": {"like": "minilm"}, "pca": {"library": "vectors", "preprocess": ["pca"]}},
    "finetune": {
        "kind": {"dataset": "notes", "target": "kind", "backbone": "minilm", "method": ["linear", "full"], "folds": 2},
        "more": {"dataset": "notes", "target": "kind", "backbone": "minilm", "method": "full", "curve": [0.5]},
        "find": {"dataset": "notes", "target": "kind", "backbone": "minilm", "search": {"minutes": 60}},
        "size": {"dataset": "notes", "target": "size", "backbone": "minilm", "method": "linear"},
        "tags": {"dataset": "notes", "target": "tags", "backbone": "minilm", "method": "linear"},
        "spectra": {"dataset": "spectra", "backbone": "pca", "method": "linear"},
    },
    "adapt": {
        "move": {
            "dataset": "notes",
            "domain": {"column": "kind", "source": "a", "target": "b"},
            "label": "size",
            "backbone": "minilm",
            "method": ["coral", "dann"],
        },
    },
    "few_shot": {"few": {"dataset": "notes", "target": "kind", "backbone": "minilm", "ways": 2}},
    "zero_shot": {"words": {"dataset": "notes", "target": "kind", "backbone": "minilm"}},
    "distill": {"small": {"teacher": "kind.minilm.full", "backbone": "small"}},
    "ensemble": {"kinds": {"models": ["kind.minilm.linear", "kind.minilm.full"]}},
    "predict": {"new": {"model": "kind.minilm.full", "data": "new"}},
    "device": {"embedding_jobs": 2},
    "tracking": {"mlflow": {}},
}
CARD = {"counts": {"train": 1, "pool": 1}, "groups": 2, "folds": [0, 1], "modality": "text", "reader": "table"}
CARDS = {"notes": CARD, "spectra": CARD | {"modality": "vector"}}
MADE = (
    "samples.parquet",
    "labels.json",
    "hidden.parquet",
    *(f"{name}.digest" for name in ("labelled", "training", "contents", "pool", "unlabelled", "subgroups")),
)
FILES = {
    "notes.csv": "text,kind,size,tags\n",
    "s.csv": "nm_1,nm_2,label\n",
    "new/1.txt": "",
    **{f"resources/datasets/{dataset}/dataset.json": "{}" for dataset in CARDS},
    **{f"results/data/{dataset}/{name}": "" for dataset in CARDS for name in MADE},
    **{f"results/data/{dataset}/data_card.json": json.dumps(card) for dataset, card in CARDS.items()},
}


@dataclass
class Room:
    """One file of rules/, in words and in files.

    `needs` and `makes` are from its first lines. `rules` are pairs (names, words): names of rules, one except for
    their files share their words. `gives` is {(number of the rules, room): files}, for what another room reads.
    `leaves` are files that a run ends with. Files are patterns, such as finetune/…/ft_model.pt.
    """

    name: str
    needs: str
    makes: str
    rules: list = field(default_factory=list)
    gives: dict = field(default_factory=dict)
    leaves: list = field(default_factory=list)


def planned():
    """Snakemake's rules (list) and the planned jobs: {job: {job that it waits for: files}}."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, text in FILES.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text, encoding="utf-8")
        with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api, contextlib.redirect_stdout(io.StringIO()):
            workflow = api.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(config=CONFIG),
                snakefile=ROOT / "Snakefile",
                workdir=Path(folder),
            )
            api_of_dag = workflow.dag(DAGSettings(targets=TARGETS, rerun_triggers={RerunTrigger.MTIME}))
            api_of_dag.printrulegraph()  # plans the jobs; Snakemake has no public door to them
            rules, dag = list(workflow._workflow.rules), workflow._workflow.dag
            jobs = {job: dict(dag.dependencies[job]) for job in dag.jobs}
    idle = sorted({rule.name for rule in rules} - {job.rule.name for job in jobs})
    if idle:
        raise SystemExit(
            f"The run in {Path(__file__).name} needs no job of {', '.join(idle)}. Ask for one in its CONFIG."
        )
    return rules, jobs


def read_rooms():
    """The rooms in the order of the data (dict, name -> Room), and the words of rule `all`, which asks for their files."""
    rules, jobs = planned()
    rooms, place = {}, {}
    for rule in rules:
        if rule.name == "all":
            goal = words(rule.docstring)
            continue
        path = Path(rule.snakefile)
        room = rooms.setdefault(path.stem, Room(path.stem, *needs_and_makes(path)))
        place[rule.name] = room, add_rule(room, rule)
    for job, waits_for in jobs.items():
        reader = place[job.rule.name][0].name if job.rule.name in place else "all"
        for maker, files in waits_for.items():
            room, number = place[maker.rule.name]
            patterns = [
                short(file) for made, file in zip(maker.output, maker.rule.output, strict=True) if made in files
            ]
            room.gives.setdefault((number, reader), set()).update(patterns)
    for room in rooms.values():
        sort_files(
            room, [short(file) for rule in rules if place.get(rule.name, [None])[0] is room for file in rule.output]
        )
    return rooms, goal


def sort_files(room, order):
    """Keep what goes to other rooms, and what a run ends with: files that `all` asks for, or nobody reads."""
    read = {reader: set() for _, reader in room.gives}
    for (_, reader), files in room.gives.items():
        read[reader] |= files
    asked = read.pop("all", set())
    inside = read.pop(room.name, set())
    outside = set().union(*read.values())
    room.leaves = [
        file for file in dict.fromkeys(order) if file not in outside and (file in asked or file not in inside)
    ]
    room.gives = {
        key: sorted(files, key=order.index)
        for key, files in sorted(room.gives.items())
        if key[1] not in ("all", room.name)
    }


def add_rule(room, rule):
    """Put a rule into its room; the number of its words there."""
    said = [text for _, text in room.rules]
    text = words(rule.docstring)
    if text in said:
        room.rules[said.index(text)][0].append(rule.name)
        return said.index(text)
    room.rules.append(([rule.name], text))
    return len(said)


def words(docstring):
    """The first part of a docstring's first sentence."""
    return re.split(r"[,;:.](?:\s|$)", " ".join(docstring.split()), maxsplit=1)[0]


def needs_and_makes(path):
    """What the first lines of a file of rules say: `# Needs: ... Makes: ...`."""
    lines = path.read_text(encoding="utf-8").split("\n\n")[0].replace("\n#", "").removeprefix("# Needs: ")
    return [words(part) for part in lines.split(" Makes: ")]


def short(pattern):
    """A file's pattern without the results folder, without constraints, and without the folders in the middle."""
    parts = strip_wildcard_constraints(str(pattern)).split("/")[1:]
    return "/".join(parts if len(parts) < 3 else [parts[0], "…", parts[-1]])
