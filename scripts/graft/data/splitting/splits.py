"""Splits and folds. They depend on the split seed, the ids, the groups and the labels; never on the order of rows."""

import hashlib

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from graft.common.errors import UserError, raise_all
from graft.common.spelling import natural_sort
from graft.data.label_sets import rarest
from graft.data.listing.rows import SPLIT_OF, listed, one_spelling, places
from graft.data.splitting.whole_groups import deal

ORDER = ("train", "test", "validation")


def hash_units(words, seed, salt):
    """A number in [0, 1) for each word, the same on every machine and independent of the other words.

    Parameters
    ----------
    words : iterable of str
    seed : int
    salt : str, separates uses, so that, say, folds do not follow splits

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


def splits_said(frame):
    """The split that a row's own word names; null where it has none, or an unknown one."""
    return frame["split"].str.strip().str.lower().map(SPLIT_OF)


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
    splits = splits_said(frame)
    unknown = words.notna() & splits.isna()
    if unknown.any():
        counts = words[unknown].value_counts()
        first = dict(zip(words[unknown][::-1], places(frame[unknown])[::-1], strict=True))
        more = {word: f" and {count - 1} more rows" if count > 1 else "" for word, count in counts.items()}
        lines = [f"{first[word]}: '{word}'{also}" for word, also in more.items()]
        raise UserError(
            f"{int(unknown.sum())} rows name no known split:{listed(lines)}",
            "columns.split",
            "train, validation, test, pool",
            "write one of these words instead: only you know whether they chose a model (validation) or judged it (test)",
        )
    return splits if (splits.notna() & (splits != "pool")).any() else None


