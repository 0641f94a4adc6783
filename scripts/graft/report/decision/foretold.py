"""Whether the ranking of the backbones, which was made before the training, foretold the order of the trained models."""

from scipy.stats import kendalltau

from graft.evaluation.tables import METRIC_NAMES
from graft.report.last_words import RANKED_BY

ENOUGH = 5  # backbones: of fewer, every order of them is likely enough by chance that a correlation tells nothing
NAMES = {"logme": "LogME", "h_score": "H-score", "knn": "kNN", "linear": "linear probe", "size": "size alone"}


def foretold(ranking, rows):
    """What each score foretold of the models of one target, method by method.

    Parameters
    ----------
    ranking : DataFrame, the rows of transferability.csv of the target
    rows : DataFrame, the rows of summary.csv of the target

    Returns
    -------
    list of dict, of each method that was trained on two or more ranked backbones: `method`; `metric`, in words; `scores`, the names of
    the scores; `backbones`, list of (name, test metric, its place, place by each score), the best first; `says`, a sentence
    """
    trained = rows[(rows["stage"] == "finetune") & rows["backbone"].isin(ranking["backbone"])]
    metric = next(
        (one for one in RANKED_BY if trained.get(f"test_{one}", trained["stage"].iloc[:0]).notna().any()), None
    )
    if metric is None:
        return []
    places = ranking.pivot(index="backbone", columns="method", values="score")
    found = (
        _one_method(method, part.groupby("backbone")[f"test_{metric}"].mean().dropna(), places, METRIC_NAMES[metric])
        for method, part in trained.groupby("method")
    )
    return [one for one in found if one]


def _one_method(method, values, scores, metric):
    """`foretold` of one method; `values` are the test metrics by backbone, `scores` what was foretold. None of one backbone."""
    if len(values) < 2:
        return None
    values = values.sort_values(ascending=False)
    scores = scores.loc[values.index].dropna(axis="columns")
    order = values.rank(ascending=False, method="min").astype(int)
    by_score = scores.rank(ascending=False, method="min").astype(int)
    return {
        "method": method,
        "metric": metric,
        "scores": [NAMES.get(name, name) for name in scores],
        "backbones": [(name, f"{values[name]:.3f}", order[name], list(by_score.loc[name])) for name in values.index],
        "says": _in_words(values, scores),
    }


def _in_words(values, scores):
    """Kendall's tau of each score with the measured order, and how likely chance alone is to do as well."""
    if len(values) < ENOUGH:
        return f"With {len(values)} backbones the right order may be chance: nothing is claimed."
    found = {name: kendalltau(scores[name], values, alternative="greater") for name in scores}
    ordered = sorted(found, key=lambda name: -found[name].statistic)
    said = [f"{NAMES.get(name, name)} {found[name].statistic:+.2f} (p = {found[name].pvalue:.2g})" for name in ordered]
    return (
        f"Kendall's tau of each score with the order on test rows (1: the same order; p: chance alone does as well): "
        f"{', '.join(said)}."
    )
