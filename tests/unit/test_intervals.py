"""95 % intervals hold the truth in 90 to 98 of 100 data sets that are drawn, also where rows or groups are few."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from benchmarks import over_runs
from graft.evaluation import intervals, metrics
from graft.evaluation.episode_metrics import Episodes, figures_of
from graft.few_shot.episodes import episode_labels, sample_episodes

REPETITIONS = 1000


def coverage(draw, truth, measure=metrics.classification_metrics):
    """The share of data sets whose intervals hold the truth, per metric; `draw(rng)` gives what `measure` takes."""
    rng = np.random.default_rng(0)
    found = [measure(*draw(rng)) for _ in range(REPETITIONS)]
    return {
        name: np.mean([one[name]["low"] <= true <= one[name]["high"] for one in found]) for name, true in truth.items()
    }


def two(scores):
    return np.column_stack([1 - scores, scores])


def hits(right, groups=None):
    """The accuracy of answers of which it is known whether they are right; the other metrics are not looked at."""
    return {"accuracy": metrics.agreement(right, np.ones(len(right), bool), groups)}


@pytest.mark.parametrize(
    ("sizes", "beta"),
    [
        ([40] * 12, (8, 2)),
        ([10] * 20, (18, 2)),
        ([100] * 6, (8, 2)),
        ([5, 8, 10, 12, 15, 20, 25, 30, 40, 44, 60, 90], (8, 2)),
        ([40] * 12, (8e6, 2e6)),  # groups that do not matter
    ],
)
def test_accuracy_of_groups_that_differ(sizes, beta):
    """Patients whose share of right answers is Beta distributed; the truth is its mean."""
    groups = np.repeat([f"p{i}" for i in range(len(sizes))], sizes)

    def draw(rng):
        return rng.random(len(groups)) < np.repeat(rng.beta(*beta, len(sizes)), sizes), groups

    found = coverage(draw, {"accuracy": beta[0] / sum(beta)}, hits)
    assert 0.90 <= found["accuracy"] <= 0.98, found


@pytest.mark.parametrize(("rows", "share"), [(20, 0.95), (20, 0.7), (100, 0.97)])
def test_accuracy_of_few_rows(rows, share):
    found = coverage(lambda rng: (rng.random(rows) < share,), {"accuracy": share}, hits)
    assert 0.90 <= found["accuracy"] <= 0.98, found


def test_all_right_is_not_certain():
    """20 of 20: Wilson's interval; 480 of 480 in 12 groups says less than 480 of 480 by themselves."""
    low = metrics.agreement(np.ones(20), np.ones(20))["low"]
    assert low == pytest.approx(stats.binomtest(20, 20).proportion_ci(0.95, method="wilson").low, abs=1e-12)
    assert low == pytest.approx(0.839, abs=1e-3)
    groups = np.repeat([f"p{i}" for i in range(12)], 40)
    alone, together = (metrics.agreement(np.ones(480), np.ones(480), one)["low"] for one in (None, groups))
    assert 0.75 < together < 0.97 < 0.99 < alone < 1
    labels = np.repeat([0, 1], 10)
    for name, one in metrics.classification_metrics(labels, two(labels * 0.98 + 0.01), 2, threshold=0.5).items():
        if name not in ("ece", "class_ece", "threshold"):
            assert one["low"] < one["value"] - 0.05 or one["high"] > one["value"] + 0.05, name


@pytest.mark.parametrize(("positives", "negatives", "area"), [(10, 60, 0.86), (10, 60, 0.95), (5, 100, 0.9)])
def test_auroc_of_few_positives(positives, negatives, area):
    """Normal scores of equal spread; the truth is Phi(shift / sqrt 2)."""
    labels, shift = np.repeat([1, 0], [positives, negatives]), np.sqrt(2) * stats.norm.ppf(area)

    def draw(rng):
        return labels, two(expit(rng.normal(size=len(labels)) + shift * labels)), 2

    found = coverage(draw, {"auroc": area})
    assert 0.90 <= found["auroc"] <= 0.98, found


