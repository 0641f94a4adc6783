"""Near copies of a data set's samples: found among its contents, kept in one split and fold, noted in the data card."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from graft.common.errors import UserError
from graft.data.readers import opener
from graft.data.splitting import near_copies, splits

SHOWN = 100  # pairs that the data card names


def bind_near_copies(frame, asked_about, entry, root, modality, given, notes, threads=1):
    """Add `alike`, the word of what a row must stay together with: its content's, or that of a cluster of near copies.

    Near copies are only joined where graft draws the split: among all rows that are labelled when it does, or, where splits are
    given, among those of train. With `duplicates: allow`, copies that are not sought by `near_duplicates` bind no groups.

    Parameters
    ----------
    frame : DataFrame with same_sha256, content_sha256, path, row, labelled, given
    asked_about : Series of bool, the rows among which near copies are looked for
    entry, root : the data set's entry and folder
    modality : "image" or "text"
    given : bool, whether the user made splits
    notes : list of str, to which is added what the data card says of texts that cannot be compared
    threads : int, for reading

    Returns
    -------
    frame : DataFrame
    pairs : array of str, shape (pairs, 2), contents of these rows that are nearly the same; None if nobody asked

    Raises
    ------
    UserError
        If samples are to be compared that are neither images nor texts.
    """
    words = frame["same_sha256"]
    if entry["duplicates"] == "allow":  # a user who accepts copies in several splits has no groups joined by them
        words = words.mask(frame["group"].fillna("").str.strip() != "", frame["sample_id"])
    frame = frame.assign(alike=words)
    if entry["split"].get("near_duplicates") != "together":
        return frame, None
    rows = frame[asked_about].sort_values(["same_sha256", "content_sha256"]).drop_duplicates("same_sha256")
    contents = rows["same_sha256"].to_numpy(object)
    pairs = similar_contents(rows, entry, root, modality, notes, threads)
    drawn = frame["labelled"] & (frame["given"] == "train" if given else True)
    inside = np.isin(contents, frame.loc[drawn, "same_sha256"].unique())
    joined = near_copies.clusters(len(contents), pairs[inside[pairs].all(axis=1)])
    word = pd.Series(contents).groupby(joined).transform("first")
    return frame.assign(alike=frame["same_sha256"].map(dict(zip(contents, word, strict=True)))), contents[pairs]


def similar_contents(rows, entry, root, modality, notes, threads):
    """Pairs of rows that quote each other or look the same, see near_copies; int64 array, shape (pairs, 2), sorted.

    `rows` have path and row, one for each content; the rest is as for `bind_near_copies`.
    """
    load, short = opener(entry, root), 0

    def read(row):
        value = load(row.path, row.row)
        return value if modality == "text" else near_copies.signature(value)

    def counted(texts):
        nonlocal short
        for text in texts:
            short += not near_copies.has_shingles(text)
            yield text

    if modality not in ("image", "text"):
        raise UserError(
            f"samples are {modality}s, and graft cannot find near copies of these",
            "split.near_duplicates",
            "`together` for images and texts",
            "name the column that says which samples belong together: columns.group",
        )
    with ThreadPoolExecutor(max(1, threads)) as pool:
        values = pool.map(read, rows[["path", "row"]].itertuples())
        if modality == "image":
            return near_copies.similar_images(np.stack([*values]))
        pairs = near_copies.similar_texts(counted(values))
    if short:
        notes.append(
            f"{short} of {len(rows)} texts have fewer than {near_copies.WORDS} words (sequences have one). Near copies of "
            "them are found only if all words are the same. If there is a column of families or clusters, name it: "
            "columns.group"
        )
    return pairs


def of_labelled(frame, pairs):
    """The pairs of which both contents are in labelled rows; None where nobody asked."""
    return (
        pairs
        if pairs is None
        else pairs[np.isin(pairs, frame.loc[frame["split"] != "pool", "same_sha256"]).all(axis=1)]
    )


def sampling_units(frame, pairs):
    """What is drawn together when a metric's interval is computed: rows that are not independent.

    These are the rows of a group, of one content, and near copies, in each split by itself.

    Parameters
    ----------
    frame : DataFrame with sample_id, same_sha256, alike, split, group
    pairs : as `bind_near_copies` gives them

    Returns
    -------
    Series of str; None for a row that is alone
    """
    units = pd.Series(None, frame.index, dtype=object)
    for _, rows in frame.groupby("split"):
        content_of_row, contents = pd.factorize(rows["alike" if pairs is None else "same_sha256"])
        inside = np.empty((0, 2), np.int64) if pairs is None else contents.get_indexer(pairs.ravel())
        inside = inside.reshape(-1, 2)
        clusters = near_copies.clusters(len(contents), inside[(inside >= 0).all(axis=1)])
        groups = splits.group_names(rows)
        words = pd.Series(splits.bind(rows["sample_id"].to_numpy(object), groups, clusters[content_of_row]), rows.index)
        named = words.str.startswith("group\0") | words.duplicated(keep=False)
        units[words.index[named]] = words[named].str.replace("\0", " ").astype(object)
    return units


def facts_of(frame, pairs, notes):
    """What the data card says of near copies, and a line of `notes`; None where they were not looked for.

    Returns
    -------
    dict with "pairs", "across_splits" (how many of these are in two splits), "groups" (clusters that were kept
    together), "largest" (rows in the largest of these) and "first" (samples and splits of the first pairs), or None
    """
    if pairs is None:
        return None
    labelled = frame[frame["split"] != "pool"]
    first = labelled.drop_duplicates("same_sha256").set_index("same_sha256")
    named = first["sample_id"].loc[pairs.ravel()].to_numpy(object).reshape(-1, 2)
    named = sorted(sorted(pair) for pair in named)
    split_of = dict(zip(labelled["sample_id"], labelled["split"], strict=True))
    found = [{"samples": pair, "splits": [split_of[name] for name in pair]} for pair in named]
    across = [len(set(pair["splits"])) > 1 for pair in found]
    sizes = labelled.groupby("alike").agg(rows=("sample_id", "size"), contents=("same_sha256", "nunique"))
    sizes = sizes.loc[sizes["contents"] > 1, "rows"]
    facts = {
        "pairs": len(found),
        "across_splits": sum(across),
        "groups": len(sizes),
        "largest": int(sizes.max()) if len(sizes) else 0,
        "first": [found[i] for i in np.argsort(~np.array(across, bool), kind="stable")[:SHOWN]],
    }
    if len(pairs):
        shown = "; ".join(" and ".join(pair["samples"]) for pair in facts["first"][:3])
        notes.append(
            f"{len(pairs)} pairs of samples are nearly the same, such as {shown}. They form {facts['groups']} groups, the "
            f"largest of {facts['largest']} rows. If graft draws splits and folds, these groups stay together"
        )
    if any(across):
        notes.append(
            f"{sum(across)} pairs of nearly equal samples are in two of the given splits: metrics of the later "
            "split are better than for samples that are new"
        )
    return facts
