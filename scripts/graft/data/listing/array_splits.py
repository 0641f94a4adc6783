"""Arrays of which every split has its own: train_images beside test_images in an .npz, X_train.npy beside X_test.npy."""

import re

import numpy as np

from graft.common.errors import UserError
from graft.data.listing.rows import SPLIT_OF, SPLITS


def split_and_rest(key):
    """("train", "images") of train_images and of images_train; (None, key) where a name says no split."""
    words = "|".join(word for words in SPLITS.values() for word in words)
    found = re.fullmatch(rf"(?i)({words})[_.-](.+)|(.+)[_.-]({words})", key)
    if not found:
        return None, key
    return SPLIT_OF[(found[1] or found[4]).lower()], found[2] or found[3]


def joined(held, samples, name):
    """Arrays of an .npz of which every split has its own, one after the other, with an array `splits`.

    Parameters
    ----------
    held : dict, name -> array
    samples : names that the array of samples may have
    name : of the file, for messages

    Returns
    -------
    dict
        images, labels, splits of train_images, train_labels, test_images, ..; `held` where the names say no splits

    Raises
    ------
    UserError
        If a split has another number of labels than of samples.
    """
    apart = {}
    for key in held:
        split, rest = split_and_rest(key)
        if split is not None:
            apart.setdefault(rest, {})[split] = held[key]
    first = next((word for word in samples if word in apart), _largest(apart))
    if first is None or any(word in held for word in samples) or "train" not in apart[first] or len(apart[first]) < 2:
        return held
    sizes = {split: len(apart[first][split]) for split in SPLITS if split in apart[first]}
    whole = {key: array for key, array in held.items() if split_and_rest(key)[0] is None}
    for rest, parts in apart.items():
        if set(parts) >= set(sizes) - {"pool"}:
            whole[rest] = _one_after_the_other(rest, parts, sizes, name)
    return {**whole, "splits": np.repeat(list(sizes), list(sizes.values()))}


def _largest(apart):
    """The name under which most numbers of several dimensions are stored: the samples, with any name."""
    sizes = {rest: parts["train"].size for rest, parts in apart.items() if "train" in parts and parts["train"].ndim > 1}
    return max(sizes, key=sizes.get, default=None)


def _one_after_the_other(rest, parts, sizes, name):
    wrong = [
        f"{split}: {len(parts[split])} for {n} samples"
        for split, n in sizes.items()
        if len(parts.get(split, [0] * n)) != n
    ]
    if wrong:
        raise UserError(f"the arrays of '{rest}' have not one value per sample ({', '.join(wrong)})", name)
    if set(parts) == set(sizes):
        return np.concatenate([parts[split] for split in sizes])
    # The pool has no labels: its places stay empty.
    return np.concatenate(
        [np.asarray(parts[s]).ravel().astype(str) if s in parts else np.full(sizes[s], "") for s in sizes]
    )


def under_common_names(held, key):
    """`held` (stems of .npy files -> arrays), those of the split that `key` names also without its name: y of y_train."""
    split, _ = split_and_rest(key)
    named = {other: split_and_rest(other) for other in held}
    return {**{rest: held[other] for other, (own, rest) in named.items() if split and own == split}, **held}
