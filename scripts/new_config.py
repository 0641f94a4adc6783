"""Write a config for a folder, table or array file: `python scripts/new_config.py DATA [CONFIG]`.

It says what it sees and what is likely to go wrong, and never overwrites a file.
"""

import argparse
import logging
import re
import sys
from pathlib import Path

import numpy as np
import yaml

from graft.common.errors import REASON, UserError
from graft.common.outputs import write_text
from graft.config.plan import known_backbones
from graft.data.card import in_words
from graft.data.splitting.splits import make_splits, strata
from graft.data.survey import survey
from graft.data.survey.proposals import look
from graft.data.survey.trouble import troubles
from graft.data.tables.axis import axis_of
from graft.evaluation.caveats import cut

HERE = Path(__file__).resolve().parents[1]
TOKENS_PER_WORD, CHARACTERS_PER_TOKEN = 4 / 3, 5  # of English prose; make check counts
FEWEST_OF_A_SPECTRUM = 10  # columns
LONGEST = 512  # tokens that the proposed text network has positions for
WIDE = 118  # characters of a line of the config
WHICH_METHODS = "linear takes seconds once the embeddings are there; lp_ft trains the whole network"
BACKBONES = {
    "image": ("effnet-lite0", "small and quick, also without a GPU; larger: resnet50, dinov2-small"),
    "text": ("minilm", "small and quick, also without a GPU; larger: bert, biobert, scibert, chemberta"),
    "vector": ("vectors", "your numbers as they are"),
}


def main(data, path=None):
    """Look at `data`, write the config to `path` (default: NAME.yaml here) and return what to tell the user."""
    if not str(data).strip() or Path(data).resolve() == HERE:
        raise UserError(
            "DATA names no data" if not str(data).strip() else "DATA is graft's own folder",
            "make new",
            "a folder of images or texts, a table, or an array file",
            "make new DATA=path/to/your-data [CONFIG=mine.yaml]",
        )
    found = survey(data)
    path = Path(path or f"{found.name}.yaml")
    if path.exists():
        raise UserError("exists already and is not overwritten", str(path), hint="CONFIG=another-name.yaml")
    seen = look(found, Path(found.entry["source"]["path"]).resolve())
    write_text(path, config_text(found, seen))
    return "\n".join([*facts(found, seen), "", f"Written: {path}. Read it, then: make check CONFIG={path}"])


def facts(found, seen):
    """What was seen, line by line."""
    card = seen.card
    table = found.entry.get("table")
    place = str(Path(found.entry["source"]["path"], table if isinstance(table, str) else ""))
    lines = [f"{place}: {in_words(card)}", *(f"  {part}" for part in _parts_seen(card))]
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
        alone = _groups_in_two_splits(seen)
        why = f"; without them {alone} would, and metrics would be too good" if alone else ""
        lines.append(f"  {groups.nunique()} groups; none will be in two splits{why}")
    lines.append("  splits: " + ", ".join(f"{split} {n}" for split, n in card["counts"].items()))
    said = [note for note in card["notes"] if not note.startswith("limit: ")]
    notes = [*found.notes, *_long_texts(seen), *said, *troubles(seen.frame, seen.targets, card)]
    return lines + (["", "Worth a look:", *(f"  - {note}" for note in notes)] if notes else [])


def _parts_seen(card):
    """How much was looked at, where that is not all."""
    for note in card["notes"]:
        if taken := re.match(r"limit: (\d+) of (\d+) (\w+) rows", note):
            yield f"looked at {taken[1]} of {taken[2]} {taken[3]} rows; make check takes all"


def _groups_in_two_splits(seen):
    """Of how many groups the rows would be in several splits, if they were drawn without them."""
    if seen.card["split"]["how"] != "grouped":
        return 0
    rows = seen.frame[seen.frame["split"] != "pool"]
    name, target = next(iter(seen.targets.items()))
    ids = rows["sample_id"].to_numpy(object)
    drawn, _, _ = make_splits(ids, strata(rows[name], target["kind"]), None, None, {}, 0)
    return int((rows.assign(drawn=drawn).groupby("group")["drawn"].nunique() > 1).sum())


def _long_texts(seen):
    """A note on texts that the proposed network reads the beginning of alone, estimated: nothing is downloaded here."""
    if seen.card["modality"] != "text":
        return
    name = BACKBONES["text"][0]
    length = known_backbones()[name]["max_length"]
    words, characters = (seen.frame[column].to_numpy(float) for column in ("words", "characters"))
    tokens = np.maximum(words * TOKENS_PER_WORD, characters / CHARACTERS_PER_TOKEN).astype(int)
    proposed = min(64 * (int(tokens.max()) // 64 + 1), LONGEST)
    said = cut(
        {
            "backbone": name,
            "max_length": length,
            "texts": len(tokens),
            "cut": int((tokens > length).sum()),
            "longest": int(tokens.max()),
            "seen": float(np.minimum(tokens, length).sum() / max(1, tokens.sum())),
            "proposed": proposed,
            "still_cut": int((tokens > proposed).sum()),
        }
    )
    if said:
        yield f"by their words (make check counts tokens): {said}"


def config_text(found, seen):
    """The config as YAML with comments."""
    modality = seen.card["modality"]
    backbone, why = BACKBONES[modality]
    # A vector's own numbers are the embedding: there is nothing below the head to train on.
    methods = "linear" if modality == "vector" else "[linear, lp_ft]"
    lines = [
        f"# Made by `make new` for {in_words(seen.card)}.",
        *(f"# It {part}." for part in _parts_seen(seen.card)),
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
            lines.append(_with_reason(f"    {key}: {_block(value)}", found.reasons.get(key)))
    if "folders" not in found.entry and "folders" in found.reasons:
        lines.append(f"    # Its folders: {found.reasons['folders']}")
    lines += _about_spectra(seen.card)
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


def _about_spectra(card):
    """Comments on preprocessing where the columns are an axis; rows or parts that are only numbered are none."""
    names = card.get("columns", {}).get("features")
    word, places = axis_of(names if isinstance(names, list) else None) or ("", [])
    if len(places) < FEWEST_OF_A_SPECTRUM or min(places) in (0, 1):
        return []
    return [
        f"# The columns are an axis ({places[0]:g} to {places[-1]:g}{f', {word}' if word else ''}). If these are spectra, this often helps,",
        '# above all between instruments; compare by `backbone: [vectors, snv]`. More steps: config/README.md, "Spectra"',
        "# backbones:",
        "#   snv: {library: vectors, preprocess: [snv]}",
    ]


def _flow(value):
    """A value on one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6).strip()
    return text.removesuffix("...").strip()


def _block(value):
    """A value on one line of YAML, or a mapping with long lists on several."""
    if not isinstance(value, dict) or len(_flow(value)) < WIDE:
        return _flow(value)
    lines = [""]
    for key, one in value.items():
        lines.append(f"      {key}:")
        wrapped = yaml.safe_dump(one, default_flow_style=True, allow_unicode=True, sort_keys=False, width=WIDE - 10)
        lines += [f"        {line.strip()}" for line in wrapped.removesuffix("...\n").splitlines()]
    return "\n".join(lines)


def _with_reason(line, reason):
    first, *rest = line.split("\n")
    if rest:
        return "\n".join([_with_reason(first, reason), *rest])
    return f"{line:<40} # {reason}" if reason else line


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default="")
    parser.add_argument("config", nargs="?")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        print(main(arguments.data, arguments.config))
    except UserError as error:
        sys.exit(f"{REASON}{error}")
