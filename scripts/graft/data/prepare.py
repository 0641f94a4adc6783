"""From a data set's files to its manifest: list, label, check, split, look for duplicates, describe."""

import logging
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from graft.common.errors import UserError
from graft.common.outputs import write_json, write_parquet, write_text
from graft.common.spelling import look_alike
from graft.data.card import count, describe, notes_of, rows_of_classes
from graft.data.checking import check_samples
from graft.data.images import image_format, values_of
from graft.data.labels import check_classes, read_targets
from graft.data.listing.rows import SUBGROUP, listed, places
from graft.data.new_labels import read_new_labels, with_new_labels
from graft.data.readers import complete, list_samples
from graft.data.samples import COLUMNS, digest_of_rows, write_manifest
from graft.data.splitting import alike, copies, left_out, splits
from graft.data.splitting.limit import limited
from graft.data.weights import read_weights, refuse_nothing

logger = logging.getLogger("graft")
ROLE = {"domains": [], "learned": True}  # of a data set that adapt does not name, see plan.role_of
MOST_COMPARED = 100_000  # groups whose names are looked at: more take seconds


@dataclass
class Prepared:
    """A manifest's frame, its targets as in labels.json, the data card, and the labels that `split.pool` hides.

    hidden : DataFrame with sample_id and the targets
    domains : the targets that say which domain a sample is from
    """

    frame: pd.DataFrame
    targets: dict
    card: dict
    hidden: pd.DataFrame
    domains: list


def prepare(name, entry, root, threads=1, cache=None, role=ROLE):
    """Prepare a data set.

    Parameters
    ----------
    name : str, the data set's name in the config
    entry : dict, its entry
    root : folder of the data
    threads : int, for reading and decoding
    cache : path, optional; see checking.check_samples
    role : dict, what the data set is used for; see plan.role_of

    Returns
    -------
    Prepared

    Raises
    ------
    UserError
        For everything in the data that cannot be trained on.
    """
    entry = complete(entry)
    frame, facts, targets, notes = _list_with_targets(name, entry, root)
    modality, settings = facts["modality"], entry["targets"]
    asked = left_out.in_given_splits(frame, targets)
    classes = left_out.count_classes(frame, targets, len(asked) > 0)
    frame = left_out.without_rare(frame, targets, settings, classes, notes)
    domains, learned = role["domains"], [one for one in targets if one not in role["domains"]]
    new = read_new_labels(entry, frame["sample_id"], learned)
    frame, given = _labelled_or_pool(frame, targets, notes, role)
    frame["weight"] = read_weights(frame, entry, learned)
    frame = limited(frame, targets, entry["limit"], notes)
    found = check_samples(frame, entry, root, modality, threads, cache)
    listing = frame
    frame, skipped = _without_bad(frame.join(found), entry["on_bad"])
    frame, dropped = copies.drop_first(frame, targets, entry["duplicates"])
    frame = left_out.without_classes_now_rare(frame, listing, skipped, targets, settings, classes, given, notes)
    left_out.refuse_lost_splits(asked, frame, skipped, dropped)
    asked_about = frame["labelled"] | frame["sample_id"].isin(new["sample_id"])
    frame, near = alike.bind_near_copies(frame, asked_about, entry, root, modality, given, notes, threads)
    frame, split_facts = _split(frame, targets, entry, given)
    notes += _notes_on_groups(frame)
    frame, duplicates = copies.resolve(frame, targets, entry["duplicates"], notes, dropped)
    frame = _hide(frame, targets, entry, notes)
    frame = with_new_labels(frame, new, {one: targets[one] for one in learned}, near, entry["duplicates"], notes)
    near = alike.of_labelled(frame, near)
    notes += check_classes(frame, targets, split_facts["how"], classes, role)
    frame = _with_folds(frame, targets, entry, notes)
    hidden = frame.loc[frame["hidden"], ["sample_id", *targets]].sort_values("sample_id", ignore_index=True)
    for target in learned:  # a label of a row that is not learned from must not make anything run again
        frame[target] = frame[target].mask(frame["split"] == "pool")
    frame["weight"] = frame["weight"].mask(frame["split"] == "pool")
    refuse_nothing(frame, entry, {name: targets[name]["kind"] for name in learned if role["learned"]})
    frame["sampling_unit"] = alike.sampling_units(frame, near)
    frame["labelled_copy"] = copies.in_pool_and_labelled(frame)
    frame = frame.sort_values("sample_id", kind="stable", key=lambda ids: ids.astype(object)).reset_index(drop=True)
    card = {"dataset": name, **facts, **count(frame, targets), **describe(frame, modality, entry)}
    notes += notes_of(frame, modality, entry)
    card |= {"split": split_facts, "skipped": skipped, "duplicates": duplicates}
    card |= {"near_duplicates": alike.facts_of(frame, near, notes), "notes": notes}
    for note in notes:
        logger.info("%s: %s", name, note)
    return Prepared(frame, targets, card, hidden, domains)


