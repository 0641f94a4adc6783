"""Knowledge distillation: match the teacher's softened probabilities and the labels (Hinton et al. 2015, sec. 2)."""

import torch
import torch.nn.functional as functional

from graft.targets import questions


def losses(logits, labels, settings, class_weights, teacher, share=1.0):
    """alpha T^2 KL(teacher || student, both at temperature T) + (1 - alpha) cross-entropy, each sample by its class's weight.

    Of a sample without a label there is only the first part, by the mean of the weights under the teacher's probabilities. `share`
    of the rows have a label; the second part is divided by it, so that it is a mean over these.

    The factor T^2 keeps the soft part's gradients at the scale of the hard part's. logits and teacher (n, classes), labels int64
    (n,). Or, for targets of yes-or-no questions, labels float (n, questions): then both parts are the mean over the questions,
    and the teacher answers them all.
    """
    temperature, alpha = settings["temperature"], settings["alpha"]
    if labels.is_floating_point():
        soft = _divergence(_of_questions(logits / temperature), _of_questions(teacher / temperature)).mean(1)
        return alpha * temperature**2 * soft + (1 - alpha) * (questions.losses(logits, labels, settings) / share)
    soft = _divergence(
        functional.log_softmax(logits / temperature, 1), functional.log_softmax(teacher / temperature, 1)
    )
    hard = functional.cross_entropy(
        logits, labels, label_smoothing=settings["label_smoothing"], reduction="none", ignore_index=-1
    )
    mixed = alpha * temperature**2 * soft + (1 - alpha) * (hard / share)
    return mixed if class_weights is None else mixed * _weights(labels, teacher, class_weights)


def _weights(labels, teacher, class_weights):
    """The weight of each sample's class; without a label, what the teacher expects it to be."""
    expected = functional.softmax(teacher, 1) @ class_weights
    return torch.where(labels < 0, expected, class_weights[labels])


def _divergence(student, teacher):
    """KL(teacher || student) over the last axis, of logarithms of probabilities."""
    return functional.kl_div(student, teacher, reduction="none", log_target=True).sum(-1)


def _of_questions(logits):
    """The logarithms of the probabilities of yes and of no, shape (.., 2)."""
    return torch.stack([functional.logsigmoid(logits), functional.logsigmoid(-logits)], -1)
