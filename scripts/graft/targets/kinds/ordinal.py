"""One class out of several with an order: conditional steps from each class to the next (CORN, Shi et al. 2021)."""

import numpy as np

from graft.evaluation.ordinal_metrics import ordinal_metrics
from graft.heads.binary_probe import solve_questions as solve
from graft.targets.classes import columns_of_classes, evidence, loss_of_evidence
from graft.targets.questions import chance_loss, chances_of, fit_temperatures, losses, mean_loss

__all__ = ["chance_loss", "evidence", "loss_of_evidence", "losses", "solve"]

LABEL = "label"
CLASS_WEIGHTS = False


def outputs_of(target):
    """One for each class but the first: is it at least this class, given that it is at least the one before?"""
    return len(target["classes"]) - 1


def encode(codes, train, target):
    """CORN's conditional subsets (eq. 5): step k is answered by the rows of class k and above; float, shape (n, K - 1)."""
    steps = np.arange(outputs_of(target))
    answers = (codes[:, None] > steps).astype(np.float64)
    return np.where(codes[:, None] >= steps, answers, np.nan), {}


def known(answers):
    return np.isfinite(answers[:, 0])


def class_of(answers):
    """The class of each row that `encode` was given; -1 where it has none."""
    return np.where(known(answers), np.nansum(answers, 1), -1).astype(np.int64)


def chances_of_classes(logits, temperatures=1.0):
    """P(class k) = P(at least k) - P(at least k + 1), where P(at least k) is the product of the steps below (eq. 4)."""
    at_least = np.cumprod(chances_of(logits, temperatures), axis=1)
    ends = np.ones((len(at_least), 1)), np.zeros((len(at_least), 1))
    return -np.diff(np.concatenate([ends[0], at_least, ends[1]], 1), axis=1)


def decide(chances):
    """The median class: how many classes are exceeded with a probability above 1/2 (eq. 7)."""
    above = 1 - np.cumsum(chances, axis=1)[:, :-1]
    return (above > 0.5).sum(1)


def calibrate(logits, answers, facts, shift):
    """A temperature for each step. The likelihood of a class is the product of its steps', so that each is fitted alone."""
    return {"temperature": fit_temperatures(logits, answers)}


def judge(logits, answers, shift):
    classes, predicted = class_of(answers), decide(chances_of_classes(logits))
    temperatures = fit_temperatures(logits, answers)
    # Questions that a row answers, since the loss of a class is their sum.
    share = float(np.isfinite(answers).sum() / len(answers))
    return {
        "val_acc": float(np.mean(predicted == classes)),
        "val_mae_levels": float(np.mean(np.abs(predicted - classes))),
        "val_loss": mean_loss(logits, answers) * share / answers.shape[1],
        "val_loss_calibrated": mean_loss(logits, answers, temperatures) * share / answers.shape[1],
    }


def answers(logits, facts):
    return chances_of_classes(logits, facts["temperature"])


def answers_in(table, facts):
    return table[[f"prob_{name}" for name in facts["classes"]]].to_numpy(np.float64)


def outputs_for(answers, facts):
    """The odds of each step: of the classes above it against its own."""
    above = np.cumsum(answers[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return np.log(np.maximum(above, 1e-300)) - np.log(np.maximum(answers[:, :-1], 1e-300))


def settle(answers, codes, members):
    return {"temperature": [1.0] * (answers.shape[1] - 1)}


def columns(logits, codes, facts):
    classes = facts["classes"]
    chances = answers(logits, facts)
    return {
        **columns_of_classes(chances, decide(chances), codes, classes),
        "temperature": np.nan,  # each step has its own, in ft_model.pt
        **{f"prob_{name}": chances[:, i] for i, name in enumerate(classes)},
        **{f"logit_{name}": logits[:, i] for i, name in enumerate(classes[1:])},
    }


def metrics(parts, facts):
    places = {name: i for i, name in enumerate(facts["classes"])}
    return {
        split: ordinal_metrics(
            part["label"].map(places).to_numpy(np.int64),
            part["predicted"].map(places).to_numpy(np.int64),
            part[[f"prob_{name}" for name in facts["classes"]]].to_numpy(),
            part["group"].to_numpy(),
        )
        for split, part in parts.items()
    }