def _list_with_targets(name, entry, root):
    """The listing with a column per target, what its reader found, the targets as in labels.json, and notes."""
    _refuse_reserved(entry["targets"])
    frame, facts = list_samples(entry, root)
    logger.info("%s: %d rows, reader %s, modality %s", name, len(frame), facts["reader"], facts["modality"])
    notes, named = facts.pop("notes"), facts.pop("named")
    columns, targets, said = read_targets(frame, entry["targets"], entry["missing"], named, entry["decimal"])
    frame = frame.drop(columns=[c for c in frame.columns if c.startswith("label:")]).assign(**columns)
    return frame, facts, targets, notes + said


def write(prepared, outputs):
    """Write samples, labels, card and the digests (see `digests_of`) to the paths of `outputs`, those that it names."""
    writers = {
        "samples": lambda path: write_manifest(path, prepared.frame, prepared.targets),
        "labels": lambda path: write_json(path, {"targets": prepared.targets}),
        "card": lambda path: write_json(path, prepared.card),
        "hidden": lambda path: write_parquet(path, prepared.hidden),
    }
    for name, digest in digests_of(prepared).items():
        writers[name] = partial(write_text, text=digest + "\n")
    for name, path in outputs.items():
        writers[name](path)


def digests_of(prepared):
    """What tells the jobs below that something changed which they depend on.

    Returns
    -------
    dict of hex sha256
        labelled : the labelled rows, with splits and labels, which figures and metrics see
        training : the same without the test rows: a training sees no more
        contents : which samples are labelled, all that an embedding depends on
        pool : which samples are not, and which of them are copies of those that are
        unlabelled : all samples but those of test, with their domains: what a model is adapted to
        subgroups : the subgroups of all samples, also of the pool, whose sets may depend on them
    """
    frame, targets = prepared.frame, prepared.targets
    # What the numbers of a picture mean belongs to every part: another range is another embedding.
    meaning = {"modality": prepared.card["modality"]}
    if "image" in prepared.card:
        meaning |= values_of(image_format(prepared.card))
    hidden = {"hidden": digest_of_rows(prepared.hidden, {})} if len(prepared.hidden) else {}
    if "vector" in prepared.card:  # the names of columns may be wavelengths
        meaning |= {"columns": prepared.card.get("columns", {}).get("features")}
    names, labels = ["sample_id", "content_sha256"], ["split", "fold", "group", *targets]
    labelled, pool = frame[frame["split"] != "pool"], frame[frame["split"] == "pool"]
    training, shown = labelled[labelled["split"] != "test"], frame[frame["split"] != "test"]
    weight = ["weight"] if training["weight"].notna().any() else []
    subgroups = [name for name in frame if name.startswith(SUBGROUP)]
    copied = pool.loc[pool["labelled_copy"], "sample_id"].tolist()
    return {
        "labelled": digest_of_rows(
            labelled[[*names, *labels, "sampling_unit"]], {"targets": targets, **meaning, **hidden}
        ),
        "training": digest_of_rows(training[names + labels + weight], {"targets": targets, **meaning}),
        "contents": digest_of_rows(labelled[names], meaning),
        "unlabelled": digest_of_rows(shown[[*names, *prepared.domains]], {"targets": targets, **meaning}),
        "subgroups": digest_of_rows((frame if subgroups else labelled)[["sample_id", *subgroups]], {}),
        "pool": digest_of_rows(pool[names], meaning | ({"copies": copied} if copied else {})),
    }


