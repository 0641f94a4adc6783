"""Any number of labels per sample: a sigmoid, a temperature and a threshold for each."""

import numpy as np
from scipy.special import logit

from graft.evaluation.multilabel_metrics import answers_of, average_precision, multilabel_metrics
from graft.heads.binary_probe import solve_questions as solve
from graft.targets.classes import loss_of_evidence
from graft.targets.lists import object_array
from graft.targets.questions import chance_loss, chances_of, fit_temperatures, losses, mean_loss

__all__ = ["chance_loss", "loss_of_evidence", "losses", "solve"]

LABEL = "label"
CLASS_WEIGHTS = False


def outputs_of(target):
    return len(target["classes"])


def encode(codes, train, target):
    """1, 0 or NaN for each label, as samples.Manifest.codes gives them; float, shape (n, labels)."""
    return codes, {}


def known(answers):
    return np.isfinite(answers).any(1)


def calibrate(logits, answers, facts, shift):
    """A temperature for each label, and the threshold from which its probability calls it."""
    temperatures = fit_temperatures(logits, answers)
    return {"temperature": temperatures, "thresholds": best_thresholds(answers, chances_of(logits, temperatures))}


def best_thresholds(answers, chances):
    """`best_threshold` of each label, list of floats."""
    return [best_threshold(true, said) for true, said in zip(answers.T, chances.T, strict=True)]


def best_threshold(answers, chances):
    """The threshold with the largest F1 (Lipton et al. 2014), half way between two probabilities; of several the nearest to
    1/2, which it also is where no row has the label."""
    rows = np.isfinite(answers) & np.isfinite(chances)
    true, chances = answers[rows] == 1, chances[rows]
    if not true.any():
        return 0.5
    steps, place = np.unique(chances, return_inverse=True)
    hits = np.cumsum(np.bincount(place, weights=true)[::-1])[::-1]
    called = np.cumsum(np.bincount(place)[::-1])[::-1]
    f1 = 2 * hits / (called + true.sum())
    between = np.r_[steps[0] / 2, (steps[:-1] + steps[1:]) / 2]  # from it on, this step's rows are called
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(between[best[np.abs(between[best] - 0.5).argmin()]])


def judge(logits, answers, shift):
    value, _ = average_precision(answers, chances_of(logits))
    share = float(np.isfinite(answers).sum() / answers.size)
    return {
        "val_map": float("nan") if value is None else value,
        "val_loss": mean_loss(logits, answers) * share,
        "val_loss_calibrated": mean_loss(logits, answers, fit_temperatures(logits, answers)) * share,
    }


def answers(logits, facts):
    return chances_of(logits, facts["temperature"])


def answers_in(table, facts):
    return table[[f"prob_{name}" for name in facts["classes"]]].to_numpy(np.float64)


def outputs_for(answers, facts):
    return logit(np.clip(answers, 1e-300, 1 - 1e-16))


def settle(answers, codes, members):
    """Probabilities stay as they are; what they call is chosen again."""
    return {"temperature": [1.0] * answers.shape[1], "thresholds": best_thresholds(codes, answers)}


def evidence(chances, answers):
    known = np.isfinite(answers)
    return np.where(answers == 1, chances, 1 - chances)[known]


def columns(logits, answers, facts):
    """`label` and `predicted` are lists; an unknown label is not in `label` (`unknown_<label>` marks it)."""
    names = np.array(facts["classes"], dtype=object)
    chances = chances_of(logits, facts["temperature"])
    called = chances >= np.asarray(facts["thresholds"])
    labels = [names[row == 1].tolist() if np.isfinite(row).any() else None for row in answers]
    clipped = np.clip(chances, 1e-300, 1.0)
    entropies = -(chances * np.log(clipped) + (1 - chances) * np.log(np.clip(1 - chances, 1e-300, 1.0)))
    return {
        "label": object_array(labels),
        "predicted": object_array([names[row].tolist() for row in called]),
        "confidence": np.nan,
        "entropy": entropies.sum(1),
        "margin": np.nan,
        "temperature": np.nan,  # each label has its own, in ft_model.pt
        **{f"prob_{name}": chances[:, i] for i, name in enumerate(names)},
        **{f"logit_{name}": logits[:, i] for i, name in enumerate(names)},
        **{
            f"unknown_{name}": np.isnan(answers[:, i])
            for i, name in enumerate(names)
            if np.isnan(answers[known(answers), i]).any()
        },
    }


def metrics(parts, facts):
    classes = facts["classes"]
    return {
        split: multilabel_metrics(
            answers_of(part, classes),
            part[[f"prob_{name}" for name in classes]].to_numpy(),
            np.array([[name in row for name in classes] for row in part["predicted"]], bool).reshape(
                len(part), len(classes)
            ),
            part["group"].to_numpy(),
        )
        for split, part in parts.items()
    }
