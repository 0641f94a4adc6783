"""Vectors of classes, and how near samples are to them."""

import numpy as np


def means(embed, texts):
    """One vector of length 1 per class: the mean of its texts' embeddings, each scaled to length 1 first.

    Parameters
    ----------
    embed : function, list of str -> array, shape (n, width)
    texts : list of list of str, the texts of each class
    """
    vectors = unit(embed([text for one in texts for text in one]))
    ends = np.cumsum([len(one) for one in texts])[:-1]
    return unit(np.stack([part.mean(0) for part in np.split(vectors, ends)]))


def cosines(samples, classes):
    """Cosine of each sample with each class: float64, shape (n, classes)."""
    return unit(samples) @ unit(classes).T


def unit(vectors):
    """Rows of length 1, float64; a row of zeros stays."""
    vectors = np.asarray(vectors, dtype=np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)
