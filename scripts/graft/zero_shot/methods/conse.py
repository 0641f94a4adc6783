"""The ImageNet classes of an image, and how similar their names are to each class (ConSE, Norouzi et al. 2014)."""

import numpy as np
from scipy.special import softmax
from timm.data import ImageNetInfo

from graft.common.errors import UserError
from graft.heads.solvers import outputs
from graft.networks.backbones import load_head
from graft.zero_shot.vectors import cosines, means

READS = "embeddings"
NAMED = {"image": ("{}",)}
DESCRIBED = {"image": ("{}",)}
TEXT_BACKBONE = True
TOP = 10  # the paper's T


def score(task):
    """The cosine of the image's mixture of class names with each class (eq. 2 to 4)."""
    head = load_head(task.backbone.folder)
    if len(head.get("bias", ())) != 1000:
        raise UserError(
            f"backbone '{task.backbone.spec['name']}' has no classifier of the 1,000 ImageNet classes",
            where=f"zero_shot.{task.settings['entry']}.backbone",
            allowed="weights of timm or torchvision whose last layer was trained on ImageNet-1k",
        )
    probabilities = softmax(outputs(task.embeddings, head["weight"], head["bias"]), axis=1)
    synonyms = [text.split(", ") for text in ImageNetInfo("imagenet-1k").label_descriptions()]
    return cosines(mixtures(probabilities, means(task.embed, synonyms)), task.class_vectors())


def mixtures(probabilities, names, top=TOP):
    """f(x) = sum of p(y_t | x) s(y_t) / Z over the `top` most probable classes y_t, Z the sum of their p (eq. 3).

    Parameters
    ----------
    probabilities : array of float, shape (n, classes)
    names : array of float, shape (classes, width), s of each class

    Returns
    -------
    float64 array, shape (n, width)
    """
    chosen = np.argpartition(-probabilities, top - 1, axis=1)[:, :top]
    weights = np.take_along_axis(probabilities.astype(np.float64), chosen, axis=1)
    weights /= weights.sum(1, keepdims=True)
    found = np.zeros((len(probabilities), names.shape[1]))
    for place in range(chosen.shape[1]):
        found += weights[:, place, None] * names[chosen[:, place]]
    return found