def _refuse_reserved(targets):
    wrong = [name for name in targets if name in COLUMNS]
    if wrong:
        raise UserError(
            f"targets called {', '.join(wrong)}",
            "targets",
            f"names other than {', '.join(COLUMNS)}",
            "rename the target",
        )


def _labelled_or_pool(frame, targets, notes, role):
    """Add `labelled`; give back the frame and the splits that the user made (None if none)."""
    has_label = frame[list(targets)].notna().any(axis=1)
    given = splits.given_splits(frame)
    words = splits.splits_said(frame)
    hidden = has_label & (words == "pool")
    unseen = hidden & frame[[one for one in targets if one not in role["domains"]]].notna().any(axis=1)
    if unseen.any():
        notes.append(f"{int(unseen.sum())} rows of the pool have labels, which are not looked at")
    lost = ~has_label & words.isin(["train", "validation", "test"])
    if lost.any():
        notes.append(f"{int(lost.sum())} rows have a split but no label: they are in the pool")
    labelled = has_label & ~hidden
    if given is not None:
        silent = labelled & given.isna()
        if silent.any():
            raise UserError(
                f"{int(silent.sum())} labelled rows have no split:{listed(places(frame[silent]))}",
                "columns.split",
                "train, validation, test, pool",
            )
    if not labelled.any() and not role["learned"]:
        notes.append("no row is labelled: models are adapted to these rows, and nothing is measured")
    elif not labelled.any():
        raise UserError(
            "no row is labelled", ", ".join(f"target {t}" for t in targets), hint="is the label's column right?"
        )
    frame = frame.assign(labelled=labelled, given=given if given is not None else None)
    return frame, given is not None


def _without_bad(frame, on_bad):
    bad = frame["reason"].notna()
    skipped = [
        {"sample_id": i, "path": p, "row": int(r), "reason": reason}
        for i, p, r, reason in zip(*(frame.loc[bad, c] for c in ("sample_id", "path", "row", "reason")), strict=True)
    ]
    skipped = [{key: _plain(value) for key, value in row.items()} for row in skipped]
    if len(skipped) and on_bad != "skip":
        lines = [
            f"{place}: {reason}" for place, reason in zip(places(frame[bad]), frame.loc[bad, "reason"], strict=True)
        ]
        raise UserError(
            f"{len(lines)} of {len(frame)} samples cannot be used:{listed(lines)}",
            hint="fix or remove them; or leave them out with `on_bad: skip`, which lists them in the data card",
        )
    if bad.all():
        raise UserError(f"none of {len(frame)} samples can be used: {skipped[0]['path']}: {skipped[0]['reason']}")
    if len(skipped):
        logger.warning(
            "%d of %d samples cannot be used and are left out; the data card lists them", len(skipped), len(frame)
        )
    return frame[~bad].reset_index(drop=True), sorted(skipped, key=lambda row: str(row["sample_id"]))


def _split(frame, targets, entry, given):
    labelled = frame["labelled"].to_numpy(bool)
    rows = frame[labelled]
    parts, how, carved = splits.make_splits(
        rows["sample_id"].to_numpy(object),
        _strata(rows, targets, rows["given"] == "train" if given else None),
        splits.group_names(rows),
        splits.objects(rows["given"]) if given else None,
        entry["split"],
        entry["split_seed"],
        rows["alike"].to_numpy(object),
    )
    out = np.full(len(frame), "pool", dtype=object)
    out[labelled] = parts
    return frame.drop(columns="split").assign(split=pd.Series(out, dtype="str")), {
        "how": how,
        "taken_from_train": carved,
    }


