"""The figures: complete, readable aloud, and the same bytes for the same numbers."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import plot as draw_figures
import plot_costs
import report_tables
from graft.common.energy import SAID
from graft.common.outputs import write_csv, write_json, write_parquet
from graft.evaluation import metrics
from graft.evaluation.tables import printable
from graft.heads import calibration
from graft.report import data_figures
from graft.report.figures import confusion as confusion_figure
from graft.report.figures import distillation as distillation_figure
from graft.report.figures import groups as groups_figure
from graft.report.figures import learning_curves, per_class
from graft.report.figures import regression as regression_figure
from graft.report.plots import shorten
from graft.report.sources import Source, judged_rows
from running import ROOT

SVG = "{http://www.w3.org/2000/svg}"
TWO = ["intact", "defective"]
AWKWARD = ["$x_1$ & <b>", "_hidden", "細胞", "a\nb\x00c", "x" * 90 + "1", "x" * 90 + "2"]


def drawn(name, folder, **files):
    """Draw one figure in a folder, from its manifest and the files of these names."""
    paths = {"samples": folder / "samples.parquet", **files}
    draw_figures.main(Source(paths, "elpv"), {name: folder / "figure.svg"})


def judged(name, folder, frame, **manifest):
    """Draw one figure from the table p.parquet in a folder, whose rows are `frame`."""
    report_tables.manifest(folder, frame, "vector", **manifest)
    drawn(name, folder, predictions=folder / "p.parquet")


def confusion(folder, classes=TWO, **settings):
    rows = max(60, 8 * len(classes))
    judged("confusion", folder, report_tables.predictions(folder / "p.parquet", classes, rows=rows, **settings))


def reliability(folder, classes=TWO, **settings):
    judged("reliability", folder, report_tables.predictions(folder / "p.parquet", classes, **settings))


def roc(folder, classes=("a", "b", "c"), **settings):
    rows = max(60, 8 * len(classes))
    judged("roc", folder, report_tables.predictions(folder / "p.parquet", list(classes), rows=rows, **settings))


def risk_coverage(folder, classes=TWO, **settings):
    judged("risk_coverage", folder, report_tables.predictions(folder / "p.parquet", classes, **settings))


def quality(folder, classes=TWO, **settings):
    rows = max(60, 8 * len(classes))
    judged("per_class", folder, report_tables.predictions(folder / "p.parquet", classes, rows=rows, **settings))


def groups(folder, classes=("a", "b", "c"), names=("plate 1", "plate 2", " ", None), **settings):
    """Rows belong to the groups in turn; `classes` None: a regression."""
    table = folder / "p.parquet"
    if classes is None:
        frame = report_tables.regression(table, **settings)
    else:
        frame = report_tables.predictions(table, list(classes), rows=240, **settings)
    judged("groups", folder, frame, group=[names[i % len(names)] for i in range(len(frame))])
    return frame


RUNS = [("solar.b0.linear", 40.0), ("solar.b0.lp_ft", 4000.0), ("solar.b0.kd", None)]


def costs(folder, runs=RUNS, seeds=(0,), values=(0.8, 0.9, 0.7), more=()):
    """A summary, and a benchmark file for the training of every model that has seconds."""
    rows = [("finetune", "elpv", "defect", model, seed) for model, _ in runs for seed in seeds]
    summary = pd.DataFrame(rows, columns=["stage", "dataset", "target", "model", "seed"])
    found = np.repeat(values[: len(runs)], len(seeds))
    summary = summary.assign(test_auroc=found, test_auroc_low=found - 0.05, test_auroc_high=found + 0.05)
    write_csv(folder / "summary.csv", summary.assign(**dict(more)))
    jobs = []
    for model, seconds in runs:
        for seed in seeds:
            name = f"finetune/{model}.seed{seed}"
            jobs.append({"model": model, "seed": seed, "jobs": {"training": [name], "prediction": ["predict/none"]}})
            if seconds is not None:
                write_benchmark(folder / "benchmarks" / f"{name}.tsv", seconds + seed)
    plot_costs.main(
        folder / "summary.csv",
        jobs,
        folder / "benchmarks",
        folder / "logs",
        folder / "figure.svg",
        folder / "costs.csv",
    )


def write_benchmark(path, seconds, memory="1500.00"):
    """A benchmark file as Snakemake writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\tmax_vms\tcpu_time\n{seconds}\t0:00:40\t{memory}\t9.0\t1.0\n")


