"""Splits and folds. They depend on the split seed, the ids, the groups and the labels; never on the order of rows."""

import hashlib

import numpy as np
import pandas as pd

from graft.errors import UserError, raise_all
from graft.labels import natural_sort
from graft.readers.rows import SPLIT_OF, listed, places

ORDER = ("train", "test", "validation")


def hash_units(words, seed, salt):
    """A number in [0, 1) for each word, the same on every machine and whatever the other words are.

    Parameters
    ----------
    words : iterable of str
    seed : int
    salt : str, tells uses apart so that, say, folds do not follow splits

    Returns
    -------
    array of float64
    """
    start = hashlib.blake2b(f"{salt}\0{seed}\0".encode(), digest_size=8)
    out = []
    for word in words:
        digest = start.copy()
        digest.update(word.encode("utf-8", "surrogatepass"))
        out.append(int.from_bytes(digest.digest(), "little"))
    return np.array(out, dtype=np.uint64) / 2.0**64


def given_splits(frame):
    """What the user's column, folders or tables say: train, validation, test, pool, or None where they are silent.

    Returns
    -------
    Series of str, or None if no row has a split

    Raises
    ------
    UserError
        For words that name no split; all of them at once.
    """
    words = frame["split"].str.strip().str.lower()
    words = words.mask(words == "")
    if (
        not words.isin([w for w, s in SPLIT_OF.items() if s != "pool"]).any()
        and words.isin(["pool"]).eq(words.notna()).all()
    ):
        return None
    unknown = words.notna() & ~words.isin(list(SPLIT_OF))
    if unknown.any():
        lines = [f"{place}: '{w}'" for place, w in zip(places(frame[unknown]), words[unknown], strict=True)]
        raise UserError(
            f"{len(lines)} rows name no known split:{listed(lines)}", "columns.split", "train, validation, test, pool"
        )
    return words.map(SPLIT_OF)


def make_splits(ids, labels, groups, given, settings, seed):
    """The split of every labelled row.

    Parameters
    ----------
    ids : array of str, shape (n,), all different
    labels : array of int64, shape (n,), what to stratify by
    groups : array of str or None, shape (n,), or None; rows of a group stay together
    given : array of str or None, shape (n,), or None; splits that the user made
    settings : dict with validation, test (shares), stratify, growth_stable
    seed : int

    Returns
    -------
    splits : array of str, shape (n,)
    how : "given", "growth_stable", "grouped", "stratified" or "random"
    carved : list of the splits that were taken out of the given train rows
    """
    shares = {"validation": settings.get("validation", 0.15), "test": settings.get("test", 0.2)}
    if sum(shares.values()) >= 1:
        raise UserError("validation and test together leave nothing to train on", "split", "a sum below 1")
    splits, rows, carved = np.full(len(ids), None, dtype=object), np.arange(len(ids)), []
    if given is not None:
        splits[:] = given
        carved = [name for name in shares if not (splits == name).any() and shares[name] > 0]
        shares = {name: shares[name] if name in carved else 0.0 for name in shares}
        rows = np.flatnonzero(splits == "train")
    how = "given"
    if given is None or carved:
        part = [None if values is None else values[rows] for values in (ids, labels, groups)]
        splits[rows], how = _draw(*part, shares, settings, seed)
    if groups is not None:
        _refuse_straddling(splits, groups, "splits", "columns.group")
    return splits, "given" if given is not None and not carved else how, carved


