"""The order of samples in a training: steps, the batches of a step, and a thread that reads one batch ahead."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def shuffled_batches(lengths, batch_size, seed, accumulate=1):
    """The steps of an epoch: shuffled, and batches of similar length so that texts need little padding.

    No step or batch is much smaller than the others, as the last one would be if all others were full: AdamW's steps
    are as long for one sample as for many.

    Samples are shuffled, sorted by length within blocks of 50 batches, cut into batches, and the batches shuffled.

    Parameters
    ----------
    lengths : array of int, shape (n,), tokens of each sample
    batch_size : int, samples of a batch at most
    accumulate : int, batches of a step at most

    Returns
    -------
    callable, epoch -> list of steps, each a list of batches (arrays of places of samples)
    """
    lengths = np.asarray(lengths)
    count = len(lengths)
    steps = -(-count // (batch_size * accumulate))
    parts = min(count, steps * -(-count // (batch_size * max(1, steps))))
    varied = count and lengths.min() != lengths.max()

    def batches(epoch):
        draw = np.random.default_rng([seed, epoch])
        cut = np.array_split(draw.permutation(count), parts) if count else []
        if varied:
            blocks = [np.concatenate(cut[start : start + 50]) for start in range(0, parts, 50)]
            order = np.concatenate([block[np.argsort(lengths[block], kind="stable")] for block in blocks])
            cut = np.array_split(order, parts)
            cut = [cut[i] for i in draw.permutation(parts)]
        return [[cut[i] for i in step] for step in np.array_split(np.arange(parts), steps)] if count else []

    return batches


def read_ahead(read, items):
    """read(item) for each item in turn; a thread reads the next one while the caller works on this one."""
    with ThreadPoolExecutor(1) as pool:
        coming = deque()
        for item in items:
            coming.append(pool.submit(read, item))
            if len(coming) > 1:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