def regression(folder, **settings):
    judged("regression", folder, report_tables.regression(folder / "p.parquet", **settings))


def learning(folder, **settings):
    history = folder / "solar.rn50.lp_ft/seed0/ft_history.csv"
    report_tables.history(history, **settings)
    drawn("learning_curves", folder, history=history)


def few_shot(folder, names=("a.rn50.prototypes", "b.rn50.ridge")):
    paths = [folder / name / "metrics.json" for name in names]
    for i, path in enumerate(paths):
        report_tables.few_shot(path, ways=5 - i % 2)
    drawn("few_shot", folder, metrics=paths)


def curves(folder):
    """Two targets, of which one has no forecast."""
    table, paths = report_tables.curves(), [folder / name for name in ("kind.csv", "size.csv")]
    write_csv(paths[0], table)
    write_csv(paths[1], table[table["split"] == "test"])
    drawn("curves", folder, curves=paths)


def distillation(folder, **settings):
    report_tables.agreement(folder / "a.json", **settings)
    drawn("distillation", folder, agreement=folder / "a.json")


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
            "sampling_unit": pd.Series([None] * rows, dtype=object),
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
    drawn("classes", folder)


FIGURES = [
    *(confusion, reliability, roc, risk_coverage, quality, groups),
    *(regression, learning, few_shot, distillation, classes, costs, curves),
]


def texts(folder):
    """Every text that is in a figure."""
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
    assert not re.search(rb"20\d\d-\d\d-\d\d", figures[0]), "a date is in the figure"


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


@pytest.mark.parametrize("figure", [confusion, classes, quality])
@pytest.mark.parametrize("names", [TWO, report_tables.classes_of(40)], ids=["2", "40"])
def test_every_class_is_named_in_the_figure(figure, names, tmp_path):
    figure(tmp_path, classes=names)
    assert set(names) <= set(texts(tmp_path))
    assert all(name in description(tmp_path) for name in names)


@pytest.mark.parametrize("figure", [confusion, classes, quality])
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
    assert confusion_figure.confusion(labels, predicted, ["a", "b"]).tolist() == [[1, 0], [1, 1]]


def test_a_class_without_samples_has_no_shares():
    shares = confusion_figure.shares_of(np.array([[1, 3], [0, 0]]))
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


@pytest.mark.parametrize("figure", [confusion, reliability, risk_coverage, quality, groups])
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


def test_honest_error_bars_cover_as_much_as_they_claim():
    rng = np.random.default_rng(0)
    value = rng.normal(size=20_000)
    covered = regression_figure.coverage(value, value + rng.normal(0, 0.5, 20_000), np.full(20_000, 0.5))
    assert covered == pytest.approx(regression_figure.LEVELS, abs=0.015)


def test_the_probes_own_mark_wins_and_else_the_first_lowest_validation_loss():
    rows = pd.DataFrame({"val_loss": [0.3, 0.1, 0.1, 0.2]})
    assert learning_curves.best_row(rows) == 1
    assert learning_curves.best_row(rows.assign(best=["False", "False", "False", "True"])) == 3
    assert learning_curves.best_row(rows.assign(val_loss=np.nan)) is None


def test_a_solved_head_that_no_epoch_bettered_is_the_epoch_0_that_was_kept():
    rows = pd.DataFrame({"epoch": [0, 1, 2, 3], "val_loss": [0.07, 0.3, 0.11, 0.5]})
    assert learning_curves.describe("train", rows) == "train: best at epoch 0 of 3 with validation loss 0.07."


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


def test_a_zero_shot_task_is_a_point_at_no_example_with_what_it_is_worth(tmp_path):
    paths = [tmp_path / "few/a.rn50.prototypes/metrics.json", tmp_path / "zero/names.rn50.similarity/metrics.json"]
    report_tables.few_shot(paths[0])
    report_tables.zero_shot(paths[1])
    drawn("few_shot", tmp_path, metrics=paths[:1], zero_shot=paths[1:])
    assert {"names.rn50.similarity (zero-shot, worth 7 shots)", "0", "1", "5", "10"} <= set(texts(tmp_path))


