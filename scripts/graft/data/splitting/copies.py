"""Contents that are in several rows: which of them do harm, and what becomes of them."""

import pandas as pd

from graft.common.errors import UserError
from graft.data.listing.rows import listed, places


def drop_first(frame, targets, way):
    """Drop copies before splits are drawn, if `duplicates` says so: what does not stay binds no rows and no groups.

    Parameters
    ----------
    frame : DataFrame with same_sha256, labelled, given and the targets
    targets, way : see `resolve`

    Returns
    -------
    frame : DataFrame, the rows that stay
    facts : dict, same_sha256 -> facts as `resolve` gives them; splits that are still to be drawn count as one
    """
    if way != "drop":
        return frame, {}
    split = frame["given"].where(frame["given"].notna(), "train").where(frame["labelled"], "pool")
    rows = find_copies(frame.assign(split=split), targets)
    facts, gone = _facts(rows), superfluous(rows, targets)
    _note_dropped(facts, set(frame.loc[gone, "sample_id"]))
    return frame.drop(index=gone).reset_index(drop=True), facts


def resolve(frame, targets, way, notes, dropped=None):
    """Refuse, drop or keep the copies among the labelled rows, as `duplicates` says.

    Parameters
    ----------
    frame : DataFrame, the manifest with its splits
    targets : dict as in labels.json
    way : "error", "drop" or "allow"
    notes : list of str, to which is added what the data card says
    dropped : dict, the facts that `drop_first` gave

    Returns
    -------
    frame : DataFrame, the rows that stay
    facts : list of dict for the data card, one per content, with the rows' ids

    Raises
    ------
    UserError
        If a content is in several splits or has two classes, and `way` is "error".
    """
    rows = find_copies(frame, targets)
    serious = rows[rows["across"] | rows["contradicting"]]
    facts = _facts(rows)
    if len(serious) and way == "error":
        lines = [_line(part) for _, part in serious.groupby("same_sha256")]
        raise UserError(
            f"{len(lines)} contents are in several splits or have two labels:{listed(sorted(lines))}",
            hint="`duplicates: drop` keeps one row (that of test) and none of contents with two labels; `allow` keeps all",
        )
    known = int(in_pool_and_labelled(frame).sum())
    if known:
        notes.append(f"{known} rows of the pool have the content of a labelled row")
    if way == "drop":
        gone = superfluous(rows, targets)
        _note_dropped(facts, set(frame.loc[gone, "sample_id"]))
        frame = frame.drop(index=gone).reset_index(drop=True)
        rows = find_copies(frame, targets)
    repeated = rows[~rows["contradicting"]]["same_sha256"].nunique()
    if repeated:
        alone = rows.groupby("same_sha256")["alike"].nunique() > 1
        apart = ", except those of groups" if alone.any() else ""
        notes.append(
            f"{repeated} contents are in {len(rows)} labelled rows. If graft draws splits and folds, the rows of one "
            f"content stay together{apart}"
        )
    across = rows.loc[rows["across"], "same_sha256"].nunique()
    if across:
        notes.append(f"{across} contents are in several splits: metrics are better than for samples that are new")
    return frame, sorted(_joined(dropped or {}, facts), key=lambda fact: fact["samples"])


def in_pool_and_labelled(frame):
    """Which rows of the pool have the content of a labelled row, bool Series: test rows among them must teach nobody."""
    in_pool = frame["split"] == "pool"
    return in_pool & frame["same_sha256"].isin(frame.loc[~in_pool, "same_sha256"])


def _facts(rows):
    return {
        same: {
            "content_sha256": part["content_sha256"].min(),
            "samples": sorted(part["sample_id"]),
            "across_splits": bool(part["across"].any()),
            "two_labels": bool(part["contradicting"].any()),
        }
        for same, part in rows.groupby("same_sha256")
    }


def _note_dropped(facts, gone):
    for fact in facts.values():
        fact["dropped"] = [name for name in fact["samples"] if name in gone]


def _joined(first, later):
    """One fact per content: replicates that stay in the first place may be in several drawn splits later."""
    joined = dict(first)
    for same, fact in later.items():
        known = joined.setdefault(same, fact)
        if known is not fact:
            known["across_splits"] |= fact["across_splits"]
            known["dropped"] = sorted({*known["dropped"], *fact["dropped"]})
    return joined.values()


def find_copies(frame, targets):
    """Contents that are in several rows of the labelled part.

    Parameters
    ----------
    frame : DataFrame with same_sha256 (see checking.check_samples), split and the targets
    targets : dict as in labels.json. Several values of one content are replicates of a measurement; several classes
        contradict each other

    Returns
    -------
    DataFrame, the rows of such contents, with "contradicting" (two classes) and "across" (several splits)
    """
    labelled = frame[frame["split"] != "pool"]
    rows = labelled[labelled["same_sha256"].duplicated(keep=False)].copy()
    by_content = rows.groupby("same_sha256")
    rows["across"] = by_content["split"].transform("nunique") > 1 if len(rows) else pd.Series(dtype=bool)
    rows["contradicting"] = False
    for name, target in targets.items():
        if len(rows) and target["kind"] != "regression":
            rows["contradicting"] |= by_content[name].transform("nunique") > 1
    return rows


def superfluous(copies, targets):
    """The index of the copies that are dropped.

    Contents with two classes go wholly. Else the rows of one split stay: those of test, else of validation, else of
    train. Of rows with the same labels and values the first by id stays, so that replicates of a measurement are kept.
    """
    rank = copies["split"].map({"test": 0, "validation": 1, "train": 2})
    rows = copies.assign(rank=rank).sort_values(["same_sha256", "rank", "sample_id"], kind="stable")
    rows = rows[~rows["contradicting"]]
    rows = rows[rows["rank"] == rows.groupby("same_sha256")["rank"].transform("min")]
    stay = rows.drop_duplicates(["same_sha256", *targets]).index
    return copies.index.difference(stay)


def refuse_in_several_folds(rows, folds, way):
    """Refuse train rows of one content that the user put into several folds, unless `duplicates: allow` keeps them."""
    several = rows.assign(split=[f"fold {fold}" for fold in folds])
    several = several[several.groupby("same_sha256")["split"].transform("nunique") > 1] if len(rows) else several
    if len(several) and way != "allow":
        lines = [_line(part, "several folds") for _, part in several.groupby("same_sha256")]
        raise UserError(
            f"{len(lines)} contents are in several folds:{listed(sorted(lines))}",
            "columns.fold",
            "one fold for all rows of a content",
            "correct the column, or leave `columns.fold` out: graft then keeps them together. `duplicates: allow` keeps "
            "the folds, but then the out-of-fold models have seen the sample",
        )


def _line(part, what=None):
    part = part.sort_values("sample_id")
    names = [f"{place} [{split}]" for place, split in zip(places(part)[:4], part["split"], strict=False)]
    more = f" and {len(part) - 4} more" if len(part) > 4 else ""
    what = what or ("two labels" if part["contradicting"].any() else "several splits")
    return f"{what}: {', '.join(names)}{more}"
