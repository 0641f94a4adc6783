"""The learning curve of a network: its trainings on subsets of the train rows, and the model itself, on the rows of the heads."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from graft.common.outputs import read_json
from graft.curves.forecast import LEAST_SIZES
from graft.curves.measuring import JUDGED
from graft.targets.predictions import metrics_of

logger = logging.getLogger("graft")
JUDGED_FILE = "judged.parquet"  # beside each subset.json


@dataclass(frozen=True)
class Asked:
    """What there is of a model's curve.

    model : str
    predictions : DataFrame, the model's prediction table
    subsets : list of (dict of `subset_of`, path of the outputs)
    """

    model: str
    predictions: pd.DataFrame
    subsets: list

    @property
    def too_few(self):
        """Why no forecast can be made of what was asked for, whatever the data are; "" if one may be."""
        fractions, draws = ({one[key] for one, _ in self.subsets} for key in ("fraction", "draw"))
        if len(fractions) + 1 < LEAST_SIZES:
            return f"{len(fractions) + 1} numbers of labels were tried, and it needs {LEAST_SIZES}: more fractions in `curve`"
        if len(draws) < 2:
            return "each fraction was drawn once, which does not say how large chance is: `curve_draws: 2` or more"
        return ""


def subset_of(model, fraction, draw, labels, why, facts):
    """The content of a subset.json.

    Parameters
    ----------
    labels : dict, target -> rows with a label of it that were trained on
    why : str, why the subset is left out; "" if it is not
    facts : dict, target -> its facts as in ft_model.pt
    """
    return {
        "model": model,
        "fraction": fraction,
        "draw": draw,
        "labels": labels,
        "left_out": why,
        "targets": facts,
    }


def read_asked(predictions, subsets):
    """The curves that were asked for: list of Asked, in the order of `predictions`.

    Parameters
    ----------
    predictions : list of path, the prediction table of each model for the target
    subsets : list of path, every subset.json of these models
    """
    found = [(read_json(path), Path(path).with_name(JUDGED_FILE)) for path in subsets]
    tables = [pd.read_parquet(path) for path in predictions]
    named = {table["model"].iloc[0]: table for table in tables}
    return [Asked(name, table, [one for one in found if one[0]["model"] == name]) for name, table in named.items()]


def measurements_of(asked, rows, count):
    """What `measuring.measurements` gives of heads, of a model; without fractions of which a draw was left out.

    `rows` is measuring.Rows, `count` how many train rows have a label.
    """
    name, found, lost = rows.values.name, [], set()
    for subset, path in asked.subsets:
        fraction = subset["fraction"]
        if subset["left_out"]:
            logger.info("%s, %g %% of the train rows: left out, %s", asked.model, 100 * fraction, subset["left_out"])
            lost.add(fraction)
        else:
            metrics = rows.judged(outputs_in(path, name, rows), subset["targets"][name])
            found.append((fraction, subset["labels"][name], subset["draw"], metrics))
    found = sorted((one for one in found if one[0] not in lost), key=lambda one: (one[0], one[2]))
    return [*found, (1.0, count, 0, by_model(asked.predictions, rows))]


def outputs_in(path, target, rows):
    """The outputs of a subset's network for the validation and test rows, float64 array, shape (n, outputs)."""
    table = pd.read_parquet(path).set_index("sample_id")
    ids = rows.frame["sample_id"][np.isin(rows.splits, JUDGED)]
    return table.loc[ids, [name for name in table if name.startswith(f"{target}.")]].to_numpy(np.float64)


def by_model(predictions, rows):
    """Metrics by split of a model's own predictions, of the same rows."""
    own = rows.frame[np.isin(rows.splits, JUDGED)]
    table = predictions.set_index("sample_id", drop=False).loc[own["sample_id"]].reset_index(drop=True)
    return metrics_of(table, rows.target, own["sampling_unit"].to_numpy(object), JUDGED)
