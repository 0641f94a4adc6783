"""Look at the data with a guessed entry: what a refusal proposes is tried, and stays in the entry if it helps."""

import re
import tempfile
from pathlib import Path

from graft.common.errors import UserError
from graft.data.prepare import prepare
from graft.data.splitting.limit import LEAST

LOOKED_AT = 3000  # labelled samples that are read whole


def look(found, root):
    """Prepare a part of the data, and fix the entry until it can be taken.

    Parameters
    ----------
    found : Survey; its entry, reasons and notes are changed
    root : Path of the data

    Returns
    -------
    prepare.Prepared

    Raises
    ------
    UserError
        What is left to be said once nothing that it proposes can be written by itself.
    """
    ways = {"on_bad": "skip", "frames": "first", "limit": LOOKED_AT}
    with tempfile.TemporaryDirectory() as folder:
        while True:  # every fix is made once, or raises a number
            try:
                seen = prepare(found.name, found.entry | ways, root, threads=8, cache=Path(folder, "checked.parquet"))
            except UserError as error:
                if not any(
                    fix(found, str(error)) for fix in (_links, _bands, _decimal, _no_id, _copies, _rare, _no_group)
                ):
                    raise
                continue
            if not any(fix(found, seen) for fix in (_skipped_links, _pages, _single)):
                break
    _settle(found, seen)
    return seen


def _links(found, said):
    if "links: follow" not in said or "links" in found.entry["source"]:
        return False
    found.entry["source"]["links"] = "follow"
    found.reasons["source"] = "links lead out of this folder; not for a folder that is not yours"
    return True


def _skipped_links(found, seen):
    return any(_links(found, row["reason"]) for row in seen.card["skipped"])


def _bands(found, said):
    if "`bands: all`" not in said or "bands" in found.entry:
        return False
    found.entry["bands"] = "all"
    found.reasons["bands"] = "or name those that are red, green and blue, such as [3, 2, 1], or one that is grey"
    return True


def _pages(found, seen):
    """Pages that are channels of one image are bands; of other pages the first is taken."""
    if "image" not in seen.card or "bands" in found.entry:
        return False
    channels = seen.frame["page_channels"]
    if not (channels > 1).all():
        return False
    found.entry["bands"] = [1, 2, 3] if channels.min() > 2 else [1]
    found.reasons["bands"] = f"each file holds {channels.min():.0f} channels as pages; name those that show it"
    return True


def _decimal(found, said):
    if "decimal: comma" not in said or "decimal" in found.entry or found.entry.get("separator", "comma") == "comma":
        return False
    found.entry["decimal"] = "comma"
    found.reasons["decimal"] = "1,234 is read as a fraction"
    return True


def _no_id(found, said):
    """Ids that do not distinguish the rows, as where every table counts from 1, are left out."""
    if "leave `columns.id` out" not in said or "id" not in found.entry.get("columns", {}):
        return False
    column = found.entry["columns"].pop("id")
    found.notes.append(f"column '{column}' is not taken as the id: some values are in several rows")
    return True


def _copies(found, said):
    if "`duplicates: drop`" not in said or "duplicates" in found.entry:
        return False
    found.entry["duplicates"] = "drop"
    count = re.search(r"(\d+) contents", said)[1]
    harm = "hold groups together" if "count as" in said else "would be in two splits or have two labels"
    found.reasons["duplicates"] = f"{count} contents {harm}"
    return True


def _rare(found, said):
    """The least class size that a refusal names."""
    proposed = re.findall(r"targets: \{(.+?): \{min_per_class: (\d+)\}\}", said)
    targets = found.entry.setdefault("targets", {"label": {}}) if proposed else {}
    new = [(name, int(least)) for name, least in proposed if targets[name].get("min_per_class", 0) < int(least)]
    for name, least in new:
        targets[name]["min_per_class"] = least
        found.reasons[f"target:{name}"] = "smaller classes are left out: the train split has none of them"
    return bool(new)


def _single(found, seen):
    """Classes that are too small to be in all splits are left out, if two others remain."""
    done = False
    for name, classes in seen.card["classes"].items():
        targets = found.entry.get("targets", {"label": {}})
        totals = {word: sum(part.get(word, 0) for part in classes.values()) for word in seen.targets[name]["classes"]}
        small = [word for word, n in totals.items() if n < LEAST]
        given = seen.card["split"]["how"] == "given"
        if small and not given and len(totals) - len(small) > 1 and "min_per_class" not in targets[name]:
            found.entry["targets"] = targets
            targets[name]["min_per_class"] = LEAST
            shown = ", ".join(small[:3]) + (", .." if len(small) > 3 else "")
            found.reasons[f"target:{name}"] = (
                f"{len(small)} classes of 1 or 2 samples ({shown}) cannot be in train, validation and test"
            )
            done = True
    return done


def _no_group(found, said):
    """A group that does not fit the splits is left out, and why."""
    entry = found.entry
    if "group" not in said:
        return False
    if "group" in entry.get("columns", {}):
        what = f"column '{entry['columns'].pop('group')}'"
        found.reasons.pop("columns", None)
    elif "group" in entry.get("folders", ()):
        what = "a level of folders"
        found.reasons["folders"] = found.reasons["folders"].replace(" groups (", " folders left alone (")
        levels = ["skip" if level == "group" else level for level in entry.pop("folders")]
        while levels[-1] == "skip":
            levels.pop()
        if levels not in (["label"], ["split", "label"]):
            entry["folders"] = levels
    else:
        return False
    first = re.sub(r"\s+", " ", said.split("allowed:")[0].split("hint:")[0])
    found.notes.append(f"{what} looks like groups, but is not taken as such: {first[:300].strip()}")
    return True


def _settle(found, seen):
    """What was used for looking, and the next command needs as well."""
    entry, card = found.entry, seen.card
    if "image" in card and (seen.frame["frames"] > 1).any():
        entry["frames"] = "first"
        found.reasons["frames"] = f"{int((seen.frame['frames'] > 1).sum())} files have several pages: the first is read"
    if card["skipped"]:
        entry["on_bad"] = "skip"
        found.reasons["on_bad"] = f"{len(card['skipped'])} samples cannot be used; make check lists them"
