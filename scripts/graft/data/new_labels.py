"""Labels that were given to rows of the pool after a run, from files such as the label desk saves: they are train rows from then on."""

from pathlib import Path

import pandas as pd

from graft.common.errors import UserError
from graft.common.fingerprint import label_files
from graft.common.spelling import natural_sort, nfc
from graft.data.card import rows_of_classes
from graft.data.labels import read_targets
from graft.data.listing.rows import listed, places
from graft.data.splitting import copies, splits

HELD_OUT = ["validation", "test"]


def read_new_labels(entry, ids, targets):
    """The labels in the files that a data set's entry names, before they are understood.

    Parameters
    ----------
    entry : dict, the data set's entry: `labels` is a path, a list of them, or None
    ids : Series of str, the samples that there are
    targets : dict as in labels.json

    Returns
    -------
    DataFrame, one row per file and sample: sample_id, "label:NAME" for each target (null where the file says nothing), and where
        the row is, as listing.rows.places reads it

    Raises
    ------
    UserError
        If a file is not there or no such table, names a sample that there is not, or if a sample has two labels of a target.
    """
    parts = [_table(path, targets) for path in label_files(entry)]
    found = pd.concat([_blank(targets), *parts], ignore_index=True)
    unknown = found[~found["sample_id"].isin(ids)]
    if len(unknown):
        said = [f"{place}: '{one}'" for place, one in zip(places(unknown), unknown["sample_id"], strict=True)]
        hint = "are they labels of another data set? Ids are written as in results/data/{dataset}/samples.parquet"
        raise UserError(
            f"{len(said)} labels are of samples that are not in the data:{listed(said)}", "labels", hint=hint
        )
    for name in targets:
        rows = found[found[f"label:{name}"].notna()]
        twice = rows[rows["sample_id"].duplicated()]
        if len(twice):
            said = [f"{place}: '{one}'" for place, one in zip(places(twice), twice["sample_id"], strict=True)]
            raise UserError(
                f"{len(said)} samples have two new labels:{listed(said)}", f"labels, target {name}", "one each"
            )
    return found


def _blank(targets):
    names = ["sample_id", *(f"label:{name}" for name in targets), "path", "table"]
    return pd.DataFrame({name: pd.Series(dtype="str") for name in names}).assign(
        row=pd.Series(dtype=int), table_row=pd.Series(dtype=int)
    )