def test_one_episode_without_interval_can_be_drawn(tmp_path):
    path = tmp_path / "a.rn50.prototypes" / "metrics.json"
    report_tables.few_shot(path)
    metrics = json.loads(path.read_text())
    for one in metrics["settings"]:
        one["accuracy"] |= {"low": None, "high": None}
    write_json(path, metrics)
    drawn("few_shot", tmp_path, metrics=[path])
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
    assert distillation_figure.human(number) == text


def test_samples_are_counted_by_class_and_split_and_the_unlabelled_apart(tmp_path):
    classes(tmp_path)
    assert any("3 samples without this label" in text for text in texts(tmp_path))
    assert "intact 2 + 1 + 1" in description(tmp_path) and "Without this label: 3" in description(tmp_path)


def test_precision_recall_and_f1_are_those_of_scikit_learn_and_lie_within_their_intervals():
    from sklearn.metrics import precision_recall_fscore_support

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    predicted = np.where(rng.random(200) < 0.6, labels, rng.integers(0, 4, 200))
    table = per_class.quality(labels, predicted, 4)
    expected = precision_recall_fscore_support(labels, predicted, zero_division=0)
    for name, values in zip(("precision", "recall", "f1", "samples"), expected, strict=True):
        assert table[name].to_numpy() == pytest.approx(values)
    for name in per_class.MEASURES:
        assert (table[f"{name}_low"] < table[name]).all() and (table[name] < table[f"{name}_high"]).all()


def test_the_intervals_of_f1_hold_it_as_often_as_they_claim():
    rng = np.random.default_rng(1)
    cells = np.array([[0.3, 0.1], [0.05, 0.55]])
    truth = quality_of((cells * 1e4).astype(int))["f1"][0]
    tables = [quality_of(rng.multinomial(80, cells.ravel()).reshape(2, 2)).iloc[0] for _ in range(1500)]
    held = np.mean([row["f1_low"] <= truth <= row["f1_high"] for row in tables])
    assert held == pytest.approx(0.95, abs=0.03)


def test_the_worst_class_stands_at_the_top_and_one_that_never_occurs_at_the_bottom():
    counts = np.array([[9, 1, 0, 0], [5, 1, 0, 0], [0, 0, 7, 0], [0, 0, 0, 0]])
    assert list(per_class.worst_first(quality_of(counts)).index) == [1, 0, 2, 3]


@pytest.mark.parametrize("together", [False, True])
def test_the_figures_of_a_model_have_the_intervals_and_the_calibration_error_of_its_metrics(together, tmp_path):
    """Two classes of equal size: sensitivity and specificity at 0.5 are the recalls; sets of ten rows are alike."""
    frame = report_tables.predictions(tmp_path / "p.parquet", TWO, rows=400, pool=0)
    plates = [f"plate {i // 10}" if together else None for i in range(len(frame))]
    judged("reliability", tmp_path, frame.iloc[::-1].reset_index(drop=True), group=plates[::-1])
    rows = Source({"samples": tmp_path / "samples.parquet", "predictions": tmp_path / "p.parquet"}, "elpv").judged.rows
    groups = rows["group"].to_numpy()
    labels, predicted = ((rows[name] == TWO[1]).to_numpy().astype(int) for name in ("label", "predicted"))
    chances = rows[[f"prob_{name}" for name in TWO]].to_numpy()
    found = metrics.classification_metrics(labels, chances, 2, groups, threshold=0.5, predicted=predicted)
    table = per_class.quality(labels, predicted, 2, groups)
    for place, name in ((1, "sensitivity"), (0, "specificity")):
        for end, key in (("", "value"), ("_low", "low"), ("_high", "high")):
            assert table[f"recall{end}"][place] == pytest.approx(found[name][key], abs=1e-12)
    after = next(text for text in texts(tmp_path) if "calibrated" in text)
    assert after.endswith(f"ECE {found['ece']['value']:.3f}")
    raw = calibration.reliability(labels, chances, predicted=predicted)
    assert found["ece"]["value"] < np.average((raw["accuracy"] - raw["confidence"]).abs(), weights=raw["count"]) - 0.002


