"""Deal whole groups of rows out to parts (splits or folds) by lot, as near to the parts' shares as groups allow."""

from dataclasses import dataclass

import numpy as np

TRIES = 40  # draws, of which one that is balanced well enough is taken
HOTTEST, COOLEST = 1.5, 0.1  # how much chance counts in the first draw and in the last
NEVER = 1e12  # a cost above all others


def deal(units, codes, quotas, order, random, ranked=False, in_all=False):
    """The part of each row.

    Units of several rows come first, those of one row then fill up what is lacking.

    Parameters
    ----------
    units : array of int64, shape (n,), values 0..units-1; rows of a unit stay together
    codes : array of int64, shape (n,), the class of each row
    quotas : array of float64, shape (classes, parts), the rows wanted; a part that wants none gets none
    order : array of float64, shape (n,), the order in which single rows are taken
    random : numpy Generator
    ranked : a class of fewer units than parts goes to the first parts (train, test, validation), not to any
    in_all : a class of enough units is in all parts also where its units are single rows, for any sizes of the parts

    Returns
    -------
    array of int64, shape (n,)
    """
    alone = np.bincount(units)[units] == 1
    wants = quotas.sum(axis=0) > 0
    singles = np.bincount(codes[alone], minlength=len(quotas))
    groups = _Groups.of(units[~alone], codes[~alone], len(quotas))
    allowed, needed = _parts_of_classes(groups.of_class[:-1] + singles, wants, ranked)
    parts, have = np.empty(len(units), np.int64), np.zeros_like(quotas)
    if not alone.all():
        parts[~alone] = _by_lot(groups, quotas, allowed, needed, singles, random)[groups.inverse]
        np.add.at(have, (codes[~alone], parts[~alone]), 1)
    counts = round_shares(singles, quotas, have, ranked, allowed if in_all else None)
    rows = np.flatnonzero(alone)
    rows = rows[np.lexsort((order[rows], codes[rows]))]
    parts[rows] = np.repeat(np.tile(np.arange(quotas.shape[1]), len(quotas)), counts.ravel())
    return parts


def round_shares(sizes, quotas, have, ranked=True, in_all=None):
    """Whole numbers of single rows per class and part, near what the quotas still lack, with totals as near as can be.

    The rows that rounding leaves go to the part that is furthest behind; where parts are ranked, a class's first row goes
    to the first one.

    Parameters
    ----------
    sizes : array of int64, shape (classes,), the single rows
    quotas, have : arrays of float64, shape (classes, parts), the rows wanted, and those that are there
    in_all : array of bool, shape (classes, parts), optional: where a class must be if it has the rows

    Returns
    -------
    array of int64, shape (classes, parts)
    """
    lacking = np.maximum(quotas - have, 0)
    there = have.any()
    exact = lacking * (sizes / np.maximum(lacking.sum(axis=1), 1e-300))[:, None] if there else quotas
    counts = np.floor(exact + 1e-9).astype(np.int64)
    wanted, done = quotas.cumsum(axis=0), np.zeros(quotas.shape[1])
    for number, size in enumerate(sizes):
        if in_all is not None:
            _into_each(counts[number], in_all[number] & (have[number] == 0), size)
        free = exact[number] - counts[number] > 1e-9
        behind = wanted[number] - done - have[number] - counts[number]
        if ranked and have[number, 0] + counts[number, 0] == 0 and free[0]:
            behind[0] = np.inf
        left = size - counts[number].sum()
        for part in sorted(np.flatnonzero(free), key=lambda p: (-behind[p], p))[:left]:
            counts[number, part] += 1
        done += counts[number] + have[number]
    if there:
        _fill_empty(counts, have, quotas.sum(axis=0) > 0)
    return counts


def _fill_empty(counts, have, wants):
    """Move a single row into each part that has none, out of the largest part that can spare one."""
    for part in np.flatnonzero(wants & (counts.sum(axis=0) + have.sum(axis=0) == 0)):
        spare = counts * (counts.sum(axis=0) + have.sum(axis=0) > 1)
        if spare.any():
            giver = np.unravel_index(spare.argmax(), spare.shape)
            counts[giver] -= 1
            counts[giver[0], part] += 1


