"""The manifest: who the samples are, which split they are in, how labels become numbers."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from graft.common.errors import UserError
from graft.common.outputs import read_json, write_parquet
from graft.common.spelling import natural_sort
from graft.data.label_sets import answers_of
from graft.data.listing.rows import SUBGROUP

__all__ = [
    "Manifest",
    "card_beside",
    "digest_of_rows",
    "natural_sort",
    "of_domain",
    "read_judged",
    "read_manifest",
    "read_unlabelled",
    "some_of",
    "write_manifest",
]

COLUMNS = (
    "sample_id",
    "path",
    "row",
    "content_sha256",
    "split",
    "fold",
    "group",
    "sampling_unit",
    "labelled_copy",
    "weight",
)


@dataclass(frozen=True)
class Manifest:
    """A prepared data set.

    frame : DataFrame with sample_id, path, row, content_sha256, split, fold, group, sampling_unit (what intervals draw
        together, see alike.sampling_units), labelled_copy (whether it is a row of the pool whose content a labelled row has), weight
        (in the loss; null where `columns.weight` names no column), one column per target, and SUBGROUP with a name per column of
        `subgroups`
    targets : dict, target -> {"kind": "classification" or "ordinal" or "multilabel", "classes": [...]} or {"kind": "regression"}
    card : dict, data_card.json
    """

    frame: pd.DataFrame
    targets: dict
    card: dict

    def part(self, name):
        """The labelled rows (train, validation, test) or those of the pool, in the manifest's order."""
        if name not in ("labelled", "pool"):
            raise ValueError(f"part {name!r}")
        in_pool = self.frame["split"] == "pool"
        return self.frame[in_pool if name == "pool" else ~in_pool].reset_index(drop=True)

    @property
    def units(self):
        """dict, sample_id -> what is drawn together with it in intervals and comparisons; null where it is alone."""
        return dict(zip(self.frame["sample_id"], self.frame["sampling_unit"], strict=True))

    @property
    def subgroups(self):
        """dict, the name of a column of `subgroups` -> its values, Series of str in the order of the rows; none is null."""
        found = [name for name in self.frame if name.startswith(SUBGROUP)]
        return {name.removeprefix(SUBGROUP): self.frame[name] for name in found}

    def codes(self, target, frame=None):
        """What a network is trained on.

        Returns
        -------
        array, shape (rows,)
            Classes: int64, the place of the label in labels.json, -1 where unlabelled. Regression: float64, NaN. Several labels:
            float64, shape (rows, labels): 1, 0, or NaN where it is not known.

        Raises
        ------
        UserError
            If a label is not among the classes: the manifest and labels.json are not of one run.
        """
        values = (self.frame if frame is None else frame)[target]
        if self.targets[target]["kind"] == "regression":
            return values.to_numpy(np.float64)
        if self.targets[target]["kind"] == "multilabel":
            return self._answers(target, values)
        codes = pd.Index(self.targets[target]["classes"]).get_indexer(values.astype(object))
        unknown = values.notna() & (codes < 0)
        if unknown.any():
            raise _not_known(f"'{values[unknown].iloc[0]}'", target)
        return codes.astype(np.int64)

    def _answers(self, target, values):
        try:
            return answers_of(values, self.targets[target]["classes"])
        except KeyError as error:
            raise _not_known(error, target) from None


def _not_known(label, target):
    what = f"label {label} of the manifest is not in labels.json"
    return UserError(what, f"target {target}", hint="run prepare_data again")


def read_manifest(path, without_test=False):
    """The manifest of a samples.parquet, with the labels.json and data_card.json that are beside it.

    `without_test` leaves the rows of the test split out, as all that trains must: not even their ids are read.
    """
    path = Path(path)
    frame = pq.read_table(path, filters=[("split", "!=", "test")] if without_test else None).to_pandas()
    return Manifest(frame, read_json(path.with_name("labels.json"))["targets"], card_beside(path))


def read_unlabelled(path, domain=None):
    """The rows of a samples.parquet that a model may be adapted to: not those of test, and without any label.

    `domain` is the column of labels that says where a sample is from and the values that are taken; None for all rows.
    """
    columns = [*COLUMNS, *([domain[0]] if domain else [])]
    frame = pq.read_table(path, columns=columns, filters=[("split", "!=", "test")]).to_pandas()
    return of_domain(frame, domain)[list(COLUMNS)]


def read_judged(path):
    """The validation and test rows of a samples.parquet, without any label."""
    return pq.read_table(path, columns=[*COLUMNS], filters=[("split", "in", ["validation", "test"])]).to_pandas()


def of_domain(rows, domain):
    """The rows with one of the values of a domain's column; all of them where `domain` is None."""
    if domain is None:
        return rows
    column, values = domain
    return rows[rows[column].isin(values)].reset_index(drop=True)


def some_of(rows, most):
    """At most so many rows, drawn evenly in the order of their contents' digests, which any growth hardly changes."""
    return rows if len(rows) <= most else rows.sort_values("content_sha256", kind="stable").head(most).sort_index()


def card_beside(path):
    """The data card of a samples.parquet, which is in the same folder."""
    return read_json(Path(path).with_name("data_card.json"))


def write_manifest(path, frame, targets):
    """Write samples.parquet with its fixed types."""
    kinds = {"row": pa.int64(), "fold": pa.int16(), "labelled_copy": pa.bool_(), "weight": pa.float64()}
    kinds |= {name: pa.float64() for name, target in targets.items() if target["kind"] == "regression"}
    names = [*COLUMNS, *targets, *(name for name in frame if name.startswith(SUBGROUP))]
    arrays = [pa.array(frame[name], type=kinds.get(name, pa.string()), from_pandas=True) for name in names]
    write_parquet(path, pa.table(arrays, names=names))


def digest_of_rows(frame, facts):
    """Hex sha256 of a frame's columns, in their order, and of `facts` (JSON-like): the same after a touch or a copy."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in frame.columns:
        values = frame[name].astype(object).where(frame[name].notna(), None).tolist()
        digest.update(json.dumps([name, values], ensure_ascii=True).encode())
    return digest.hexdigest()
