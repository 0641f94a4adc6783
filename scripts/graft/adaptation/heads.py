"""A linear head for the target's embeddings, solved on the source's labels."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from graft.adaptation import label_shift
from graft.adaptation.domains import Domains
from graft.adaptation.methods import source_only
from graft.heads import principal_axes, solvers
from graft.heads.probe import VALIDATION, solve_probe


@dataclass
class Adapted:
    """A head of each domain's embeddings as they are.

    weight (outputs, width), bias (outputs,) : the head for the target's rows, Tensor of float64
    unseen : the heads that predict the source's rows which they did not see, see solve_probe; VALIDATION is among them
    outputs : what these say, array (n, outputs); NaN where there is none
    history, l2 : of the probe
    temperature : where the method corrects the shares of classes, the one that belongs to its head; else None: it is fitted on
        `outputs`
    priors : where the method corrects them, the target's shares of the classes
    """

    weight: torch.Tensor
    bias: torch.Tensor
    unseen: dict
    outputs: np.ndarray
    history: list
    l2: float
    temperature: float | None = None
    priors: torch.Tensor | None = None


def adapt(method, source, target_features, target, settings, dead):
    """Solve the head of a method.

    Parameters
    ----------
    method : module of adaptation/methods
    source : dict with features (n, width), codes, splits, folds and weights (or None), as solve_probe takes them
    target_features : float array, shape (m, width); the labels of these rows are not asked for
    target : dict of labels.json
    settings : dict with l2, class_weights, and what the method takes
    dead : as for solve_probe

    Returns
    -------
    Adapted
    """
    features = torch.as_tensor(source["features"])
    train = torch.from_numpy(source["splits"] == "train")
    domains = Domains.of(features[train], target_features, dead)
    maps = getattr(method, "maps", source_only.maps)(domains, settings)
    unit = _unit(maps, features[train], dead)
    rows = source["codes"], source["splits"], source["folds"]
    mapped = maps.source.of(features)
    solved = solve_probe(mapped.numpy(), *rows, target, settings, dead, unit, weights=source["weights"])
    if hasattr(method, "head"):
        solved |= _changed(method, mapped, source, maps.target.of(torch.as_tensor(target_features)), solved, settings)
    weight, bias = maps.target.before(solved["weight"], solved["bias"])
    unseen = _unseen(maps.source, solved)
    adapted = Adapted(weight, bias, unseen, solved["outputs"], solved["history"], solved["l2"])
    return _shifted(method, adapted, source, target_features) if hasattr(method, "priors") else adapted


def _changed(method, mapped, source, target, solved, settings):
    """The probe's heads, changed by the method's own `head`, and what these say of rows that they did not see."""
    train, folds, codes = source["splits"] == "train", source["folds"], source["codes"]
    outputs, unseen = solved["outputs"].copy(), solved["unseen"]

    def change(rows, weight, bias, predicted):
        some = codes[rows]
        even = settings["class_weights"] != "balanced"
        weights = np.ones(len(some)) if even else solvers.balanced_weights(some, len(bias))
        if source["weights"] is not None:
            weights = weights * source["weights"][rows]
        found = method.head(mapped[rows], some, weights, target, (weight, bias), solved["l2"], settings)
        known = predicted & np.isfinite(outputs[:, 0])
        outputs[known] = solvers.outputs(mapped[known], *found)
        return found

    weight, bias = change(train, solved["weight"], solved["bias"], source["splits"] == "validation")
    if unseen:
        numbers = unseen["folds"].tolist()
        heads = zip(numbers, unseen["weight"], unseen["bias"], strict=True)
        found = [change(train & (folds != one), *head, train & (folds == one)) for one, *head in heads]
        unseen = {
            "folds": unseen["folds"],
            "weight": torch.stack([w for w, _ in found]),
            "bias": torch.stack([b for _, b in found]),
        }
    return {"weight": weight, "bias": bias, "unseen": unseen, "outputs": outputs}


def _unit(maps, features, dead):
    """What standardises the mapped rows; of a network's embeddings that were left as they are, what a probe takes for them."""
    if maps.unit is None and dead:  # columns of the user's own keep their own units
        return principal_axes.steadied(features)
    return maps.unit


def _unseen(map_, solved):
    """The heads of the folds, and before them the solved one, which predicts validation rows, of the source's rows as they are."""
    heads = {
        "folds": torch.tensor([VALIDATION]),
        "weight": solved["weight"][None],
        "bias": solved["bias"][None],
    }
    if solved["unseen"]:
        heads = {key: torch.cat([one, solved["unseen"][key]]) for key, one in heads.items()}
    weight, bias = map_.before(heads["weight"], heads["bias"])
    return {"folds": heads["folds"], "weight": weight, "bias": bias}


def _shifted(method, adapted, source, target_features):
    """The same with the target's shares of the classes: what is added to the logits becomes part of the biases."""
    known = np.isfinite(adapted.outputs[:, 0])
    logits = solvers.outputs(target_features, adapted.weight, adapted.bias)
    facts = label_shift.corrected(method, adapted.outputs[known], source["codes"][known], logits)
    bias = adapted.bias + facts["temperature"] * facts["intercepts"]
    return replace(adapted, bias=bias, temperature=facts["temperature"], priors=facts["priors"])


def way_back(method, source, target_features, target, settings, dead, l2):
    """The method fitted the other way round: from the target's rows, with the labels that are predicted there, to the source's.

    Parameters
    ----------
    l2 : float, of the head; the others as for `adapt`

    Returns
    -------
    callable, labels (m,) of the target's rows -> weight (outputs, width), bias (outputs,) : a head of the source's rows
    """
    features = torch.as_tensor(source["features"])[torch.from_numpy(source["splits"] == "train")]
    maps = getattr(method, "maps", source_only.maps)(Domains.of(target_features, features, dead), settings)
    unit = _unit(maps, target_features, dead)
    rotated = principal_axes.rotate(maps.source.of(torch.as_tensor(target_features)), None, dead, unit)

    def fit(labels):
        if target["kind"] != "classification":
            weights, biases = solvers.solve_ridge(rotated, labels, [l2])
            return maps.target.before(weights[0], biases[0])
        # Only of the classes that are predicted: of another, nothing is known on the way back.
        present, codes = np.unique(labels, return_inverse=True)
        weights, biases = solvers.solve_logistic(rotated, codes, len(present), [l2])
        weight, bias = maps.target.before(weights[0], biases[0])
        full = torch.zeros(len(target["classes"]), weight.shape[1], dtype=torch.float64)
        full[present] = weight
        return full, torch.full((len(full),), -torch.inf, dtype=torch.float64).index_copy(
            0, torch.from_numpy(present), bias
        )

    return fit
