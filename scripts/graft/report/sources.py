"""What figures are drawn from: the files of a job, and the rows by which a trained model is judged."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

from graft.data.samples import read_manifest
from graft.evaluation.tables import read_predictions


@dataclass(frozen=True)
class Source:
    """The files that the figures of a job are drawn from. Each is read when the first figure asks for it.

    files : dict, name of the rule's input -> path or paths
    dataset : str, the data set's name
    entry : dict, its entry in the config
    """

    files: dict
    dataset: str
    entry: dict = field(default_factory=dict)

    @cached_property
    def manifest(self):
        """The data set's samples.Manifest."""
        return read_manifest(self.files["samples"])

    @cached_property
    def judged(self):
        """What a trained model is judged by (Judged), with the sampling unit of each row."""
        return with_groups(read_judged(self.files["predictions"]), self.manifest.frame)


@dataclass(frozen=True)
class Judged:
    """What a trained model is judged by: the labelled rows of one split of its prediction table, in their order."""

    rows: pd.DataFrame
    split: str
    target: str
    classes: list | None  # None: regression
    name: str  # model and seed, for a subtitle


def read_judged(predictions):
    """The judged rows of a prediction table (path) of one model, seed and target; see `judged_rows`."""
    table, facts = read_predictions(predictions)
    rows, split = judged_rows(table)
    name = f"{table['model'].iloc[0]}, seed {table['seed'].iloc[0]}" if len(table) else "no model"
    return Judged(rows.reset_index(drop=True), split, facts["target"], facts["classes"], name)


def with_groups(judged, frame):
    """The same with the sampling unit of each row, which intervals need; `frame` is the manifest's."""
    groups = frame.set_index("sample_id")["sampling_unit"].reindex(judged.rows["sample_id"]).to_numpy()
    return replace(judged, rows=judged.rows.assign(group=groups))


def judged_rows(table):
    """The labelled rows that a figure judges a model by: test, else validation, else train.

    Parameters
    ----------
    table : DataFrame
        A prediction table of one model, seed and target.

    Returns
    -------
    (DataFrame, str)
        The rows in their order, and the split's name. No row at all: an empty frame and "test".
    """
    truth = "label" if "label" in table else "value"
    known = table[table[truth].notna()]
    for split in ("test", "validation", "train"):
        rows = known[known["split"] == split]
        if len(rows):
            return rows, split
    return known.iloc[:0], "test"