def patients(rows, groups, spread):
    """Rows of patients whose log odds are shifted by N(0, spread^2); the model knows all but the shift."""

    def draw(rng):
        odds = 2 * rng.normal(size=rows)
        shift = np.repeat(spread * rng.normal(size=groups), rows // groups)
        labels = (rng.random(rows) < expit(odds + shift)).astype(int)
        return labels, two(expit(odds)), 2, np.repeat(np.arange(groups).astype(str), rows // groups), 0.3

    return draw


@pytest.mark.parametrize(("rows", "groups", "spread"), [(240, 12, 1.0), (60, 60, 0.0)])
def test_every_figure_of_a_classifier(rows, groups, spread):
    """The truth is what 200,000 rows show."""
    labels, chances, *_ = patients(200_000, 200_000 if groups == rows else 20_000, spread)(np.random.default_rng(1))
    truth = metrics.classification_metrics(labels, chances, 2, threshold=0.3)
    names = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "average_precision", "log_loss", "brier")
    truth = {name: truth[name]["value"] for name in (*names, "sensitivity", "specificity")}
    for name, share in coverage(patients(rows, groups, spread), truth).items():
        assert 0.90 <= share <= 0.985, (name, share)


@pytest.mark.parametrize("groups", [None, 20])
def test_figures_of_a_regression(groups):
    """Errors N(0, 1), a third of their variance shared by a group's rows; values N(0, 4): R2 = 0.75."""
    names = None if groups is None else np.repeat(np.arange(groups).astype(str), 10)

    def draw(rng):
        shared = np.repeat(rng.normal(size=(2, 20)), 10, axis=1) if groups else rng.normal(size=(2, 200))
        error, value = np.sqrt(1 / 3) * shared + np.sqrt(2 / 3) * rng.normal(size=(2, 200))
        return 2 * value, 2 * value + error, names

    truth = {"r2": 0.75, "rmse": 1.0, "mae": np.sqrt(2 / np.pi)}
    for name, share in coverage(draw, truth, metrics.regression_metrics).items():
        assert 0.90 <= share <= 0.98, (name, share)


WAYS, QUERIES, EPISODES = 3, 15, 40


def few_shot(rng, shots, train_rows, test_rows):
    """Gaussian embeddings of a data set, and what the nearest class mean says in episodes of it."""
    labels, asked = np.repeat(np.arange(WAYS), train_rows), np.repeat(np.arange(WAYS), test_rows)
    centres = 2 * np.eye(WAYS)
    train, test = (centres[one] + rng.normal(size=(len(one), WAYS)) for one in (labels, asked))
    classes, support, query = sample_episodes(labels, asked, WAYS, shots, QUERIES, EPISODES, 0)

    def judge(support):
        means = train[support].reshape(EPISODES, WAYS, -1, WAYS).mean(2)
        logits = 2 * test[query] @ means.transpose(0, 2, 1) - (means**2).sum(2)[:, None]
        chances = np.exp(0.3 * (logits - logits.max(2, keepdims=True)))
        chances /= chances.sum(2, keepdims=True)
        truth = episode_labels(WAYS, QUERIES)
        return {
            "right": logits.argmax(2) == truth,
            "confidence": chances.max(2),
            "loss": -np.log(chances[:, np.arange(len(truth)), truth]),
        }

    def made_of(support):
        return Episodes(classes, support, query + len(labels), np.bincount(labels))

    half = support.reshape(EPISODES, WAYS, shots)[:, :, : train_rows // 2].reshape(EPISODES, -1)
    smaller = (made_of(half), judge(half)) if shots > train_rows // 2 else None
    return figures_of(made_of(support), judge(support), smaller)


@pytest.mark.parametrize(("shots", "train_rows", "test_rows"), [(5, 40, 15), (30, 40, 15), (3, 12, 100)])
def test_few_shot_figures_over_data_sets(shots, train_rows, test_rows):
    """The truth is the mean over the data sets, each of so many train and test rows per class."""
    rng = np.random.default_rng(0)
    found = [few_shot(rng, shots, train_rows, test_rows) for _ in range(REPETITIONS)]
    for name in ("accuracy", "log_loss"):
        values, low, high = (np.array([one[name][key] for one in found]) for key in ("value", "low", "high"))
        share = np.mean((low <= values.mean()) & (values.mean() <= high))
        assert 0.90 <= share <= 0.985, (name, share)
        assert ((low < values) & (values < high)).all()
        only = np.array([[one[f"{name}_episodes"][key] for key in ("low", "high")] for one in found])
        assert np.mean((only[:, 0] <= values.mean()) & (values.mean() <= only[:, 1])) < 0.75


def test_overlapping_splits_are_less_certain_than_their_spread():
    values = [0.90, 0.91, 0.89, 0.92, 0.88]
    plain, corrected = intervals.mean_interval(values), over_runs.mean_over_splits(values, 0.2 / 0.65)
    wider = (corrected["high"] - corrected["value"]) / (plain["high"] - plain["value"])
    assert wider == pytest.approx(np.sqrt((1 / 5 + 0.2 / 0.65) / (1 / 5)))
    assert over_runs.mean_over_splits([0.9], 0.3) == {"value": 0.9, "low": None, "high": None}
    assert over_runs.mean_over_splits([], 0.3)["value"] is None


def test_seeds_that_agree_are_as_uncertain_as_the_test_rows():
    low, high = (float(end[0]) for end in intervals.wilson([1470], [1575]))
    one = over_runs.mean_over_seeds([1470 / 1575] * 3, [low] * 3, [high] * 3)
    assert (one["low"], one["high"]) == pytest.approx((low, high))
    several = over_runs.mean_over_seeds([0.93, 0.94, 0.92], [0.91, 0.92, 0.90], [0.95, 0.96, 0.94])
    half = stats.t.ppf(0.975, 2) * 0.01 / np.sqrt(3)
    assert several["high"] == pytest.approx(0.93 + np.hypot(half, 0.02))
    assert over_runs.mean_over_seeds([0.9], [np.nan], [np.nan]) == {"value": 0.9, "low": None, "high": None}
    assert over_runs.mean_over_seeds([0.9], [0.8], [0.95])["low"] == pytest.approx(0.8)


def test_the_design_effect_is_that_of_the_mean_of_equal_groups():
    rng = np.random.default_rng(0)
    influence = rng.normal(size=60) + np.repeat(rng.normal(size=6), 10)
    influence -= influence.mean()
    design = intervals.design_of(influence, np.repeat(np.arange(6), 10))
    assert design.effect == pytest.approx(stats.sem(influence.reshape(6, 10).mean(1)) ** 2 / (influence.var() / 60))
    assert design.size == 10 and design.widening == pytest.approx((stats.t.ppf(0.975, 5) / stats.t.ppf(0.975, 59)) ** 2)


def test_rows_that_say_the_same_in_each_group_leave_the_degrees_of_freedom_of_their_sums():
    """Satterthwaite (1946): of independent squares with variances s^2, (sum s^2)^2 / sum s^4, less one."""
    sizes = np.array([2, 4, 30, 9, 15])
    influence = np.repeat([1.0, -1.0, 1.0, -1.0, 1.0], sizes)
    design = intervals.design_of(influence, np.repeat(np.arange(5), sizes))
    df = (sizes**2).sum() ** 2 / (sizes**4).sum() - 1
    assert design.widening == pytest.approx((stats.t.ppf(0.975, max(df, 1)) / stats.t.ppf(0.975, 59)) ** 2)


def test_a_mean_over_classes_has_the_degrees_of_freedom_of_welch():
    """Balanced accuracy adds the means of two classes, as a t test of unequal variances subtracts them."""
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(size=8), 6 * rng.normal(size=8)])
    labels, means = np.repeat([0, 1], 8), np.repeat([values[:8].mean(), values[8:].mean()], 8)
    df = stats.ttest_ind(values[:8], values[8:], equal_var=False).df
    assert df < 8
    twice, units = np.repeat(values - means, 2), np.repeat(np.arange(16), 2)  # each row is there twice, as one unit
    for given, expected in ((None, 15), (np.repeat(labels, 2), df)):
        widening = intervals.design_of(twice, units, given).widening
        assert widening == pytest.approx((stats.t.ppf(0.975, expected) / stats.t.ppf(0.975, 31)) ** 2)


def test_a_skewed_loss_has_fewer_degrees_of_freedom_by_its_kurtosis():
    """The variance of n values of kurtosis k varies by 2 / df of its square, where df = 2 n / (k - 1)."""
    losses = stats.expon.ppf((np.arange(40) + 0.5) / 40)
    found = intervals.positive(losses.mean(), losses.mean() - losses, None)
    df = 2 * 40 / (stats.kurtosis(losses, fisher=False) - 1) - 1
    assert 4 < df < 20
    jackknife = np.sqrt(40 / 39) * stats.sem(losses) / losses.mean()  # of the mean's logarithm
    half = stats.t.ppf(0.975, df) * jackknife
    assert (found["low"], found["high"]) == pytest.approx(losses.mean() * np.exp([-half, half]))