def make_folds(ids, labels, groups, count, growth_stable, seed):
    """Cross-validation folds of the train rows.

    Returns
    -------
    array of int16, shape (n,), values 0..count-1; every class is spread evenly (within one row) unless rows are
    grouped or the folds growth-stable
    """
    units, words = _keys(ids, groups, seed, "folds")
    if growth_stable:
        return np.minimum(units * count, count - 1).astype(np.int16)
    if groups is not None:
        names, inverse = np.unique(words, return_inverse=True)
        if len(names) < count:
            raise UserError(
                f"{len(names)} groups in the train split cannot fill {count} folds", "folds", f"2 to {len(names)}"
            )
        quotas = np.tile(np.bincount(_codes(labels))[:, None] / count, (1, count))
        return _assign_groups(inverse, _codes(labels), _unit_of_group(inverse, units), quotas).astype(np.int16)
    if len(ids) < count:
        raise UserError(f"{len(ids)} train rows cannot fill {count} folds", "folds", f"2 to {len(ids)}")
    order = np.lexsort((ids.astype(str), units, labels))
    folds = np.empty(len(ids), np.int16)
    folds[order] = np.arange(len(ids)) % count
    return folds


def given_folds(frame, groups):
    """The user's folds of the train rows, numbered from 0 in natural order."""
    words = frame["fold"].str.strip()
    empty = words.isna() | (words == "")
    if empty.any():
        raise UserError(f"{empty.sum()} train rows have no fold:{listed(places(frame[empty]))}", "columns.fold")
    names = natural_sort(words.unique())
    if len(names) < 2:
        raise UserError(f"one fold only ('{names[0]}')", "columns.fold", "at least two folds")
    folds = words.map({name: number for number, name in enumerate(names)}).to_numpy(np.int16)
    if groups is not None:
        _refuse_straddling(folds, groups, "folds", "columns.group")
    return folds


