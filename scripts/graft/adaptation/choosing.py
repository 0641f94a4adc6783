"""Which candidate is the best for the target, as far as that can be said without its labels."""

from dataclasses import dataclass

import pandas as pd

from graft.common import plugins
from graft.config.plan import SOURCE_ONLY


@dataclass
class Choice:
    """What a validator chose.

    best : the place of the chosen row in the table, or None where no candidate has a finite score
    ranks : Series of Int64, 1 the best; missing for what does not adapt (plan.SOURCE_ONLY) and for rows without a finite score
    warning : a sentence where the validator predicts that adapting hurts, or judges nothing; else None
    """

    best: int | None
    ranks: pd.Series
    warning: str | None


def choose(table, validator):
    """Rank candidates by a validator. Of equal scores, the row that comes first wins.

    Parameters
    ----------
    table : DataFrame, a row per candidate with the columns "method" and one per validator; higher is better. Its index is 0, 1, ..
    validator : str, a column

    Returns
    -------
    Choice
    """
    scores = table[validator].where(table[validator].abs() < float("inf"))
    alone = table["method"].isin(SOURCE_ONLY.values())
    adapted = scores[~alone].dropna()
    ranks = adapted.rank(ascending=False, method="first").astype("Int64").reindex(table.index)
    if adapted.empty:
        return Choice(
            None, ranks, f"{validator} can judge none of the adapted models, so none is chosen; try another validator"
        )
    unadapted = scores[alone].max()
    hurts = unadapted > adapted.max() and plugins.constant("validator", validator, "SEES_TARGET", True)
    warning = (
        f"{validator} predicts that adapting hurts: without it the score is {unadapted:.4g}. The best adapted model has {adapted.max():.4g} "
        f"({table['method'][adapted.idxmax()]})"
    )
    return Choice(int(adapted.idxmax()), ranks, warning if hurts else None)
