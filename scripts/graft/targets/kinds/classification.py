"""One class out of several: softmax, cross-entropy, one temperature."""

import numpy as np
import torch.nn.functional as functional

from graft.evaluation.metrics import auroc, choose_threshold, classification_metrics
from graft.heads.calibration import calibrated, decide, fit_calibration, log_loss, probabilities
from graft.heads.probe import solve_probe as solve
from graft.targets.classes import columns_of_classes, evidence, loss_of_evidence

__all__ = ["evidence", "loss_of_evidence", "solve"]

LABEL = "label"
CLASS_WEIGHTS = True


def outputs_of(target):
    return len(target["classes"])


def encode(codes, train, target):
    return codes, {}


def known(codes):
    return codes >= 0


def losses(logits, labels, settings, class_weights=None):
    """Cross-entropy of each sample, times its class's weight; logits (n, classes), labels int64 (n,)."""
    found = functional.cross_entropy(logits, labels, label_smoothing=settings["label_smoothing"], reduction="none")
    return found if class_weights is None else found * class_weights[labels]


def chance_loss(codes):
    """The entropy of the classes' shares, in nats."""
    shares = np.bincount(codes[known(codes)]) / known(codes).sum()
    return float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())


def calibrate(logits, codes, facts, shift):
    return fit_calibration(logits, codes, shift)


def judge(logits, codes, shift):
    value, _ = auroc(codes, probabilities(logits))
    delivered = fit_calibration(logits, codes, shift)
    return {
        "val_acc": float(np.mean(logits.argmax(1) == codes)),
        "val_loss": float(log_loss(logits, codes).mean()),
        "val_auroc": float("nan") if value is None else float(value),
        # As the model will be delivered. The plain loss of a network that trains on rises with its confidence, which
        # the temperature removes again, and would choose an epoch too early.
        "val_loss_calibrated": float(log_loss(logits, codes, **delivered).mean()),
    }


def answers(logits, facts):
    return probabilities(calibrated(logits, facts))


def answers_in(table, facts):
    return table[[f"prob_{name}" for name in facts["classes"]]].to_numpy(np.float64)


def outputs_for(answers, facts):
    return np.log(np.maximum(answers, 1e-300)) - np.asarray(facts.get("intercepts", 0.0))


def settle(answers, codes, members):
    """Probabilities stay as they are. Where members were trained with class weights, the class is decided as they do."""
    moved = [np.asarray(one["intercepts"]) for one in members if one.get("intercepts")]
    return {"temperature": 1.0} | ({"intercepts": (sum(moved) / len(members)).tolist()} if moved else {})


def columns(logits, codes, facts):
    classes, intercepts = facts["classes"], facts.get("intercepts", ())
    chances = answers(logits, facts)
    return {
        **columns_of_classes(chances, decide(logits), codes, classes),
        "temperature": facts["temperature"],
        **{f"prob_{name}": chances[:, i] for i, name in enumerate(classes)},
        **{f"logit_{name}": logits[:, i] for i, name in enumerate(classes)},
        **{f"intercept_{name}": value for name, value in zip(classes, intercepts, strict=False)},
    }


def metrics(parts, facts):
    """Of two classes, sensitivity and specificity are for one threshold for all splits, chosen on validation rows; it is 0.5
    if those lack a class."""
    classes, threshold = facts["classes"], None
    if len(classes) == 2:
        labels, chances = _judged(parts["validation"], classes)
        threshold = choose_threshold(labels, chances[:, 1])
    return {
        split: classification_metrics(
            *_judged(part, classes), classes, part["group"].to_numpy(), threshold, _codes(part["predicted"], classes)
        )
        for split, part in parts.items()
    }


def _judged(part, classes):
    """Class indices and probabilities of some rows."""
    return _codes(part["label"], classes), part[[f"prob_{name}" for name in classes]].to_numpy()


def _codes(words, classes):
    return words.map({name: i for i, name in enumerate(classes)}).to_numpy(np.int64)
