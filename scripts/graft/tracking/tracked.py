"""What a tracker is told of each model and seed. Nothing here knows which tracker it is.

One run of a tracker is one trained model and seed, one few-shot task with its ways and shots, one zero-shot task, or one control:
the rows of summary.csv, those of several targets of a model together.
"""

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from graft import __version__
from graft.common.outputs import digest_of, read_json
from graft.evaluation.tables import portable, prediction_metadata

IDENTITY = ("stage", "dataset", "model", "backbone", "method", "seed", "ways", "shots")  # what rows of one run share
# How a model compares with the others changes when one is added: this is in summary.csv alone.
WORDS = ("shots_worth",)  # of a zero-shot task: a number of shots, or "more than 5"
COMPARED = ("choice", "compared_by", "validation_gap", "validation_gap_low", "validation_gap_high")
# What tags say, and what adds jobs beside a model without changing it.
NOT_PARAMS = ("stage", "name", "dataset", "targets", "target", "backbone", "method")
NOT_PARAMS += ("seeds", "folds", "curve", "curve_draws", "search")


@dataclass
class Tracked:
    """What is sent of one run: texts by name, numbers by name, (name, step, number), texts by name, (path, its folder there)."""

    name: str
    params: dict
    metrics: dict
    history: list
    tags: dict
    files: list

    @property
    def fingerprint(self):
        """Digest of what makes this run another one. Figures and cards follow from these, and the version of graft is no result."""
        tags = {name: value for name, value in self.tags.items() if name not in ("graft.version", "graft.folder")}
        return digest_of([self.name, self.params, self.metrics, self.history, tags])


def read(summary, settings, chosen, labelled, histories, predictions, figures, exports, weights):
    """All runs, in the order of the table (a list of Tracked).

    Parameters
    ----------
    summary : path of summary.csv; the other results are in its folder
    settings : dict, name -> settings of each model and task in the config
    chosen : paths, what each search has chosen
    labelled : paths, the digest of the labelled rows of each data set
    histories, predictions, figures : paths, of all trained models
    exports : paths, config.json of each exported model
    weights : bool, whether exported models are sent, and not only their cards
    """
    folder = Path(summary).parent
    found = {Path(path).parent.name: read_json(path) for path in chosen}
    digests = {Path(path).parent.name: Path(path).read_text(encoding="utf-8").strip() for path in labelled}
    results = by_folder([*histories, *predictions, *figures, *exports])
    runs = []
    for rows in grouped(summary):
        first = rows[0]
        own = settings.get(first["model"], {})
        own = own | found.get(own.get("entry"), {})
        place = Path(first["stage"], first["model"], f"seed{first['seed']}")
        made, exported = results[folder / place], results[folder / "handoff/models" / place.relative_to(first["stage"])]
        runs.append(
            Tracked(
                name=name_of(first),
                params=params_of(first, own),
                metrics=metrics_of(rows),
                history=[one for path in made if path.name == "ft_history.csv" for one in history_of(path)],
                tags=tags_of(rows, digests, made, folder / place)
                | ({"graft.weights": "sent"} if exported and weights else {}),
                files=[
                    *figures_in(results[folder / "figures" / place], folder / "figures" / place),
                    *(one for path in exported for one in files_of_export(path.parent, weights)),
                ],
            )
        )
    return runs


def by_folder(paths):
    """Folder -> the paths below it, at any depth."""
    found = defaultdict(list)
    for path in map(Path, paths):
        for parent in path.parents:
            found[parent].append(path)
    return found


def grouped(summary):
    """The rows of summary.csv (dict, column -> text), those of the targets of one model together."""
    runs = defaultdict(list)
    with Path(summary).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            runs[tuple(row.get(key, "") for key in IDENTITY)].append(row)
    return list(runs.values())


def name_of(row):
    """How a run is called: its model, and what tells it from others of this model."""
    return ", ".join([row["model"], *(f"{key} {row[key]}" for key in ("seed", "ways", "shots") if row.get(key))])


def params_of(row, settings):
    """The settings of a model or task, as texts; of blocks in it the keys have dots."""
    own = {key: value for key, value in settings.items() if key not in NOT_PARAMS}
    own |= {key: row[key] for key in ("seed", "ways", "shots") if row.get(key)}
    return dict(sorted(flat(portable(own))))


def flat(settings, above=""):
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{key}.")
        elif value is not None:
            yield f"{above}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def metrics_of(rows):
    """The numbers of rows by their columns; before them the target, where a model has several."""
    several = len(rows) > 1
    return {
        f"{row['target']}/{key}" if several else key: float(value)
        for row in rows
        for key, value in row.items()
        if value and key not in (*IDENTITY, "target", *WORDS, *COMPARED)
    }


def history_of(path):
    """(stage of the training/column, epoch, number) of every number of a training's history."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for key, value in row.items():
                if value and key not in ("epoch", "stage", "best"):
                    yield f"{row['stage']}/{key}", int(row["epoch"]), float(value)


def tags_of(rows, digests, made, place):
    first = rows[0]
    tables = [path for path in made if path.name == "predictions.parquet"]
    models = {prediction_metadata(pq.read_schema(path), path)["model_digest"] for path in tables}
    named = ("stage", "dataset", "model", "backbone", "method", *WORDS)
    tags = {key: first[key] for key in named if first.get(key)}
    tags["target"] = ", ".join(row["target"] for row in rows)
    tags["graft.data"] = digests[first["dataset"]]
    if models:
        tags |= {"graft.model": models.pop() or "", "graft.folder": place.as_posix()}
    return tags | {"graft.version": __version__}


def figures_in(paths, folder):
    """(path, folder in the tracker) of the drawings. Pages that show samples stay here: a tracker may have other readers."""
    return [
        (path, Path("figures", path.parent.relative_to(folder)).as_posix()) for path in paths if path.suffix == ".svg"
    ]


def files_of_export(folder, weights):
    """(path, folder in the tracker) of a model's card, and if wanted of the other files of the exported model."""
    wanted = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return [(path, "model") for path in wanted if weights or path.name == "README.md"]
