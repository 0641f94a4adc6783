"""Steps that change vectors before a head sees them: what spectra need, for which no pretrained network is at hand.

One file per step, found by its name. Each has

* `SETTINGS`: its settings, a literal: properties of a JSON schema, each with a default,
* `apply(rows, axis, **settings, **fitted) -> rows`: arrays of float64, shape (n, columns). `axis` has the places of the
  columns (wavelengths), or is None where their names are no numbers,

and only if it needs them

* `FITTED = True` and `fit(rows, axis, **settings) -> dict of arrays`: what is learned from the train rows,
* `AT_MOST`: (setting, other, number): a setting that is at most another one plus the number,
* `COLUMNS`: the setting that says how many columns there are afterwards. These are new ones, without an axis.
"""

import numpy as np
import torch
from torch import nn

from graft.common import plugins
from graft.common.errors import UserError
from graft.common.outputs import digest_of, sha256_of
from graft.data.tables.axis import axis_of


class Preprocessing(nn.Module):
    """The steps of a backbone as a network, whose buffers are what was fitted.

    Parameters
    ----------
    preprocessing : dict
        Of the backbone's spec: "steps", list of {name: settings}; and of a data set "axis", "width" (columns before the
        first step) and "shapes", of what each step fitted. Without these the network has no weights and does not run.
    """

    def __init__(self, preprocessing):
        super().__init__()
        self.steps, self.axis = preprocessing["steps"], preprocessing.get("axis")
        self.fitted = nn.ModuleList(nn.Module() for _ in self.steps)
        for module, shapes in zip(self.fitted, preprocessing.get("shapes", ()), strict=False):
            for name, shape in shapes.items():
                module.register_buffer(name, torch.zeros(shape, dtype=torch.float64))

    def forward(self, vectors):
        """float32 Tensor, shape (n, columns), on any device; computed in float64."""
        if not len(vectors):
            return torch.zeros(0, width_after(self.steps, vectors.shape[1]), device=vectors.device)
        rows, axis = vectors.detach().cpu().double().numpy(), self.axis
        for step, module in zip(self.steps, self.fitted, strict=True):
            fitted = {name: value.cpu().numpy() for name, value in module.named_buffers()}
            rows, axis = _apply(step, rows, axis, fitted)
        return torch.from_numpy(rows).to(vectors.device, torch.float32)


def fit(steps, rows, axis):
    """What the steps learn from rows, each after the ones before it: dict of Tensor, as the state of `Preprocessing`."""
    rows, state = np.asarray(rows, np.float64), {}
    for number, step in enumerate(steps):
        ((name, settings),) = step.items()
        fitted = _called(name, "fit", rows, axis, **settings) if is_fitted(step) else {}
        state |= {f"fitted.{number}.{key}": torch.from_numpy(np.ascontiguousarray(v)) for key, v in fitted.items()}
        rows, axis = _apply(step, rows, axis, fitted)
    return state


def complete(spec, card, state):
    """The spec of a backbone of library vectors (backbone.json) for one data set.

    Parameters
    ----------
    spec, card : dict of backbone.json and of data_card.json
    state : what `fit` gave of the data set's train rows; {} where no step learns
    """
    steps, width = spec["preprocessing"].get("steps"), card["vector"]["width"]
    if not steps:
        return {**spec, "width": width, "weights_sha256": "identity"}
    shapes = [{} for _ in steps]
    for key, tensor in state.items():
        _, number, name = key.split(".")
        shapes[int(number)][name] = list(tensor.shape)
    preprocessing = {"steps": steps, "axis": axis_of_card(card), "width": width, "shapes": shapes}
    values = [part for key in sorted(state) for part in (key, state[key].numpy().tobytes())]
    digest = sha256_of(digest_of(preprocessing), *values)
    own = {"preprocessing": preprocessing, "width": width_after(steps, width), "weights_sha256": digest}
    return {**spec, **own}


def axis_of_card(card):
    """The places of the columns of a data set (data_card.json), or None."""
    names = card.get("columns", {}).get("features")
    found = axis_of(names) if isinstance(names, list) else None
    return found and found[1]


def is_fitted(step):
    """Whether a step, {name: settings}, learns something from rows."""
    return any(plugins.constant("preprocessing", name, "FITTED", False) for name in step)


def width_after(steps, width):
    """How many columns there are after the steps."""
    for step in steps:
        ((name, settings),) = step.items()
        width = settings.get(plugins.constant("preprocessing", name, "COLUMNS"), width)
    return width


def _apply(step, rows, axis, fitted):
    """The rows after a step, and their axis."""
    ((name, settings),) = step.items()
    rows = _called(name, "apply", rows, axis, **settings, **fitted)
    return rows, None if plugins.constant("preprocessing", name, "COLUMNS") else axis


def _called(name, function, rows, axis, **more):
    try:
        return getattr(plugins.load("preprocessing", name), function)(rows, axis, **more)
    except UserError as error:
        raise UserError(error.what, f"preprocess: {name}", error.allowed, error.hint) from None


def spread(rows):
    """The standard deviation of each row, shape (n, 1); 0 for a row that is constant except for rounding."""
    found, largest = rows.std(1, keepdims=True), np.abs(rows).max(1, keepdims=True)
    return np.where(found > 1e-12 * largest, found, 0.0)