def quality_of(counts):
    """The table of a confusion matrix."""
    labels, predicted = (cell.repeat(counts.ravel()) for cell in np.indices(counts.shape).reshape(2, -1))
    return per_class.quality(labels, predicted, len(counts))


def test_two_hundred_classes_are_all_drawn_and_of_more_the_worst(tmp_path):
    quality(tmp_path, classes=report_tables.classes_of(200), pool=0)
    assert set(report_tables.classes_of(200)) <= set(texts(tmp_path))
    quality(tmp_path, classes=report_tables.classes_of(210), pool=0)
    found = texts(tmp_path)
    assert sum(text.startswith("class ") for text in found) == 200
    assert any("the worst 200 of 210 classes" in text for text in found)


def test_samples_are_counted_by_group_and_those_without_one_together(tmp_path):
    frame = groups(tmp_path, pool=0)
    judged = frame[frame["split"] == "test"]
    sizes = {
        "plate 1": (judged.index % 4 == 0).sum(),
        "plate 2": (judged.index % 4 == 1).sum(),
        "no group": (judged.index % 4 >= 2).sum(),
    }
    assert {f"{name} ({count})" for name, count in sizes.items()} <= set(texts(tmp_path))


def judged_group(name, right, wrong, label="a", answer="b"):
    """Rows of a group with true class `label`, of which `wrong` are called `answer`."""
    return pd.DataFrame({"group": name, "label": label, "predicted": [label] * right + [answer] * wrong})


def test_the_group_that_is_surely_bad_stands_above_a_tiny_one_that_may_be():
    rows = pd.concat([judged_group("big", 60, 40), judged_group("tiny", 0, 1), judged_group("good", 99, 1)])
    assert list(groups_figure.accuracy_of(rows).index) == ["big", "tiny", "good"]


def test_errors_are_counted_by_true_class_and_group_and_say_what_they_were_taken_for():
    rows = pd.concat(
        [
            judged_group("x", 3, 2),
            judged_group("x", 0, 1, answer="c"),
            judged_group("y", 4, 0, "c"),
            judged_group("y", 1, 0),
        ]
    )
    wrong, total, taken = groups_figure.errors_of(rows, ["y", "x"])
    assert list(wrong.columns) == ["a", "c"] and wrong.to_numpy().tolist() == [[0, 0], [3, 0]]
    assert total.to_numpy().tolist() == [[1, 4], [6, 0]] and taken.loc["x", "a"] == "b"
    assert taken.loc["y", "a"] is None


def test_a_group_of_values_that_is_shifted_as_a_whole_shows_it():
    value = np.arange(40.0)
    group = np.where(value < 20, "here", "there")
    rows = pd.DataFrame({"group": group, "value": value, "predicted": value + np.where(group == "here", 3.0, 0.0)})
    rows["predicted"] += np.tile([0.1, -0.1], 20)
    table = groups_figure.rmse_of(rows)
    assert list(table.index) == ["here", "there"]
    assert table.loc["here", "bias_low"] > 2.5 and abs(table.loc["there", "bias_value"]) < 1e-9


def test_groups_of_a_regression_are_drawn(tmp_path):
    groups(tmp_path, classes=None)
    assert any("root mean square error" in text for text in texts(tmp_path))
    assert any("predicted − measured" in text for text in texts(tmp_path))


def test_costs_stand_beside_quality_and_the_model_that_was_taken_comes_first_then_the_best_on_validation(tmp_path):
    costs(tmp_path, more={"choice": ["best", None, None], "validation_auroc": [0.7, 0.5, 0.8]})
    found = texts(tmp_path)
    names = [text for text in found if "solar.b0" in text]
    assert [name.split()[-1] for name in names] == ["solar.b0.linear", "solar.b0.kd", "solar.b0.lp_ft"]
    assert any(text.startswith("1 h 6 min, 1.5 GB") for text in found)
    assert any(text.startswith("40 s, 1.5 GB") for text in found)