def _table(path, targets):
    where = Path(path).expanduser()
    try:
        table = pd.read_csv(where, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError("there is no such file", "labels", hint=f"write its path from {Path.cwd()}: {path}") from None
    except (ValueError, OSError) as error:
        raise UserError(f"is not a CSV file ({str(error).splitlines()[0]})", str(where)) from None
    there = [name for name in targets if name in table.columns]
    if "sample_id" not in table.columns or not there:
        allowed = f"sample_id, and one or more of the targets {', '.join(targets)}"
        raise UserError(f"has the columns {', '.join(table.columns)}", str(where), allowed)
    said = {f"label:{name}": table[name].str.strip().replace("", None) for name in there}
    ids = table["sample_id"].map(nfc)
    found = pd.DataFrame(
        {"sample_id": ids, **said, "path": ids, "row": -1, "table": where.name, "table_row": table.index}
    )
    return found[found[list(said)].notna().any(axis=1)]


def with_new_labels(frame, new, targets, near, way, notes):
    """Make train rows of the rows of the pool that have a new label.

    What is in one group with validation or test rows, has the content of one, or is nearly the same stays in the pool.

    Parameters
    ----------
    frame : DataFrame, the manifest with its splits, and with `alike`, `same_sha256`, `hidden` and `labelled`
    new : DataFrame as `read_new_labels` gave it
    targets : dict as in labels.json; classes that are not written down are those of the labelled rows
    near : array of str, shape (pairs, 2), contents that are nearly the same, or None
    way : what `duplicates` says of one content with two labels
    notes : list of str, to which is added how many there are

    Returns
    -------
    DataFrame

    Raises
    ------
    UserError
        If a label is not among the classes or is no number, or if a sample has a label already.
    """
    if not len(new):
        return frame
    new = new[new["sample_id"].isin(frame["sample_id"])]  # others were left out as samples
    found = _understood(frame, new, targets)
    _refuse_known(frame, found, new)
    bound = _bound(frame, found.index, near)
    kept = found[~found.index.isin(bound)]
    is_new = frame["sample_id"].isin(kept.index)
    changed = {"split": frame["split"].mask(is_new, "train"), "labelled": frame["labelled"] | is_new}
    changed["hidden"] = frame["hidden"] & ~is_new
    for name in targets:  # what the pool hides of another target stays unknown
        changed[name] = frame[name].mask(is_new & (frame["split"] == "pool"))
        own = frame["sample_id"].map(kept[name].dropna())
        if own.notna().any():
            changed[name] = changed[name].where(own.isna(), own)
    usual = frame.loc[frame["split"] == "train", "weight"].mean()
    changed["weight"] = frame["weight"].mask(is_new & frame["weight"].isna(), usual)
    notes.append(f"labels: {len(kept)} rows have a new label, and are train rows")
    if len(bound):
        notes.append(
            f"labels: {len(bound)} new labels are not used: their samples belong together with validation or test rows"
        )
    changed = frame.assign(**changed)
    if way == "error":
        _refuse_contradictions(changed, targets, is_new)
    return changed


def _understood(frame, new, targets):
    """The new labels of each sample as `read_targets` understands them: DataFrame by sample_id."""
    known = {}
    for name, target in targets.items():
        words = target.get("classes") or natural_sort(rows_of_classes(frame[name].dropna(), target["kind"]).unique())
        known[name] = {"kind": target["kind"], "classes": None if target["kind"] == "regression" else words}
    columns, _, _ = read_targets(new, known, ())
    return pd.DataFrame({**columns, "sample_id": new["sample_id"]}).groupby("sample_id").first()


def _refuse_known(frame, found, new):
    """Refuse labels of rows that are not in the pool, unless a train row lacks that very label."""
    rows, file_of = frame.set_index("sample_id").loc[found.index], new.set_index("sample_id")["table"]
    held_out = rows["split"].isin(HELD_OUT)
    said = []
    for name in found:
        again = found[name].notna() & (held_out | ((rows["split"] == "train") & rows[name].notna()))
        files = file_of[~file_of.index.duplicated()]
        said += [f"{files[one]}: '{one}' ({rows.loc[one, 'split']}, {name})" for one in found.index[again]]
    if said:
        raise UserError(
            f"{len(said)} new labels are of samples that have one already:{listed(said)}",
            "labels",
            "samples of the pool",
            "take their lines out of the file, or the file out of `labels` once your own table has its labels",
        )


def _bound(frame, ids, near):
    """Those of the samples that belong together with validation or test rows."""
    groups = splits.group_names(frame)
    words = splits.bind(frame["sample_id"].to_numpy(object), groups, frame["same_sha256"].to_numpy(object))
    held_out = frame["split"].isin(HELD_OUT)
    bound = pd.Series(words, frame.index).isin(words[held_out])
    if near is not None:
        own = set(frame.loc[held_out, "same_sha256"])
        beside = {one for pair in near for one in pair if own.intersection(pair)}
        bound |= frame["same_sha256"].isin(beside)
    return ids[ids.isin(frame.loc[bound, "sample_id"])]


def _refuse_contradictions(frame, targets, is_new):
    """Refuse a new label that another row of the same content contradicts."""
    rows = copies.find_copies(frame, targets)
    rows = rows[rows["contradicting"]]
    rows = rows[rows["same_sha256"].isin(frame.loc[is_new, "same_sha256"])]
    if len(rows):
        said = [f"{place} [{split}]" for place, split in zip(places(rows), rows["split"], strict=True)]
        raise UserError(f"a new label contradicts that of a row with the same content:{listed(said)}", "labels")
