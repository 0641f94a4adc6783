"""Draw the ROC and the precision-recall curve of a classifier, with 95 % bands for other samples, or other groups."""

import numpy as np

from graft.evaluation.intervals import units_of
from graft.evaluation.over_classes import areas_under_curves
from graft.report.plots import GREY, PALETTE, draw, head, say_empty, shorten
from graft.report.resampling import band

MOST = 5  # classes with a curve each; of more, the mean of one against the rest is drawn
GRID = np.linspace(0, 1, 201)
AREAS = {"auroc": "AUROC", "average_precision": "AP"}


def plot(source, path):
    """Draw both curves: of two classes those of the second one, of more those of each class against the rest, or their mean."""
    judged = source.judged
    rows, classes = judged.rows, judged.classes
    labels = rows["label"].map({name: i for i, name in enumerate(classes)}).to_numpy(np.int64)
    chances = rows[[f"prob_{name}" for name in classes]].to_numpy(float)
    curves = curves_of(labels, chances, classes, units_of(rows.get("group")))
    title = f"{judged.target}: ROC and precision-recall"
    subtitle = f"{judged.name}, {judged.split} split, {len(rows)} samples"
    words = f"{subtitle}. " + (
        " ".join(in_words(one) for one in curves) or "No class can be distinguished from others."
    )
    draw(path, (9.2, 4.6), title, words, lambda figure: paint(figure, curves, title, subtitle))


def curves_of(labels, chances, classes, units):
    """A dict per curve: name, auroc and average_precision (dicts with value, low, high), share of positives, roc and
    precision_recall (arrays of shape (points, 2)), roc_band and precision_recall_band (low and high at GRID)."""
    there = np.bincount(labels, minlength=len(classes))
    shown = [1] if len(classes) == 2 else range(len(classes))
    shown = [one for one in shown if 0 < there[one] < len(labels)]
    positive, scores = labels[:, None] == np.array(shown, int), chances[:, shown]
    if len(shown) > MOST:
        return [mean_curve(positive, scores, areas_under_curves(labels, chances, units), units)]
    return [class_curve(classes[one], positive[:, [i]], scores[:, [i]], units) for i, one in enumerate(shown)]


def class_curve(name, positive, scores, units):
    """The curves of one class against the rest."""
    false, true, precision = steps(positive[:, 0], scores[:, 0], np.ones(len(scores)))
    pair = areas_under_curves(positive[:, 0].astype(int), np.hstack([1 - scores, scores]), units)
    return {
        "name": name,
        **pair,
        "share": positive.mean(),
        "roc": np.column_stack([false, true]),
        "precision_recall": np.column_stack([true[1:], precision]),
        **bands_of(positive, scores, units),
    }


def mean_curve(positive, scores, pair, units):
    """The mean over the classes at each point of GRID; `pair` has the areas of all classes."""
    roc, precision = means(positive, scores, np.ones(len(scores)))
    return {
        "name": f"mean of {scores.shape[1]} classes",
        **pair,
        "share": positive.mean(),
        "roc": np.column_stack([GRID, roc]),
        "precision_recall": np.column_stack([GRID, precision]),
        **bands_of(positive, scores, units),
    }


def bands_of(positive, scores, units):
    low, high = band(lambda weights: np.concatenate(means(positive, scores, weights)), len(scores), units)
    half = len(GRID)
    return {"roc_band": (low[:half], high[:half]), "precision_recall_band": (low[half:], high[half:])}


def means(positive, scores, weights):
    """Over the classes, the mean true positive rate and the mean precision at each point of GRID.

    Parameters
    ----------
    positive : array of bool, shape (N, classes)
    scores : array of float, shape (N, classes)
    weights : array of float, shape (N,), how often each row counts
    """
    found = []
    for own, score in zip(positive.T, scores.T, strict=True):
        false, true, precision = steps(own, score, weights)
        found.append(
            (rate_at(GRID, false, true), precision[np.searchsorted(true[1:], GRID).clip(max=len(precision) - 1)])
        )
    return np.mean(found, axis=0)


def steps(positive, scores, weights):
    """Both curves at each different score, from the highest down.

    Returns
    -------
    false, true : arrays, shape (steps + 1,), the false and the true positive rate; they begin at 0
    precision : array, shape (steps,), at true[1:]
    NaN where there is no positive, or no negative, row of a weight.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.r_[np.flatnonzero(np.diff(scores[order])), len(order) - 1]
    hits = np.cumsum((weights * positive)[order])[ends]
    called = np.cumsum(weights[order])[ends]
    with np.errstate(divide="ignore", invalid="ignore"):
        false, true = (called - hits) / (called - hits)[-1], hits / hits[-1]
        precision = hits / called  # above the first row that is drawn there is none
    precision = np.where(called > 0, precision, 1.0)
    return np.r_[0.0, false], np.r_[0.0, true], precision if hits[-1] > 0 else np.full_like(precision, np.nan)


def rate_at(grid, false, true):
    """The true positive rate at given false positive rates: the highest one, and a straight line between two scores."""
    if not np.isfinite(false[-1] + true[-1]):
        return np.full(len(grid), np.nan)
    last = np.searchsorted(false, grid, side="right") - 1
    following = np.minimum(last + 1, len(false) - 1)
    width = false[following] - false[last]
    part = np.divide(grid - false[last], width, out=np.zeros(len(grid)), where=width > 0)
    return true[last] + part * (true[following] - true[last])


def in_words(curve):
    """The areas of a curve."""
    return f"{curve['name']}: " + ", ".join(f"{short} {said(curve[name])}" for name, short in AREAS.items()) + "."


def said(area):
    """A number with its interval."""
    interval = "" if area["low"] is None else f" [{area['low']:.3f}, {area['high']:.3f}]"
    return f"{area['value']:.3f}{interval}"


def paint(figure, curves, title, subtitle):
    head(figure, title, subtitle)
    if not curves:
        return say_empty(figure.add_subplot(), "this figure needs two classes")
    left, right = figure.subplots(1, 2)
    names = shorten([one["name"] for one in curves], 22)
    for curve, name, colour in zip(curves, names, PALETTE, strict=False):
        for axes, what, area in ((left, "roc", "auroc"), (right, "precision_recall", "average_precision")):
            low, high = curve[f"{what}_band"]
            axes.fill_between(GRID, low, high, color=colour, alpha=0.28 if len(curves) == 1 else 0.13, linewidth=0)
            drawn = axes.plot if what == "roc" or len(curve[what]) == len(GRID) else stairs_of(axes)
            drawn(*curve[what].T, color=colour, label=f"{name}: {AREAS[area]} {said(curve[area])}")
        right.axhline(curve["share"], color=colour if len(curves) > 1 else GREY, linestyle=":", linewidth=1)
    left.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    left.set(xlabel="false positive rate (1 - specificity)", ylabel="true positive rate (sensitivity)")
    right.set(xlabel="recall (sensitivity)", ylabel="precision")
    left.set_title("ROC (dotted: chance)")
    right.set_title("precision-recall (dotted: chance)")
    for axes in (left, right):
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        axes.grid(True)
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.17), borderaxespad=0, fontsize=7.5)


def stairs_of(axes):
    """Between two scores, precision is that of the lower one: what calls more of the class positive."""
    return lambda x, y, **settings: axes.step(x, y, where="pre", **settings)
