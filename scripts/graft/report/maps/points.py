"""Which samples a map of embeddings shows, and where it puts them."""

import warnings

import numpy as np
import pandas as pd

MOST = 1500  # samples of a map: more would hide each other, and its page would load slowly
WIDTH = 50  # principal components that t-SNE looks at
PERPLEXITY, STEPS = 30, 500
FEW = 12  # samples, below which t-SNE has no neighbourhoods to keep
SIZE, MARGIN = 1000, 15  # of the map, in its own units


def drawn(strata, keys, first, most=MOST):
    """Which rows to show: all if they are few; else those of `first`, then as many of each stratum, so that small ones stay whole.

    Parameters
    ----------
    strata : sequence of hashable, shape (n,), such as split and class
    keys : sequence of str, shape (n,): within a stratum the lowest are drawn, the same ones in any order of the rows
    first : array of bool, shape (n,), rows that are drawn before others, up to a third of the places
    most : int

    Returns
    -------
    int array, places in rising order
    """
    count = len(keys)
    if count <= most:
        return np.arange(count)
    frame = pd.DataFrame({"stratum": pd.factorize(pd.Index(strata))[0], "key": list(keys), "first": first})
    frame = frame.sort_values("key", kind="stable")
    early = frame.index[frame["first"]][: most // 3]
    others = frame.drop(early)
    turn = others.groupby(
        "stratum"
    ).cumcount()  # the n-th of each stratum has its turn after all that are earlier in theirs
    late = turn.sort_values(kind="stable").index[: most - len(early)]
    return np.sort(np.r_[early, late]).astype(int)


def positions(embeddings, seed=0):
    """Where samples are on the map: t-SNE (van der Maaten and Hinton 2008) of the first principal components.

    Parameters
    ----------
    embeddings : float array, shape (n, width), scaled so that Euclidean distances compare
    seed : int

    Returns
    -------
    float array, shape (n, 2), from MARGIN to SIZE - MARGIN, rounded; and "t-SNE", or "PCA" for few samples
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    count, width = embeddings.shape
    centred = np.asarray(embeddings, np.float64) - np.mean(embeddings, axis=0, dtype=np.float64)
    wide = min(WIDTH, count, width)
    with warnings.catch_warnings(action="ignore"):  # samples that are all equal have no variance to explain
        found = PCA(wide, svd_solver="full" if width <= WIDTH else "auto", random_state=seed).fit_transform(centred)
    found = np.hstack([found, np.zeros((count, max(0, 2 - wide)))])
    how = "PCA"
    if count >= FEW and found[:, 0].std() > 1e-9:
        perplexity = min(PERPLEXITY, (count - 1) / 3)
        found = TSNE(perplexity=perplexity, init="pca", random_state=seed, max_iter=STEPS, n_jobs=1).fit_transform(
            found
        )
        how = "t-SNE"
    low, span = found[:, :2].min(0), np.ptp(found[:, :2], axis=0).max()
    inner = SIZE - 2 * MARGIN
    placed = (found[:, :2] - low) / (span or 1.0) * inner
    return np.round(placed + (SIZE - placed.max(0)) / 2, 1), how
