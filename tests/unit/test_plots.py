"""The figures: complete, readable aloud, and the same bytes for the same numbers."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import plot_classes
import plot_confusion
import plot_distillation
import plot_few_shot
import plot_learning_curves
import plot_regression
import plot_reliability
import report_tables
from graft.outputs import write_json, write_parquet
from graft.plots import judged_rows, shorten
from graft.tables import printable

SVG = "{http://www.w3.org/2000/svg}"
TWO = ["intact", "defective"]
AWKWARD = ["$x_1$ & <b>", "_hidden", "細胞", "a\nb\x00c", "x" * 90 + "1", "x" * 90 + "2"]


def confusion(folder, classes=TWO, **settings):
    report_tables.predictions(folder / "p.parquet", classes, rows=max(60, 8 * len(classes)), **settings)
    plot_confusion.main(folder / "p.parquet", folder / "figure.svg")


def reliability(folder, classes=TWO, **settings):
    report_tables.predictions(folder / "p.parquet", classes, **settings)
    plot_reliability.main(folder / "p.parquet", folder / "figure.svg")


def regression(folder, **settings):
    report_tables.regression(folder / "r.parquet", **settings)
    plot_regression.main(folder / "r.parquet", folder / "figure.svg")


def learning(folder, **settings):
    report_tables.history(folder / "h.csv", **settings)
    plot_learning_curves.main(folder / "h.csv", folder / "figure.svg", "solar.rn50.lp_ft, seed 0")


def few_shot(folder, names=("a.rn50.prototypes", "b.rn50.ridge")):
    paths = [folder / name / "metrics.json" for name in names]
    for i, path in enumerate(paths):
        report_tables.few_shot(path, ways=5 - i % 2)
    plot_few_shot.main(paths, folder / "figure.svg", "elpv")


def distillation(folder, **settings):
    report_tables.agreement(folder / "a.json", **settings)
    plot_distillation.main(folder / "a.json", folder / "figure.svg")


def data_set(folder, classes=TWO, unlabelled=3):
    """The manifest of a data set with a target of classes and one of numbers."""
    rows = 4 * len(classes) + unlabelled
    splits = ["train", "train", "validation", "test"]
    labels = [classes[i % len(classes)] for i in range(rows - unlabelled)] + [None] * unlabelled
    frame = pd.DataFrame(
        {
            "sample_id": [f"s{i:04d}" for i in range(rows)],
            "path": "x.csv",
            "row": np.arange(rows),
            "content_sha256": [f"{i:064x}" for i in range(rows)],
            "split": [splits[(i // len(classes)) % 4] for i in range(rows - unlabelled)] + ["pool"] * unlabelled,
            "fold": np.int16(-1),
            "group": pd.Series([None] * rows, dtype=object),
            "kind": pd.Series(labels, dtype=object),
            "size": np.where(np.arange(rows) < rows - unlabelled, np.arange(rows) * 0.5, np.nan),
        }
    )
    write_parquet(folder / "samples.parquet", frame)
    targets = {"kind": {"kind": "classification", "classes": list(classes)}, "size": {"kind": "regression"}}
    write_json(folder / "labels.json", {"targets": targets})
    write_json(folder / "data_card.json", {"dataset": "elpv", "modality": "vector", "counts": {}})
    return frame


def classes(folder, classes=TWO):
    data_set(folder, classes)
    plot_classes.main(folder / "samples.parquet", folder / "figure.svg", "elpv")


FIGURES = [confusion, reliability, regression, learning, few_shot, distillation, classes]


def texts(folder):
    """Every text that stands in a figure."""
    root = ElementTree.parse(folder / "figure.svg").getroot()
    return ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]


def description(folder):
    return ElementTree.parse(folder / "figure.svg").getroot().find(f"{SVG}desc").text


@pytest.mark.parametrize("figure", FIGURES)
def test_equal_numbers_give_equal_bytes(figure, tmp_path):
    figures = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        figure(tmp_path / name)
        figures.append((tmp_path / name / "figure.svg").read_bytes())
    assert figures[0] == figures[1]
    assert not re.search(rb"20\d\d-\d\d-\d\d", figures[0]), "a date stands in the figure"


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_can_be_read_aloud(figure, tmp_path):
    figure(tmp_path)
    root = ElementTree.parse(tmp_path / "figure.svg").getroot()
    assert root.get("role") == "img"
    first, second = list(root)[:2]
    assert (first.tag, second.tag) == (f"{SVG}title", f"{SVG}desc")
    assert len(first.text) > 5 and len(second.text) > 20


@pytest.mark.parametrize("figure", FIGURES)
def test_the_look_does_not_depend_on_the_settings_of_the_process(figure, tmp_path):
    import matplotlib

    figure(tmp_path)
    before = (tmp_path / "figure.svg").read_bytes()
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "svg.fonttype": "path"}):
        figure(tmp_path)
    assert (tmp_path / "figure.svg").read_bytes() == before


@pytest.mark.parametrize("figure", [confusion, classes])
@pytest.mark.parametrize("names", [TWO, report_tables.classes_of(40)], ids=["2", "40"])
def test_every_class_is_named_in_the_figure(figure, names, tmp_path):
    figure(tmp_path, classes=names)
    assert set(names) <= set(texts(tmp_path))
    assert all(name in description(tmp_path) for name in names)


@pytest.mark.parametrize("figure", [confusion, classes])
def test_awkward_class_names_stay_apart_and_whole_in_the_description(figure, tmp_path):
    figure(tmp_path, classes=AWKWARD)
    found = texts(tmp_path)
    assert {"$x_1$ & <b>", "_hidden", "細胞"} <= set(found)
    assert all(label in found for label in shorten(AWKWARD))
    assert "x" * 90 + "2" in description(tmp_path)


def test_shortened_names_are_all_different_and_fit():
    names = shorten(["a" * 40 + "x" + "b" * 40, "a" * 40 + "y" + "b" * 40, "short"])
    assert len(set(names)) == 3 and names[2] == "short" and max(map(len, names)) <= 32


def test_printable_text_is_one_line_of_valid_xml():
    text = printable("a\r\nb\x00\x1b\ud800c")
    assert "\n" not in text
    ElementTree.fromstring(f"<a>{text}</a>")


def test_confusion_rows_are_true_classes_and_columns_predicted_ones():
    labels, predicted = pd.Series(["b", "b", "a"]), pd.Series(["a", "b", "a"])
    assert plot_confusion.confusion(labels, predicted, ["a", "b"]).tolist() == [[1, 0], [1, 1]]


def test_a_class_without_samples_has_no_shares():
    shares = plot_confusion.shares_of(np.array([[1, 3], [0, 0]]))
    assert shares[0].tolist() == [0.25, 0.75] and np.isnan(shares[1]).all()


def test_cells_hold_counts_for_few_classes_and_shares_alone_for_many(tmp_path):
    confusion(tmp_path)
    assert any("%" in text for text in texts(tmp_path)[4:])
    confusion(tmp_path, classes=report_tables.classes_of(120))
    assert not any(text.isdigit() for text in texts(tmp_path))


def test_models_are_judged_by_test_then_validation_then_train_rows_that_have_a_label():
    table = pd.DataFrame({"split": ["train", "validation", "test", "pool"], "label": ["a", "b", "c", None]})
    assert judged_rows(table)[1] == "test"
    assert judged_rows(table[table["split"] != "test"])[1] == "validation"
    assert judged_rows(table[table["split"] == "train"])[1] == "train"
    table.loc[2, "label"] = None
    assert judged_rows(table)[1] == "validation"
    assert len(judged_rows(table[table["split"] == "pool"])[0]) == 0


@pytest.mark.parametrize("figure", [confusion, reliability])
def test_a_table_without_labels_gives_a_figure_that_says_so(figure, tmp_path):
    figure(tmp_path, pool=10_000)
    assert any("no labelled sample" in text for text in texts(tmp_path))


def test_the_temperature_is_what_stands_between_the_two_panels(tmp_path):
    reliability(tmp_path, temperature=4.0)
    found = texts(tmp_path)
    before, after = (next(text for text in found if word in text) for word in ("as trained", "calibrated"))
    assert "temperature 4" in after and before.split("ECE")[1] != after.split("ECE")[1]
    reliability(tmp_path, temperature=1.0)
    found = texts(tmp_path)
    before, after = (next(text for text in found if word in text) for word in ("as trained", "calibrated"))
    assert before.split("ECE")[1] == after.split("ECE")[1]


def test_the_calibration_error_is_weighted_by_the_samples_of_a_bin():
    bins = pd.DataFrame({"count": [1, 3], "accuracy": [1.0, 0.5], "confidence": [0.6, 0.6]})
    assert plot_reliability.calibration_error(bins) == pytest.approx((0.4 + 3 * 0.1) / 4)


def test_honest_error_bars_cover_as_much_as_they_claim():
    rng = np.random.default_rng(0)
    value = rng.normal(size=20_000)
    covered = plot_regression.coverage(value, value + rng.normal(0, 0.5, 20_000), np.full(20_000, 0.5))
    assert covered == pytest.approx(plot_regression.LEVELS, abs=0.015)


def test_the_probes_own_mark_wins_and_else_the_first_lowest_validation_loss():
    rows = pd.DataFrame({"val_loss": [0.3, 0.1, 0.1, 0.2]})
    assert plot_learning_curves.best_row(rows) == 1
    assert plot_learning_curves.best_row(rows.assign(best=["False", "False", "False", "True"])) == 3
    assert plot_learning_curves.best_row(rows.assign(val_loss=np.nan)) is None


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"epochs": 0}, {"linear probe", "L2 penalty"}),
        ({"probe": False}, {"training", "epoch", "AUROC"}),
        ({}, {"linear probe", "training", "L2 penalty", "epoch"}),
        ({"quality": ("val_r2",)}, {"R²", "training"}),
        ({"probe": False, "epochs": 1}, {"training", "epoch"}),
    ],
)
def test_every_stage_of_a_training_is_shown(settings, shown, tmp_path):
    learning(tmp_path, **settings)
    assert shown <= set(texts(tmp_path))


def test_every_task_has_its_line_and_its_ways(tmp_path):
    few_shot(tmp_path)
    assert {"a.rn50.prototypes (5 ways)", "b.rn50.ridge (4 ways)", "chance", "1", "5", "10"} <= set(texts(tmp_path))


def test_one_episode_without_interval_can_be_drawn(tmp_path):
    path = tmp_path / "a.rn50.prototypes" / "metrics.json"
    report_tables.few_shot(path)
    metrics = json.loads(path.read_text())
    for one in metrics["settings"]:
        one["accuracy"] |= {"low": None, "high": None}
    write_json(path, metrics)
    plot_few_shot.main([path], tmp_path / "figure.svg", "elpv")
    assert "a.rn50.prototypes (5 ways)" in texts(tmp_path)


def test_costs_are_shares_of_the_teachers(tmp_path):
    distillation(tmp_path)
    found = " ".join(texts(tmp_path))
    assert "parameters: 3.38 M of 4.87 M" in found and "69 %" in found and "90 %" in found
    assert "agreement is" not in found


def test_agreement_of_values_is_not_shown(tmp_path):
    distillation(tmp_path, kind="regression")
    found = " ".join(texts(tmp_path))
    assert "agreement is" in found and "90 %" not in found


@pytest.mark.parametrize(("number", "text"), [(4_652_008, "4.65 M"), (999, "999"), (0, "0"), (2.5e12, "2.5 T")])
def test_numbers_are_written_for_people(number, text):
    assert plot_distillation.human(number) == text


def test_samples_are_counted_by_class_and_split_and_the_unlabelled_apart(tmp_path):
    classes(tmp_path)
    assert any("3 samples without this label" in text for text in texts(tmp_path))
    assert "intact 2 + 1 + 1" in description(tmp_path) and "Without this label: 3" in description(tmp_path)
