"""Write a config for a folder, table or array file: `python scripts/new_config.py DATA [CONFIG]`.

It says what it sees and what is likely to go wrong, and never overwrites a file.
"""

import argparse
import logging
import sys
from pathlib import Path

import yaml

from graft.card import in_words
from graft.errors import UserError
from graft.outputs import write_text
from graft.prepare import prepare
from graft.survey import survey
from graft.trouble import troubles

LOOKED_AT = 3000  # labelled samples that are read whole
WHICH_METHODS = "linear takes seconds once the embeddings are there; lp_ft trains the whole network"
BACKBONES = {
    "image": ("effnet-lite0", "small and quick, also without a GPU; larger: resnet50, dinov2-small"),
    "text": ("minilm", "small and quick, also without a GPU; larger: bert, biobert, scibert, chemberta"),
    "vector": ("vectors", "your numbers as they are"),
}


def main(data, path=None):
    """Look at `data`, write the config to `path` (default: NAME.yaml here) and return what to tell the user."""
    found = survey(data)
    path = Path(path or f"{found.name}.yaml")
    if path.exists():
        raise UserError("stands there already and is not overwritten", str(path), hint="CONFIG=another-name.yaml")
    root = Path(found.entry["source"]["path"]).resolve()
    look = {"on_bad": "skip", "duplicates": "allow", "frames": "first", "limit": LOOKED_AT}
    seen = prepare(found.name, found.entry | look, root, threads=8)
    if _choose_pages(found, seen.frame):
        seen = prepare(found.name, found.entry | look | {"bands": found.entry["bands"]}, root, threads=8)
    _mend(found, seen)
    write_text(path, config_text(found, seen))
    return "\n".join([*facts(found, seen), "", f"Written: {path}. Read it, then: make check CONFIG={path}"])


def _choose_pages(found, frame):
    """What to read of files with several pages; whether bands were chosen, so that the images are other ones."""
    if "frames" not in frame:
        return False
    several, channels = int((frame["frames"] > 1).sum()), frame["page_channels"]
    by_channel = bool((channels > 1).all())
    if several or (not by_channel and (channels > 1).any()):
        found.entry["frames"] = "first"
        found.reasons["frames"] = f"{several or (channels > 1).sum()} files hold several pages; the first is read"
    if by_channel:
        count = int(channels.min())
        found.entry["bands"] = [1, 2, 3] if count > 2 else [1]
        found.reasons["bands"] = f"the channels are pages, {count} of them; choose one or three"
    return by_channel


def _mend(found, seen):
    """Entries that the data need to be taken at all."""
    if seen.card["skipped"]:
        found.entry["on_bad"] = "skip"
        found.reasons["on_bad"] = f"{len(seen.card['skipped'])} samples cannot be used; make check lists them"
    serious = [fact for fact in seen.card["duplicates"] if fact["across_splits"] or fact["two_labels"]]
    if serious:
        found.entry["duplicates"] = "drop"
        found.reasons["duplicates"] = f"{len(serious)} contents would stand in two splits or have two labels"


def facts(found, seen):
    """What was seen, line by line."""
    card = seen.card
    table = found.entry.get("table")
    place = str(Path(found.entry["source"]["path"], table if isinstance(table, str) else ""))
    lines = [f"{place}: {in_words(card)}"]
    lines += [f"  {key}: {reason}" for key, reason in found.reasons.items() if not key.startswith("target:")]
    for name, classes in card["classes"].items():
        total = {c: sum(part[c] for part in classes.values()) for c in seen.targets[name]["classes"]}
        shown = ", ".join(f"{c} {n}" for c, n in list(total.items())[:12]) + (", .." if len(total) > 12 else "")
        lines.append(f"  target {name}: {len(total)} classes: {shown}")
    for name, target in seen.targets.items():
        if target["kind"] == "regression":
            values = seen.frame[name].dropna()
            lines.append(
                f"  target {name}: numbers from {values.min():g} to {values.max():g}, median {values.median():g}"
            )
    groups = seen.frame["group"].dropna()
    if len(groups):
        lines.append(f"  {groups.nunique()} groups; none will stand in two splits")
    lines.append("  splits: " + ", ".join(f"{split} {n}" for split, n in card["counts"].items()))
    notes = [*found.notes, *card["notes"], *troubles(seen.frame, seen.targets, card)]
    return lines + (["", "Worth a look:", *(f"  - {note}" for note in notes)] if notes else [])


def config_text(found, seen):
    """The config as YAML with comments."""
    modality = seen.card["modality"]
    backbone, why = BACKBONES[modality]
    # A vector's own numbers are the embedding: there is nothing below the head to train on.
    methods = "linear" if modality == "vector" else "[linear, lp_ft]"
    lines = [
        f"# Made by `make new` for {in_words(seen.card)}.",
        "# Is every line right? Then `make check` with this file, and `make run`. All keys: config/README.md",
        "datasets:",
        f"  {found.name}:",
    ]
    for key, value in found.entry.items():
        if key == "targets":
            lines.append("    targets:")
            lines += [
                _with_reason(f"      {name}: {_flow(target)}", found.reasons.get(f"target:{name}"))
                for name, target in value.items()
            ]
        else:
            lines.append(_with_reason(f"    {key}: {_flow(value)}", found.reasons.get(key)))
    if "folders" not in found.entry and "folders" in found.reasons:
        lines.append(f"    # Its folders: {found.reasons['folders']}")
    lines.append("finetune:")
    for name in seen.targets:
        lines += [
            f"  {name if len(seen.targets) > 1 else found.name}:",
            f"    dataset: {found.name}",
            *([f"    target: {name}"] if len(seen.targets) > 1 else []),
            _with_reason(f"    backbone: {backbone}", why),
            _with_reason(f"    method: {methods}", None if modality == "vector" else WHICH_METHODS),
        ]
    return "\n".join(lines) + "\n"


def _flow(value):
    """A value on one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6).strip()
    return text.removesuffix("...").strip()


def _with_reason(line, reason):
    return f"{line:<40} # {reason}" if reason else line


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("config", nargs="?")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        print(main(arguments.data, arguments.config))
    except UserError as error:
        sys.exit(f"graft cannot go on:\n{error}")