def strata(values, kind):
    """Integers to stratify by: classes, or ten bins of a number's quantiles. Rows without a value make one stratum."""
    if kind == "classification":
        return pd.factorize(values, sort=True)[0].astype(np.int64)
    ranks = values.rank(method="average", pct=True)
    bins = min(10, max(1, int(values.notna().sum()) // 10))
    return np.where(values.isna(), -1, np.ceil(ranks.fillna(0) * bins)).astype(np.int64)


def first_of(ids, count, classes=None):
    """Which `count` rows a limit keeps: those with the smallest hashes, so that growing data keep most of them.

    `classes` (array of int, -1 for none): the first three rows of every class come before all others.
    """
    if count is None or len(ids) <= count:
        return np.ones(len(ids), bool)
    order = np.lexsort((ids.astype(str), hash_units(ids, 0, "limit")))
    if classes is not None:
        rank = pd.Series(classes[order]).groupby(classes[order]).cumcount().to_numpy()
        order = order[np.argsort((rank >= 3) | (classes[order] < 0), kind="stable")]
    kept = np.zeros(len(ids), bool)
    kept[order[:count]] = True
    return kept


def _draw(ids, labels, groups, shares, settings, seed):
    if not settings.get("stratify", True):
        labels = np.zeros(len(ids), np.int64)
    units, words = _keys(ids, groups, seed, "splits")
    if settings.get("growth_stable"):
        edges = np.cumsum([shares["test"], shares["validation"]])
        return np.array(["test", "validation", "train"], dtype=object)[
            np.searchsorted(edges, units, side="right")
        ], "growth_stable"
    fractions = np.array([1 - shares["validation"] - shares["test"], shares["test"], shares["validation"]])
    codes = _codes(labels)
    if groups is not None:
        names, inverse = np.unique(words, return_inverse=True)
        if len(names) < (fractions > 0).sum():
            raise UserError(
                f"{len(names)} groups cannot fill {(fractions > 0).sum()} splits, since a group stays together",
                "columns.group",
                hint="add groups, or take a finer column",
            )
        quotas = np.bincount(codes)[:, None] * fractions[None, :]
        return np.array(ORDER, dtype=object)[
            _assign_groups(inverse, codes, _unit_of_group(inverse, units), quotas)
        ], "grouped"
    counts = _round_shares(np.bincount(codes, minlength=1), fractions)
    order = np.lexsort((ids.astype(str), units, codes))
    drawn = np.empty(len(ids), dtype=object)
    drawn[order] = np.repeat(np.tile(np.array(ORDER, dtype=object), len(counts)), counts.ravel())
    return drawn, "stratified" if settings.get("stratify", True) else "random"


def _round_shares(sizes, fractions):
    """Whole numbers per class and split, each within one of its share, with totals as near as they can be.

    A class's first row goes to train; the rows that rounding leaves go to the split that is furthest behind.
    """
    counts = np.floor(sizes[:, None] * fractions + 1e-9).astype(np.int64)
    wanted, have = np.zeros(len(fractions)), np.zeros(len(fractions))
    for number, size in enumerate(sizes):
        exact = size * fractions
        wanted += exact
        free = exact - counts[number] > 1e-9
        behind = wanted - have - counts[number]
        if counts[number, 0] == 0 and free[0]:
            behind[0] = np.inf
        left = size - counts[number].sum()
        for split in sorted(np.flatnonzero(free), key=lambda s: (-behind[s], s))[:left]:
            counts[number, split] += 1
        have += counts[number]
    return counts


def _assign_groups(inverse, codes, units, quotas):
    """Give whole groups to parts, large ones first, each to the part whose classes then stand nearest their quotas.

    Parameters
    ----------
    inverse : array of int64, shape (n,), the number of each row's group
    codes : array of int64, shape (n,), the class of each row
    units : array of float64, shape (groups,), decides between groups of one size
    quotas : array of float64, shape (classes, parts), the rows wanted

    Returns
    -------
    array of int64, shape (n,), the part of each row
    """
    cells, counts = np.unique(inverse * len(quotas) + codes, return_counts=True)
    starts = np.searchsorted(cells, np.arange(len(units) + 1) * len(quotas))
    sizes = np.bincount(inverse, minlength=len(units))
    totals = quotas.sum(axis=0)
    have, filled = np.zeros_like(quotas), np.zeros(quotas.shape[1])
    part_of = np.empty(len(units), np.int64)
    for position, group in enumerate(np.lexsort((units, -sizes))):
        own = slice(starts[group], starts[group + 1])
        classes, rows = cells[own] % len(quotas), counts[own][:, None]
        wanted = quotas[classes]
        cost = (rows * (2 * (have[classes] - wanted) + rows) / (wanted + 1)).sum(axis=0)
        cost += sizes[group] * (2 * (filled - totals) + sizes[group]) / (totals + 1)
        empty = (filled == 0) & (totals > 0)
        if len(units) - position <= empty.sum():  # the last groups go where there is none yet
            cost[~empty] = np.inf
        cost[totals <= 0] = np.inf
        part = int(np.argmin(cost))
        part_of[group] = part
        have[classes, part] += counts[own]
        filled[part] += sizes[group]
    return part_of[inverse]


def _keys(ids, groups, seed, salt):
    """(hash unit, word) per row: of its group, or of its id where it has none."""
    if groups is None:
        words = ids
    else:
        words = np.array(
            [f"id\0{i}" if g is None else f"group\0{g}" for i, g in zip(ids, groups, strict=True)], dtype=object
        )
    return hash_units(words, seed, salt), words


def _unit_of_group(inverse, units):
    out = np.empty(inverse.max() + 1 if len(inverse) else 0)
    out[inverse] = units
    return out


def _codes(labels):
    return np.unique(labels, return_inverse=True)[1]


def _refuse_straddling(parts, groups, what, where):
    known = np.array([g is not None for g in groups])
    frame = pd.DataFrame(
        {"group": np.asarray(groups, dtype=object)[known], "part": [str(p) for p in np.asarray(parts)[known]]}
    )
    frame = frame[frame["part"] != "pool"].drop_duplicates()
    several = frame[frame["group"].duplicated(keep=False)]
    if len(several):
        lines = [f"'{g}': {', '.join(sorted(rows))}" for g, rows in several.groupby("group")["part"]]
        raise_all(
            [
                UserError(
                    f"{len(lines)} groups stand in several {what}:{listed(lines)}",
                    where,
                    f"one of the {what} for all rows of a group",
                    "correct the column of groups or that of the " + what,
                )
            ]
        )
