"""Few-shot episodes as arrays of row indices, a function of (seed, episode) alone.

Asking for more episodes leaves the first ones as they are. The queries of an episode do not depend on the number
of shots, and its support with fewer shots is part of its support with more, so results for 1, 5 and 10 shots are
paired.
"""

import numpy as np

from graft.common.errors import UserError, raise_all

BLOCK = 256  # episodes that share a random generator; always drawn whole
CLASSES, SUPPORT, QUERY = range(3)  # independent random streams


def sample_episodes(support_labels, query_labels, ways, shots, queries, episodes, seed, names=None, splits=None):
    """Draw episodes: `ways` classes, and of each `shots` support rows and `queries` query rows.

    Parameters
    ----------
    support_labels : array of int, shape (N,)
        Class indices of the rows that supports are drawn from; -1 (unlabelled) is never drawn.
    query_labels : array of int, shape (M,), or None
        The same for queries. None: queries come from the support's rows, too, and never overlap it.
    ways, shots, queries, episodes : int
    seed : int or sequence of int
    names : sequence of str, optional
        Names of all classes; classes are drawn from these, so each needs enough rows.
    splits : pair of str, optional
        What the two sets are called in messages, such as ("train", "test").

    Returns
    -------
    classes : array of int64, shape (episodes, ways)
        The class index that label 0..ways-1 of the episode means.
    support : array of int64, shape (episodes, ways * shots)
        Rows of `support_labels`; the first `shots` are of the episode's class 0, and so on.
    query : array of int64, shape (episodes, ways * queries)
        Rows of `query_labels` (of `support_labels` if that is None), ordered likewise.

    Raises
    ------
    UserError
        If there are fewer classes than ways, or classes with too few rows; names all of them.
    """
    support_labels = np.asarray(support_labels, dtype=np.int64)
    shared = query_labels is None
    query_labels = support_labels if shared else np.asarray(query_labels, dtype=np.int64)
    total = (
        len(names) if names is not None else int(max(support_labels.max(initial=-1), query_labels.max(initial=-1))) + 1
    )
    names = list(names) if names is not None else [str(index) for index in range(total)]
    support_rows, support_counts = _rows_by_class(support_labels, total)
    query_rows, query_counts = _rows_by_class(query_labels, total)
    _check_counts(names, support_counts, None if shared else query_counts, ways, shots, queries, splits)

    classes = _uniform(seed, CLASSES, 1, episodes, total)[0].argsort(1, kind="stable")[:, :ways]
    if shared:
        drawn = _draw(support_counts[classes], queries + shots, seed, SUPPORT)
        query, support = drawn[..., :queries], drawn[..., queries:]
    else:
        support = _draw(support_counts[classes], shots, seed, SUPPORT)
        query = _draw(query_counts[classes], queries, seed, QUERY)
    support = support_rows[_starts(support_counts)[classes][..., None] + support]
    query = query_rows[_starts(query_counts)[classes][..., None] + query]
    return classes, support.reshape(episodes, -1), query.reshape(episodes, -1)


def episode_labels(ways, count):
    """Labels 0..ways-1 of the columns of a support (or query) with `count` rows per class: shape (ways * count,)."""
    return np.repeat(np.arange(ways), count)


def _draw(sizes, count, seed, stream):
    """`count` distinct places below each of `sizes` (episodes, ways), in random order: (episodes, ways, count).

    The first steps of a Fisher-Yates shuffle, without writing the shuffled list: step i swaps place i with place
    r_i >= i, so what is at a place is known from the earlier swaps. Fewer steps give a prefix.
    """
    uniform = _uniform(seed, stream, count, *sizes.shape)
    swapped = np.empty((count, *sizes.shape), dtype=np.int64)  # r_i
    displaced = np.empty_like(swapped)  # what step i moved from place i to place r_i
    drawn = np.empty_like(swapped)
    for i in range(count):
        place = i + np.minimum((uniform[i] * (sizes - i)).astype(np.int64), sizes - i - 1)
        value, own = place.copy(), np.full_like(place, i)
        for j in range(i):
            np.copyto(value, displaced[j], where=swapped[j] == place)
            np.copyto(own, displaced[j], where=swapped[j] == i)
        swapped[i], displaced[i], drawn[i] = place, own, value
    return np.moveaxis(drawn, 0, -1)


def _uniform(seed, stream, count, episodes, width):
    """Uniform numbers, shape (count, episodes, width); each depends on its place in the array and the seed only."""
    seed = [seed] if np.isscalar(seed) else list(seed)
    blocks = [
        np.random.default_rng([*seed, stream, start // BLOCK]).random((count, BLOCK, width))
        for start in range(0, max(episodes, 1), BLOCK)
    ]
    return np.concatenate(blocks, axis=1)[:, :episodes]


def _rows_by_class(labels, total):
    """Rows sorted by class (unlabelled ones left out), and the number of rows of each class."""
    order = np.argsort(labels, kind="stable")
    return order[(labels < 0).sum() :], np.bincount(labels[labels >= 0], minlength=total)


def _starts(counts):
    return np.cumsum(counts) - counts


def _check_counts(names, support_counts, query_counts, ways, shots, queries, splits):
    first, second = (f"{split} " for split in splits) if splits else ("", "")
    errors = []
    if ways > len(names):
        errors.append(UserError(f"{ways} ways, but only {len(names)} classes", allowed=f"2 to {len(names)} ways"))
    hint = "ask for less, label more, or leave the class out of the data set"
    for index, name in enumerate(names):
        have = int(support_counts[index])
        if query_counts is None and have < shots + queries:
            what = f"class '{name}' has {have} {first}samples, {shots} shots + {queries} queries need {shots + queries}"
            errors.append(UserError(what, hint=hint))
        if query_counts is not None and have < shots:
            errors.append(UserError(f"class '{name}' has {have} {first}samples, {shots} shots need {shots}", hint=hint))
        if query_counts is not None and query_counts[index] < queries:
            have = int(query_counts[index])
            what = f"class '{name}' has {have} {second}samples, {queries} queries need {queries}"
            errors.append(UserError(what, hint=hint))
    raise_all(errors)