@pytest.mark.parametrize("rubbish", [None, "", "s\tmax_rss\n", "s\tmax_rss\n-\tNA\n"])
def test_a_job_without_a_benchmark_is_not_measured_and_nothing_fails(rubbish, tmp_path):
    path = tmp_path / "benchmarks" / "finetune" / "solar.b0.kd.seed0.tsv"
    if rubbish is not None:
        path.parent.mkdir(parents=True)
        path.write_text(rubbish)
    costs(tmp_path)
    assert "not measured" in texts(tmp_path)
    table = pd.read_csv(tmp_path / "costs.csv")
    assert table[table["model"] == "solar.b0.kd"]["seconds"].isna().all()
    assert table["seconds"].notna().sum() == 2


def test_a_run_without_any_benchmark_can_be_drawn(tmp_path):
    costs(tmp_path, runs=[("solar.b0.linear", None)])
    assert "not measured" in texts(tmp_path)


def test_seeds_of_a_model_are_one_row(tmp_path):
    costs(tmp_path, seeds=(0, 1, 2))
    assert sum("solar.b0.linear (mean of 3 seeds)" in text for text in texts(tmp_path)) == 1
    assert any(text.startswith("41 s") for text in texts(tmp_path))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min"), (125, "2 min 5 s"), (3600, "1 h"), (12_000, "3 h 20 min")],
)
def test_durations_are_written_for_people(seconds, text):
    assert plot_costs.duration(seconds) == text


def test_every_figure_of_the_report_has_a_caption_and_every_caption_a_figure():
    rules = "".join(path.read_text() for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")])
    named = set(re.findall(r'captions/(\w+\.rst)"', rules))
    folder = ROOT / "rules" / "captions"
    assert named == {path.name for path in folder.glob("*.rst")}
    assert rules.count("report(") == rules.count("caption=")
    assert all(len((folder / name).read_text()) > 100 for name in named)


def test_columns_whose_names_are_numbers_stand_at_them_and_others_in_their_order():
    falling = [str(number) for number in range(4000, 3990, -2)]
    places, axis = data_figures.places_of(falling, 5)
    assert list(places) == [4000, 3998, 3996, 3994, 3992] and axis == "number in the column's name"
    places, axis = data_figures.places_of(["nm_900", "nm_900.5", "nm_1000"], 3)
    assert list(places) == [900, 900.5, 1000] and axis == "nm"
    for names in (["a1", "b2", "c3"], ["x3", "x1", "x2"], ["mean", "std", "area"], None):
        places, axis = data_figures.places_of(names, 3)
        assert list(places) == [1, 2, 3] and axis.startswith("feature, in the order of the columns")
    assert "(mean to area)" in data_figures.places_of(["mean", "std", "area"], 3)[1]


def test_a_figure_of_falling_wavenumbers_has_them_on_its_axis_and_says_how_many_classes_it_draws():
    random = np.random.default_rng(0)
    classes = [f"c{i}" for i in range(10)]
    labels = np.array(classes * 4, dtype=object)
    drawn = data_figures.profiles(
        random.normal(size=(40, 50)), labels, classes, [str(n) for n in range(4000, 3000, -20)]
    )
    said = {
        element.text or "": float(element.get("x", 0)) for element in ElementTree.fromstring(drawn).iter(f"{SVG}text")
    }
    assert "the first 7 of 10 classes" in said and "feature" not in "".join(said)
    assert said["4000"] < said["3200"]  # from the left, in the order of the columns
    drawn = data_figures.profiles(random.normal(size=(40, 5)), labels[:40], classes[:3])
    assert "classes" not in drawn


def test_the_energy_of_jobs_is_in_the_table_of_costs_and_in_the_figure(tmp_path):
    costs(tmp_path)
    plain = (tmp_path / "figure.svg").read_text()
    assert "Wh" not in plain and pd.read_csv(tmp_path / "costs.csv")[["processor_j", "gpu_j"]].isna().all(axis=None)
    for model, joules in (("solar.b0.linear", 3600.0), ("solar.b0.lp_ft", 360_000.0)):
        path = tmp_path / f"logs/finetune/{model}.seed0.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'12:00:00 {SAID} {{"processor": {joules}}}\n')
    costs(tmp_path)
    drawn = (tmp_path / "figure.svg").read_text()
    assert "1 Wh" in drawn and "100 Wh" in drawn
    table = pd.read_csv(tmp_path / "costs.csv").dropna(subset="processor_j").set_index("model")
    assert table.loc["solar.b0.lp_ft", "processor_j"] == 360_000.0 and table["gpu_j"].isna().all()