def _into_each(counts, parts, size):
    """Raise `counts` to 1 in `parts` as far as `size` goes, and lower the largest for it."""
    for part in np.flatnonzero(parts & (counts == 0))[: max(0, size)]:
        counts[part] = 1
    while counts.sum() > size:
        counts[np.argmax(counts)] -= 1


def _parts_of_classes(units, wants, ranked):
    """Where each class may be missed, bool (classes, parts), and in how many of these it must be, int (classes,)."""
    needed = np.minimum(units, wants.sum())
    if not ranked:
        return np.broadcast_to(wants, (len(units), len(wants))), needed
    return wants & (np.cumsum(wants) <= needed[:, None]), needed


@dataclass
class _Groups:
    """Groups of rows, sparsely: the classes of group g, and its rows of each, are classes[g] and rows[g].

    All rows together are one more class, so that the parts' sizes count like those of a class, and no part stays empty.
    """

    inverse: np.ndarray
    classes: list
    rows: list
    of_class: np.ndarray

    @classmethod
    def of(cls, units, codes, classes):
        inverse = np.unique(units, return_inverse=True)[1]
        both = np.concatenate([inverse, inverse]), np.concatenate([codes, np.full(len(codes), classes)])
        cells, rows = np.unique(both[0] * (classes + 1) + both[1], return_counts=True)
        own = cells % (classes + 1)
        ends = np.flatnonzero(own == classes)[:-1] + 1
        of_class = np.bincount(own, minlength=classes + 1)
        return cls(inverse, np.split(own, ends), np.split(rows, ends), of_class)


def _by_lot(groups, quotas, allowed, needed, singles, random):
    """The part of each group, int64 (groups,).

    Large groups come first. Each goes to the part that lacks its classes most, but chance has a say. Its say fades as
    the rows run out, so that the small groups mend what chance did. Several draws are made, the last one without any
    chance. The first draw is taken that is as well balanced as the last one; where groups are few, also one that misses
    the shares by no more than half a group over the root of the number of groups in a part. A class whose groups are
    just enough for the parts that need it goes to these.
    """
    totals = quotas.sum(axis=0)
    quotas, singles = np.vstack([quotas, totals]), np.append(singles, singles.sum())
    allowed = np.vstack([allowed, totals > 0])
    needed = np.append(needed, min(groups.of_class[-1] + singles[-1], (totals > 0).sum()))
    sizes = np.array([rows[-1] for rows in groups.rows])
    count, (classes, parts) = len(sizes), quotas.shape
    tries = int(np.clip(min(200_000 // count, 2_000_000 // (classes * parts)), 2, TRIES))
    warmth = np.append(np.geomspace(COOLEST, HOTTEST, tries - 1)[::-1], 0.0)
    lots = random.gumbel(size=(count, tries, parts)) + np.log(np.maximum(totals, 1e-300) / totals.sum())
    have, found = np.zeros((tries, classes, parts)), np.empty((tries, count), np.int64)
    draws, left, rows_left = np.arange(tries), groups.of_class + singles, sizes.sum()
    for group in np.lexsort((random.random(count), -sizes)):
        own, rows = groups.classes[group], groups.rows[group][:, None]
        cost = (rows * (2 * (have[:, own] - quotas[own]) + rows) / (quotas[own] + 1)).sum(axis=1) / sizes[group]
        cost -= warmth[:, None] * (rows_left / sizes.sum()) * lots[group]
        there = (have[:, own] > 0) & allowed[own]
        forced = left[own] <= needed[own] - there.sum(axis=2)
        cost += NEVER * (forced[..., None] & ~(allowed[own] & ~there)).sum(axis=1)
        cost[:, totals <= 0] = np.inf
        part = cost.argmin(axis=1)
        found[:, group] = part
        have[draws[:, None], own, part[:, None]] += groups.rows[group]
        left[own] -= 1
        rows_left -= sizes[group]
    lost = np.maximum(needed - ((have > 0) & allowed).sum(axis=2) - singles, 0).sum(axis=1)
    off = ((have - quotas) ** 2 / (quotas + 1)).sum(axis=(1, 2))
    return found[_well_balanced(lost, off, sizes.mean(), totals[totals > 0])]


def _well_balanced(lost, off, mean_size, totals):
    enough = max(off[-1], (mean_size**3 / (4 * totals * (totals + 1))).sum())
    good = np.flatnonzero((lost == lost.min()) & (off <= enough))
    return good[0] if len(good) else np.lexsort((off, lost))[0]
