"""A quick look at a few rows that still has every class, in every split that the user made and of several groups."""

import numpy as np
import pandas as pd

from graft.data.splitting.splits import hash_units, strata

LEAST = 3  # rows of every class: one each for train, validation and test


def limited(frame, targets, limit, notes):
    """At most `limit` labelled rows, but LEAST of every class; and at most a third as many of the pool.

    Parameters
    ----------
    frame : DataFrame with sample_id, labelled, given, group and the targets
    targets : dict, as prepare.Prepared has them
    limit : int, or None for all rows
    notes : list of str, to which is added what was left out
    """
    labelled, test = frame["labelled"].to_numpy(bool), (frame["given"] == "test").to_numpy(bool)
    # Given test rows are chosen apart from the others: their labels decide nothing that is learned from.
    of_test = limit and round(limit * (labelled & test).sum() / max(1, labelled.sum()))
    keep = np.zeros(len(frame), bool)
    for part, most in ((labelled & ~test, limit and limit - of_test), (labelled & test, of_test)):
        rows = frame[part]
        kinds = [_kinds(rows, name, target) for name, target in targets.items()]
        keep[part] = first_of(rows["sample_id"].to_numpy(object), most, kinds, rows["group"].to_numpy(object))
    keep[~labelled] = first_of(frame.loc[~labelled, "sample_id"].to_numpy(object), limit and limit // 3)
    for part, word, most in ((labelled, "labelled", limit), (~labelled, "unlabelled", limit)):
        if not keep[part].all():
            more = f", {LEAST} of every class" if keep[part].sum() > most else ""
            notes.append(f"limit: {keep[part].sum()} of {part.sum()} {word} rows were taken{more}")
    return frame[keep].reset_index(drop=True)


def first_of(ids, count, kinds=(), groups=None):
    """Which `count` rows a limit keeps: those with the smallest hashes, so that growing data keep most of them.

    Parameters
    ----------
    ids : array of str, shape (n,), all different
    count : int, or None for all
    kinds : arrays of int64, shape (n,), -1 for none; LEAST rows of each kind are kept even beyond `count`
    groups : array of str or null, shape (n,), optional; the rows of a kind come from as many groups as can be

    Returns
    -------
    array of bool, shape (n,)
    """
    if count is None or len(ids) <= count:
        return np.ones(len(ids), bool)
    order = np.lexsort((ids.astype(str), hash_units(ids, 0, "limit")))
    kept = np.zeros(len(ids), bool)
    for kind in kinds:
        kept[order] |= _first_of_each(kind[order], None if groups is None else groups[order])
    kept[order[~kept[order]][: max(0, count - kept.sum())]] = True
    return kept


def _first_of_each(kind, groups):
    """Which rows are the first LEAST of their kind, another group each as long as there are some."""
    frame = pd.DataFrame({"kind": kind, "place": np.arange(len(kind))})
    group = pd.Series(groups if groups is not None else None, index=frame.index, dtype=object)
    alone = group.isna() | (group.astype(str).str.strip() == "")
    frame["group"] = pd.factorize(group.where(~alone, [f"\0{place}" for place in frame.index]))[0]
    frame["round"] = frame.groupby(["kind", "group"]).cumcount()
    frame = frame.sort_values(["round", "place"], kind="stable")
    first = frame[(frame.groupby("kind").cumcount() < LEAST) & (frame["kind"] >= 0)]
    out = np.zeros(len(kind), bool)
    out[first["place"]] = True
    return out


def _kinds(rows, name, target):
    """The class of every row, or the bin of its value, in each of the user's splits apart; -1 where it has none."""
    codes = strata(rows[name], target["kind"])
    splits = pd.factorize(rows["given"])[0] + 1
    return np.where(rows[name].isna(), -1, codes * (splits.max(initial=0) + 1) + splits)
