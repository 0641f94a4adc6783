"""The table of learning curves of a target: what a job writes, and what pages read and say of it."""

from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np
import pandas as pd

from graft.evaluation.tables import METRIC_NAMES

COLUMNS = ["kind", "model", "split", "fraction", "labels", "draw", "metric", "value", "low", "high", "note"]
MEASURED, FORECAST, NONE = "measured", "forecast", "none"  # the kinds of rows
ERRORS = ("rmse", "mae", "mae_levels", "log_loss")  # metrics of which less is better, and the best is 0


@dataclass(frozen=True)
class Curve:
    """A model's curve on one split.

    model, metric : str; metric is "" where nothing could be measured
    measured : DataFrame with fraction, labels, draw, value
    forecast : DataFrame with labels, value, low, high; no row if there is `why`
    why : str, why there is no forecast, else ""
    """

    model: str
    metric: str
    measured: pd.DataFrame
    forecast: pd.DataFrame
    why: str

    @property
    def labels(self):
        """How many labelled train rows there are: of very many, some are measured."""
        last = self.measured.loc[self.measured["fraction"].idxmax()]
        return int(round(last["labels"] / last["fraction"]))

    @property
    def medians(self):
        """DataFrame by rising fraction: labels (mean), and the median, least and most value of its draws."""
        value = self.measured.groupby("fraction")["value"]
        found = pd.DataFrame({"median": value.median(), "least": value.min(), "most": value.max()})
        return found.assign(labels=self.measured.groupby("fraction")["labels"].mean())

    def labels_to(self, wanted):
        """Between how many and how many more labels the metric reaches a value: (int or None, int or None).

        The first is where the better end of the band reaches it, the second where the worse end does; None where that is beyond what
        is foretold.
        """
        better, worse = ("low", "high") if self.metric in ERRORS else ("high", "low")
        sign = -1 if self.metric in ERRORS else 1
        ends = []
        for end in (better, worse):
            there = self.forecast.loc[sign * self.forecast[end] >= sign * wanted, "labels"]
            ends.append(max(0, int(there.iloc[0]) - self.labels) if len(there) else None)
        return tuple(ends)

    def says(self, wanted):
        """`labels_to` in a sentence."""
        if self.why:
            return f"no forecast: {self.why}"
        goal = f"{METRIC_NAMES[self.metric]} {wanted:g}"
        now, sign = self.medians["median"].iloc[-1], -1 if self.metric in ERRORS else 1
        if sign * now >= sign * wanted:
            return f"{goal} is reached with the labels that there are"
        fewest, most = self.labels_to(wanted)
        if fewest is None:
            return f"{goal} is not to be expected with up to {_about(self.furthest, floor)} more labels"
        low = _about(fewest, floor)
        if most is None:
            least = f"at least about {low}" if fewest else "perhaps few"
            return f"to reach {goal} {least} more labels, perhaps more than {_about(self.furthest, floor)}{self._likely(wanted)}"
        high = _about(most, ceil)
        between = (
            f"at most about {high}" if not fewest else f"about {high}" if low == high else f"about {low} to {high}"
        )
        return f"to reach {goal} {between} more labels"

    def _likely(self, wanted):
        """Where the middle of the forecast reaches a value, in words."""
        sign = -1 if self.metric in ERRORS else 1
        there = self.forecast.loc[sign * self.forecast["value"] >= sign * wanted, "labels"]
        if there.empty:
            return "; the middle of the forecast does not reach it"
        return f"; by the middle of the forecast about {_about(max(0, int(there.iloc[0]) - self.labels), ceil)}"

    @property
    def furthest(self):
        """The most labels that are foretold, beyond those that there are."""
        return max(0, int(self.forecast["labels"].max()) - self.labels)


def _about(count, turn):
    """A number with two digits that count, turned down or up."""
    step = 10 ** max(0, int(log10(count)) - 1) if count else 1
    return f"{turn(count / step) * step:,}"


def measured_row(model, split, fraction, labels, draw, metric, found):
    """A row of one measurement; `found` is {"value", "low", "high"}, with the interval for other rows of the split."""
    return [MEASURED, model, split, fraction, labels, draw, metric, found["value"], found["low"], found["high"], ""]


def none_row(model, split, metric, why):
    return [NONE, model, split, np.nan, None, None, metric, np.nan, np.nan, np.nan, f"no forecast: {why}"]


def forecast_rows(model, split, metric, foretold, per_fraction):
    """Rows of a forecast.Forecast; `per_fraction` is the number of labels that fraction 1 is."""
    rows = zip(foretold.labels, foretold.value, foretold.low, foretold.high, strict=True)
    return [[FORECAST, model, split, count / per_fraction, count, None, metric, *values, ""] for count, *values in rows]


def table_of(rows):
    """The rows as they are written: with six digits, since the last ones depend on how many cores computed the sums."""
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"labels": "Int64", "draw": "Int64"})
    for name in ("fraction", "value", "low", "high"):
        table[name] = table[name].astype(float).map(lambda value: float(f"{value:.6g}"))
    return table


def read_curves(path):
    """The curves in a results/curves/{dataset}/{target}.csv: dict, (model, split) -> Curve; model is "" where none could be measured."""
    table = pd.read_csv(path, keep_default_na=False, na_values={name: [""] for name in COLUMNS[3:6] + COLUMNS[7:10]})
    found = {}
    for (model, split), rows in table.groupby(["model", "split"], sort=False):
        parts = {kind: rows[rows["kind"] == kind].reset_index(drop=True) for kind in (MEASURED, FORECAST, NONE)}
        why = parts[NONE]["note"].str.removeprefix("no forecast: ")
        metric = rows["metric"].iloc[0]
        found[model, split] = Curve(model, metric, parts[MEASURED], parts[FORECAST], "".join(why))
    return found
