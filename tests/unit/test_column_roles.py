"""What a table's columns are taken for: by their values as well as their names, whatever the language of the names."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from graft.survey.columns import guess_roles
from graft.survey.looks import describe

MEASURES = ["area", "perimeter", "excentricity", "solidity", "brightness", "texture"]


def measured(rows=150, names=MEASURES, **others):
    """A table of features without a common stem, a class of two words, and other columns."""
    draw = np.random.default_rng(0)
    features = pd.DataFrame(draw.normal(size=(rows, len(names))).round(4), columns=list(names))
    return features.assign(result=np.where(draw.random(rows) < 0.5, "good", "bad"), **others)


def roles_of(frame):
    return guess_roles(describe(pa.Table.from_pandas(frame.astype(str), preserve_index=False)))


def used(roles):
    """All columns that would be features or targets."""
    features = roles.content[1]
    return {*([features] if isinstance(features, str) else features), *(name for name, _ in roles.targets)}


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("name", ["column 1", "spot", "Nummer", "concentration"])
@pytest.mark.parametrize("place", [0, 3, 7])
def test_numbers_that_count_the_rows_are_never_learnt(name, first, place):
    frame = measured()
    frame.insert(place, name, np.arange(150) + first)
    frame["cell"] = [f"c{i}x" for i in range(150)]
    assert used(roles_of(frame)) == {*MEASURES, "result"}


def test_numbers_that_count_the_rows_are_no_target_where_nothing_else_is_left():
    frame = measured().drop(columns="result")
    frame["last"] = np.arange(150)
    assert roles_of(frame).targets == [("texture", "regression")]


@pytest.mark.parametrize("name", ["Unnamed: 0", "Unnamed: 12", "column 1", "序号", "n°", "Nr.", "编号"])
def test_columns_without_a_name_and_numbers_of_rows_are_never_learnt(name):
    frame = measured()
    frame.insert(0, name, np.random.default_rng(1).permutation(150) * 3 + 1)
    assert used(roles_of(frame)) == {*MEASURES, "result"}


@pytest.mark.parametrize("kind", ["day after day", "a few days"])
def test_whole_numbers_that_are_dates_are_never_learnt(kind):
    days = pd.date_range("2024-01-01", periods=150 if kind == "day after day" else 6).strftime("%Y%m%d").astype(int)
    frame = measured(measuredOn=np.resize(days, 150))
    assert used(roles_of(frame)) == {*MEASURES, "result"}


@pytest.mark.parametrize(
    "name",
    ["acq_time", "AcquisitionTime", "plate_row", "plate_col", "wellColumn", "Messdatum", "datum", "fecha", "heure"]
    + ["Uhrzeit", "日期", "timestamp", "scan date"],
)
def test_names_of_places_on_a_plate_and_of_times_are_never_learnt(name):
    frame = measured()
    frame.insert(2, name, np.random.default_rng(1).integers(0, 10**6, 150) / 7)
    assert used(roles_of(frame)) == {*MEASURES, "result"}


@pytest.mark.parametrize("name", ["retention_time", "row_sum", "colour", "update_rate", "time_constant", "centroid_x"])
def test_measures_that_are_named_after_a_time_or_place_stay_features(name):
    frame = measured()
    frame.insert(2, name, np.random.default_rng(1).normal(size=150))
    assert name in used(roles_of(frame))
