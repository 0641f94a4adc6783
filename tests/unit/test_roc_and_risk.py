"""ROC, precision-recall and risk against coverage are those of scikit-learn and of the papers; their bands respect groups."""

from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

import plot as draw_figures
import report_tables
from graft.evaluation.intervals import units_of
from graft.report.figures import risk_coverage, roc
from graft.report.resampling import band
from graft.report.sources import Source

SVG = "{http://www.w3.org/2000/svg}"
COARSE = [False, True]  # whether many scores are equal


def drawn(name, folder, frame):
    """Draw a figure of the table p.parquet, whose rows are `frame`; gives its words: all texts, and the description."""
    report_tables.manifest(folder, frame, "vector")
    files = {"samples": folder / "samples.parquet", "predictions": folder / "p.parquet"}
    draw_figures.main(Source(files, "elpv"), {name: folder / "figure.svg"})
    root = ElementTree.parse(folder / "figure.svg").getroot()
    return ["".join(one.itertext()) for one in root.iter() if one.tag in (f"{SVG}text", f"{SVG}desc")]


def scores(coarse, rows=400, seed=0):
    """Labels, and scores that are higher where the label is 1."""
    draw = np.random.default_rng(seed)
    labels = (draw.random(rows) < 0.3).astype(int)
    found = 1 / (1 + np.exp(-draw.normal(1.2 * labels - 0.6)))
    return labels, np.round(found, 1) if coarse else found


@pytest.mark.parametrize("coarse", COARSE)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_curves_are_those_of_scikit_learn(coarse, weighted):
    labels, chances = scores(coarse)
    weights = np.random.default_rng(1).integers(1, 4, len(labels)) if weighted else np.ones(len(labels))
    false, true, precision = roc.steps(labels == 1, chances, weights)
    theirs = roc_curve(labels, chances, sample_weight=weights, drop_intermediate=False)
    assert false == pytest.approx(theirs[0]) and true == pytest.approx(theirs[1])
    exact, recall, _ = precision_recall_curve(labels, chances, sample_weight=weights)
    assert precision == pytest.approx(exact[:-1][::-1]) and true[1:] == pytest.approx(recall[:-1][::-1])


def test_between_two_scores_the_rate_is_on_a_straight_line_and_at_a_step_it_is_the_highest():
    found = roc.rate_at(np.array([0, 0.25, 0.5, 1]), np.array([0, 0, 0.5, 0.5, 1]), np.array([0, 0.4, 0.6, 0.8, 1]))
    assert found == pytest.approx([0.4, 0.5, 0.8, 1])


@pytest.mark.parametrize("coarse", COARSE)
def test_the_numbers_beside_the_curves_are_scikit_learns_and_so_are_the_areas_under_them(coarse):
    labels, chances = scores(coarse)
    (curve,) = roc.curves_of(labels, np.column_stack([1 - chances, chances]), ["no", "yes"], None)
    assert curve["name"] == "yes"
    assert curve["auroc"]["value"] == pytest.approx(roc_auc_score(labels, chances))
    assert curve["average_precision"]["value"] == pytest.approx(average_precision_score(labels, chances))
    assert np.trapezoid(curve["roc"][:, 1], curve["roc"][:, 0]) == pytest.approx(curve["auroc"]["value"])
    recall, precision = curve["precision_recall"].T
    assert (np.diff(np.r_[0.0, recall]) * precision).sum() == pytest.approx(curve["average_precision"]["value"])


def test_the_mean_curve_of_many_classes_has_the_macro_auroc_under_it(tmp_path):
    draw, width = np.random.default_rng(0), 8
    labels = np.arange(400) % width
    chances = draw.dirichlet(np.ones(width), 400) + np.eye(width)[labels] * 0.2
    chances /= chances.sum(1, keepdims=True)
    (curve,) = roc.curves_of(labels, chances, report_tables.classes_of(width), None)
    macro = roc_auc_score(labels, chances, multi_class="ovr")
    assert curve["auroc"]["value"] == pytest.approx(macro)
    assert np.trapezoid(curve["roc"][:, 1], curve["roc"][:, 0]) == pytest.approx(macro, abs=0.003)