def make_splits(ids, labels, groups, given, settings, seed, alike=None):
    """The split of every labelled row.

    Parameters
    ----------
    ids : array of str, shape (n,), all different
    labels : array of int64, shape (n,), what to stratify by
    groups : array of str or None, shape (n,), or None; rows of a group stay together
    given : array of str or None, shape (n,), or None; splits that the user made
    settings : dict with validation, test (shares), stratify, growth_stable
    seed : int
    alike : array of str, shape (n,), or None; rows of one content (or near copies) stay together, too: see `bind`

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
    if (given is None or carved) and len(rows):
        part = [None if values is None else values[rows] for values in (ids, labels, groups, alike)]
        splits[rows], how = _draw(*part, shares, settings, seed)
    if groups is not None:
        _refuse_straddling(splits, groups, "splits", "columns.group")
    return splits, "given" if given is not None and not carved else how, carved


def make_pool(ids, labels, groups, share, settings, seed, alike=None):
    """Which train rows lose their labels to the pool: bool array, shape (n,); the arguments as for `make_splits`.

    Rows that belong together do so here, too, and the classes keep their shares.
    """
    drawn, _ = _draw(ids, labels, groups, alike, {"validation": 0.0, "test": share}, settings, seed, "pool")
    return drawn == "test"


def group_names(rows):
    """The group of each row, None for none; None if no row has one. `rows` is a DataFrame with group."""
    words = rows["group"].str.strip()
    groups = objects(words.mask(words == ""))
    return None if all(group is None for group in groups) else groups


def objects(values):
    """A Series as an array of Python objects, None where a value is missing."""
    return values.astype(object).where(values.notna(), None).to_numpy(object)


def bind(ids, groups=None, alike=None, growth_stable=False):
    """What each row is drawn as: the word of its unit, which is its own id where nothing binds it to another row.

    Rows of one group belong together, and so do rows that are alike. This continues from one to the next: a content that
    is in two groups makes one unit of them. Only where a split must never change as data grow, a group keeps its own
    word: groups that share a content are then not joined.

    Parameters
    ----------
    ids, groups, alike, growth_stable : see make_splits

    Returns
    -------
    array of str, shape (n,); neither the order of the rows nor other units change a unit's word
    """
    words = np.asarray(ids, dtype=object)
    if groups is not None:
        own = np.array([g is not None for g in groups])
        named = zip(ids, groups, strict=True)
        words = np.array([f"id\0{i}" if g is None else f"group\0{g}" for i, g in named], dtype=object)
    if alike is None or pd.Series(alike).is_unique:
        return words
    if growth_stable:
        first = pd.Series(words).groupby(alike).transform("min").to_numpy(object)  # "group" is before "id"
        return first if groups is None else np.where(own, words, first)
    names, contents = pd.factorize(words)[0], pd.factorize(np.asarray(alike, dtype=object))[0]
    nodes = names.max() + contents.max() + 2
    links = coo_array((np.ones(len(names)), (names, names.max() + 1 + contents)), (nodes, nodes))
    return (
        pd.Series(words)
        .groupby(connected_components(links, directed=False)[1][names])
        .transform("min")
        .to_numpy(object)
    )


def make_folds(ids, labels, groups, count, growth_stable, seed, alike=None):
    """Cross-validation folds of the train rows.

    Returns
    -------
    array of int16, shape (n,), values 0..count-1; every class is spread evenly (within one row) unless rows are
    bound to each other or the folds growth-stable
    """
    words = bind(ids, groups, alike, growth_stable)
    units = hash_units(words, seed, "folds")
    if growth_stable:
        return np.minimum(units * count, count - 1).astype(np.int16)
    names, inverse = np.unique(words, return_inverse=True)
    if len(names) < count:
        kind = "groups" if groups is not None else "different rows" if len(names) < len(ids) else "train rows"
        raise UserError(
            f"{len(names)} {kind} in the train split cannot fill {count} folds", "folds", f"2 to {len(names)}"
        )
    codes = _codes(labels)
    order = np.lexsort((ids.astype(str), units, codes))
    if len(names) == len(ids):
        folds = np.empty(len(ids), np.int16)
        folds[order] = np.arange(len(ids)) % count
        return folds
    quotas = np.tile(np.bincount(codes)[:, None] / count, (1, count))
    folds = deal(inverse, codes, quotas, _rank(order), _random(seed, "folds"), in_all=groups is not None)
    return folds.astype(np.int16)


def given_folds(frame, groups):
    """The user's folds of the train rows, numbered from 0 in natural order; 1 and 1.0 are one, and A and a."""
    words = one_spelling(frame["fold"]).str.casefold()
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
    """Integers to stratify by: classes, the rarest of several labels, or ten bins of a number's quantiles.

    Rows without a value make one stratum.
    """
    if kind == "multilabel":
        values = rarest(values)
    if kind != "regression":
        return pd.factorize(values, sort=True)[0].astype(np.int64)
    ranks = values.rank(method="average", pct=True)
    bins = min(10, max(1, int(values.notna().sum()) // 10))
    return np.where(values.isna(), -1, np.ceil(ranks.fillna(0) * bins)).astype(np.int64)


def _draw(ids, labels, groups, alike, shares, settings, seed, what="splits"):
    if not settings.get("stratify", True):
        labels = np.zeros(len(ids), np.int64)
    words = bind(ids, groups, alike, settings.get("growth_stable"))
    units = hash_units(words, seed, what)
    if settings.get("growth_stable"):
        edges = np.cumsum([shares["test"], shares["validation"]])
        return np.array(["test", "validation", "train"], dtype=object)[
            np.searchsorted(edges, units, side="right")
        ], "growth_stable"
    fractions = np.array([1 - shares["validation"] - shares["test"], shares["test"], shares["validation"]])
    codes = _codes(labels)
    names, inverse = np.unique(words, return_inverse=True)
    if len(names) < len(ids) and len(names) < (fractions > 0).sum():
        _refuse_joined(ids, groups, alike, len(names), (fractions > 0).sum(), settings)
        kind = "groups" if groups is not None else "different contents"
        raise UserError(
            f"{len(names)} {kind} cannot fill {(fractions > 0).sum()} splits, since a group stays together",
            "columns.group" if groups is not None else None,
            hint="add groups, or take a finer column" if groups is not None else "add samples",
        )
    quotas = np.bincount(codes, minlength=1)[:, None] * fractions
    order = _rank(np.lexsort((ids.astype(str), units)))
    drawn = deal(inverse, codes, quotas, order, _random(seed, what), ranked=True, in_all=groups is not None)
    how = "grouped" if groups is not None else "stratified" if settings.get("stratify", True) else "random"
    return np.array(ORDER, dtype=object)[drawn], how


def _refuse_joined(ids, groups, alike, count, needed, settings):
    """Refuse groups that would be enough, were they not joined by contents that are in several of them."""
    if groups is None or alike is None or len(set(bind(ids, groups))) < needed:
        return
    rows = pd.DataFrame({"id": ids, "group": groups, "alike": alike}).dropna(subset="group")
    in_groups = rows.groupby("alike")["group"].nunique().sort_values(ascending=False, kind="stable")
    lines = []
    for content in in_groups.index[in_groups > 1]:
        own = natural_sort(rows.loc[rows["alike"] == content, "id"])
        more = f" and {len(own) - 4} more" if len(own) > 4 else ""
        lines.append(f"in {in_groups[content]} groups: {', '.join(own[:4])}{more}")
    near = "; and `split.near_duplicates: ignore`, as near copies join groups, too"
    raise UserError(
        f"{rows['group'].nunique()} groups count as {count}, too few for {needed} splits. Rows of one content stay "
        f"together, and {len(lines)} contents are in several groups:{listed(lines)}",
        "columns.group",
        hint="`duplicates: drop` keeps one row of each content and label; `duplicates: allow` keeps all, in several splits"
        + (near if settings.get("near_duplicates") == "together" else ""),
    )


def _random(seed, salt):
    """A generator for a seed and a use, such as "splits"."""
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(f"{salt}\0{seed}".encode(), digest_size=8).digest()))


def _rank(order):
    """The place of each row in `order`, which lists the rows."""
    places = np.empty(len(order))
    places[order] = np.arange(len(order))
    return places


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
                    f"{len(lines)} groups are in several {what}:{listed(lines)}",
                    where,
                    f"one of the {what} for all rows of a group",
                    "correct the column of groups or that of the " + what,
                )
            ]
        )