def _hide(frame, targets, entry, notes):
    """Make a part of the train rows rows of the pool, and mark them as `hidden`."""
    share, train = entry["split"].get("pool"), (frame["split"] == "train").to_numpy(bool)
    hidden = np.zeros(len(frame), bool)
    if share:
        rows = frame[train]
        hidden[train] = splits.make_pool(
            rows["sample_id"].to_numpy(object),
            _strata(rows, targets),
            splits.group_names(rows),
            share,
            entry["split"],
            entry["split_seed"],
            rows["alike"].to_numpy(object),
        )
        _refuse_to_hide_all(rows, hidden[train], targets)
        notes.append(
            f"split.pool: the labels of {hidden.sum()} of {train.sum()} train rows are hidden, and used for metrics only"
        )
    return frame.assign(hidden=hidden, split=frame["split"].mask(hidden, "pool"))


def _refuse_to_hide_all(train, hidden, targets):
    """Refuse a share after which a class has no train row."""
    for name, target in targets.items():
        if target["kind"] == "regression":
            continue
        before, after = (set(rows_of_classes(rows[name].dropna(), target["kind"])) for rows in (train, train[~hidden]))
        if gone := before - after:
            what = f"hides all train rows of class {', '.join(repr(word) for word in sorted(gone))} of target {name}"
            raise UserError(what, "split.pool", "a share that leaves train rows of every class", "a smaller share")


def _notes_on_groups(frame):
    """How many groups each split has, and how many are kept together because they share a content."""
    rows = frame[frame["labelled"]]
    groups = splits.group_names(rows)
    if groups is None:
        return []
    words = splits.bind(rows["sample_id"].to_numpy(object), groups, rows["alike"].to_numpy(object))
    rows = rows.assign(group=groups, unit=words).dropna(subset="group")
    in_split = rows.groupby("split")["group"].nunique()
    counts = ", ".join(f"{name} {in_split[name]}" for name in ("train", "validation", "test") if name in in_split)
    joined = rows.groupby("unit")["group"].nunique()
    joined = int(joined[joined > 1].sum())
    also = f"; {joined} of them share a content with another group" if joined else ""
    notes = [f"{rows['group'].nunique()} groups: {counts}{also}"]
    pairs = look_alike(rows["group"].unique()) if rows["group"].nunique() <= MOST_COMPARED else []
    if pairs:
        shown = "; ".join(" and ".join(f"'{name}'" for name in pair) for pair in pairs[:3])
        more = "; .." if len(pairs) > 3 else ""
        notes.append(f"groups {shown}{more} look alike; if they are one group, write them the same way in the data")
    return notes


def _with_folds(frame, targets, entry, notes):
    train = (frame["split"] == "train").to_numpy(bool)
    rows, groups = frame[train], splits.group_names(frame[train])
    ids, contents = rows["sample_id"].to_numpy(object), rows["alike"].to_numpy(object)
    growth_stable = bool(entry["split"].get("growth_stable"))
    count = min(entry["folds"], len(set(splits.bind(ids, groups, contents, growth_stable))))
    if entry["columns"].get("fold"):
        folds = splits.given_folds(rows, groups)
        copies.refuse_in_several_folds(rows, folds, entry["duplicates"])
    elif count < 2:
        folds = -1
        if len(rows):
            notes.append(
                "the train split is a single group: no fold can be held out, so train rows get no out-of-fold probabilities"
            )
    else:
        strata = _strata(rows, targets)
        folds = splits.make_folds(ids, strata, groups, count, growth_stable, entry["split_seed"], contents)
        if count < entry["folds"]:
            notes.append(f"folds: {count} instead of {entry['folds']}, as many as the train split has groups")
    out = np.full(len(frame), -1, np.int16)
    out[train] = folds
    return frame.drop(columns="fold").assign(fold=out)


def _strata(rows, targets, drawn=None):
    """What to stratify by: the first target with classes, else the first target.

    `drawn` (bool Series) are the rows that are drawn from, by default all. The bins of values are made from these rows,
    so that no value of the test split decides anything.
    """
    name = next((n for n, t in targets.items() if t["kind"] != "regression"), next(iter(targets)))
    values = rows[name] if drawn is None else rows[name].where(drawn)
    return splits.strata(values, targets[name]["kind"])


def _plain(value):
    return None if isinstance(value, float) and np.isnan(value) else value