def test_three_classes_have_a_curve_each_and_a_class_without_rows_has_none(tmp_path):
    labels, chances = np.array([0, 0, 1, 1] * 5), np.random.default_rng(0).dirichlet(np.ones(3), 20)
    assert [one["name"] for one in roc.curves_of(labels, chances, ["a", "b", "c"], None)] == ["a", "b"]


def test_of_one_class_alone_the_figure_says_that_there_is_nothing_to_tell_apart(tmp_path):
    frame = report_tables.predictions(tmp_path / "p.parquet", ["a", "b"])
    frame = frame.assign(label=frame["label"].where(frame["label"].isna(), "a"))
    report_tables.write_parquet(tmp_path / "p.parquet", frame, {"target": "kind", "classes": '["a", "b"]'})
    assert any("this figure needs two classes" in text for text in drawn("roc", tmp_path, frame))


def test_the_band_holds_the_rate_of_other_samples_about_as_often_as_it_says():
    """The true positive rate at a false positive rate of 0.2, of samples that are drawn anew 100 times."""
    hits, truth = 0, norm.sf(norm.isf(0.2) - 1.2)
    for seed in range(100):
        labels, chances = scores(False, 200, seed)
        low, high = roc.bands_of(labels[:, None] == 1, chances[:, None], None)["roc_band"]
        hits += low[40] <= truth <= high[40]
    assert roc.GRID[40] == pytest.approx(0.2) and 88 <= hits <= 100


def test_rows_of_one_group_are_drawn_together():
    """Ten copies of each row say no more than one: the band is as wide as that of the rows, not narrower."""
    values = np.random.default_rng(0).normal(size=60)
    mean = lambda these: lambda weights: np.array([(weights * these).sum() / weights.sum()])  # noqa: E731
    alone = np.diff(band(mean(values), 60, None), axis=0).item()
    copies, units = np.repeat(values, 10), units_of([f"g{i // 10}" for i in range(600)])
    together = np.diff(band(mean(copies), 600, units), axis=0).item()
    assert together == pytest.approx(alone, rel=0.15)
    assert np.diff(band(mean(copies), 600, None), axis=0).item() < 0.5 * alone
    assert np.isnan(band(mean(copies), 600, np.zeros(600, int))).all()


@pytest.mark.parametrize("coarse", COARSE)
def test_the_risk_is_the_error_of_the_surest_rows_and_aurc_its_mean(coarse):
    draw = np.random.default_rng(0)
    sure = draw.random(200)
    sure = np.round(sure, 1) if coarse else sure
    wrong = (draw.random(200) > sure).astype(float)
    facts = risk_coverage.measured(wrong, sure, None)
    # Of equally sure rows the mean over their orders.
    orders = [draw.permutation(200) for _ in range(4000)] if coarse else [np.arange(200)]
    ranked = [wrong[order][np.argsort(-sure[order], kind="stable")] for order in orders]
    risks = [np.cumsum(one) / np.arange(1, 201) for one in ranked]
    risk = np.mean(risks, axis=0)
    assert facts["risk"] == pytest.approx(risk, abs=0.02 if coarse else 1e-12)
    # Of rows in order, each error counts in the means of all that are less sure: sum of err_j * (H_n - H_{j-1}) / n.
    if not coarse:
        ranked = wrong[np.argsort(-sure)]
        harmonic = np.r_[0, np.cumsum(1 / np.arange(1, 201))]
        assert facts["aurc"]["value"] == pytest.approx((ranked * (harmonic[-1] - harmonic[:-1])).sum() / 200)
    assert facts["aurc"]["low"] < facts["aurc"]["value"] < facts["aurc"]["high"]
    assert facts["risk"][-1] == pytest.approx(wrong.mean()) and facts["best"][0] == 0
    low, high = facts["band"]
    assert (low <= high).all() and low[-1] < wrong.mean() < high[-1]


def test_the_figure_says_how_many_of_the_surest_answers_are_wrong(tmp_path):
    frame = report_tables.predictions(tmp_path / "p.parquet", ["a", "b"], rows=400)
    words = drawn("risk_coverage", tmp_path, frame)
    rows = frame[(frame["split"] == "test") & frame["label"].notna()]
    half = rows.sort_values("confidence", ascending=False).head(len(rows) // 2)
    share = 100 * (half["label"] != half["predicted"]).mean()
    assert f"50 % kept: {share:.1f} %" in words[0]
