"""Knowledge distillation: match the teacher's softened probabilities and the labels (Hinton et al. 2015, sec. 2)."""

import torch.nn.functional as functional

from graft.targets.kinds import classification


def losses(logits, labels, settings, class_weights, teacher):
    """alpha T^2 KL(teacher || student, both at temperature T) + (1 - alpha) cross-entropy, each sample by its class's weight.

    The factor T^2 keeps the soft part's gradients at the scale of the hard part's. logits and teacher (n, classes).
    """
    temperature, alpha = settings["temperature"], settings["alpha"]
    soft = functional.kl_div(
        functional.log_softmax(logits / temperature, 1),
        functional.log_softmax(teacher / temperature, 1),
        reduction="none",
        log_target=True,
    ).sum(1)
    mixed = alpha * temperature**2 * soft + (1 - alpha) * classification.losses(logits, labels, settings)
    return mixed if class_weights is None else mixed * class_weights[labels]
