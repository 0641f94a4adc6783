"""Show a data set before anything is trained on it: samples, splits, duplicates, trouble, and what the models cost."""

import contextlib

import numpy as np
from markupsafe import Markup

from graft.common.errors import UserError
from graft.common.job import job
from graft.common.outputs import read_json, write_text
from graft.config.plan import is_frozen
from graft.data.card import how_split, in_words, rows_of_classes
from graft.data.readers import opener, root_of, settled
from graft.data.samples import read_manifest
from graft.data.survey.trouble import troubles
from graft.evaluation.caveats import cut, nearer, unknown
from graft.report import data_figures, pages
from graft.report.costs import duration, estimate, keeps_images, too_large
from graft.report.data_page import BODY, CSS, SHOWN

CLASSES, PER_SPLIT, PAIRS, FILES = 16, 3, 20, 200  # the most that the page shows of each
LOOKED_AT = 240  # samples that the histograms are made of
PLACE = ["path", "row", "content_sha256"]
SPLITS = ("train", "validation", "test", "pool")


def main(samples, dataset, entry, models, speed, output, lengths=(), nearness=None, words=None, store=None):
    """Write the page.

    Parameters
    ----------
    samples, dataset : paths of the manifest and of dataset.json
    entry : dict, the data set's entry of the config
    models : dict, name -> settings of the models that will be trained on it; of a student also `teachers`, the backbones that answer
    speed : dict, backbone -> what measure_speed wrote; None: the models have been trained, and no cost is estimated
    output : path of the page
    lengths : list of dict, what measure_lengths wrote for each text backbone
    nearness : dict, optional, what measure_nearness wrote
    words : path, optional, of what is unusual, as text for a terminal
    store : dict, the config's; None: it keeps all decoded images
    """
    manifest = read_manifest(samples)
    card, frame = manifest.card, manifest.frame
    look = Look(opener(settled(entry, card), root_of(dataset)), card)
    splits = [split for split in SPLITS if card["counts"].get(split)]
    store = store or {"max_gb": np.inf, "images": [card["dataset"]]}
    trained = {one["backbone"] for one in models.values() if not is_frozen(one)} & set(speed or ())
    notes = [*too_large(card, speed, trained, store), *troubles(frame, manifest.targets, card), *card["notes"]]
    notes = [
        *filter(None, [*map(cut, lengths), *map(unknown, lengths)]),
        *(said for _, said in (nearer(nearness, entry.get("split", {})) if nearness else ())),
        *notes,
    ]
    body = BODY.render(
        name=card["dataset"],
        words=in_words(card),
        licence=card.get("licence"),
        notes=notes,
        speed=speed,
        costs=[] if speed is None else [cost_row(one, card, speed, store) for one in models.values()],
        measured=any(one["library"] != "vectors" for one in (speed or {}).values()),
        threads=max((one.get("threads", 1) for one in (speed or {}).values()), default=1),
        targets=[target_table(name, manifest, splits) for name in manifest.targets],
        splits=splits,
        shown_splits=[split for split in splits if split != "pool"] or splits,
        samples=sample_table(manifest, splits, look),
        more=f"The first {CLASSES} of {len(classes_of(manifest))} classes."
        if len(classes_of(manifest)) > CLASSES
        else "",
        figures=[Markup(figure) for figure in figures_of(manifest, look, speed)],
        shared=[*shared_by_splits(manifest, splits), *near_to_train(nearness)],
        duplicates=[duplicate_of(fact, manifest, look) for fact in card["duplicates"][:PAIRS]],
        more_duplicates=f"and {len(card['duplicates']) - PAIRS} more" if len(card["duplicates"]) > PAIRS else "",
        skipped=card["skipped"][:FILES],
        more_skipped=f"{len(card['skipped'])} in all",
    )
    write_text(output, pages.page(f"Data set {card['dataset']}", body, CSS))
    if words:
        write_text(words, "".join(f"{card['dataset']}: {note}\n" for note in notes))


def near_to_train(nearness):
    """(what, in words): how near each split is to the train rows, where that was measured."""
    if nearness and nearness["median"]:
        medians = ", ".join(f"{split} {value:.3f}" for split, value in nearness["median"].items())
        yield (
            f"median {nearness['measure']} to the nearest train row",
            f"{medians} (embeddings by {nearness['backbone']})",
        )


class Look:
    """Shows samples: images as thumbnails, texts by their beginning, vectors by their first numbers."""

    def __init__(self, load, card):
        self.load, self.card = load, card

    def show(self, rows, target=None):
        """HTML of some rows of the manifest, with their values if the target is a number."""
        values = [f"{value:.4g}" for value in rows[target]] if target else [""] * len(rows)
        shown = zip(rows[PLACE].itertuples(), values, strict=True)
        return Markup(SHOWN.render(some=[self._one(row) | {"value": value} for row, value in shown]))

    def _one(self, row):
        place = row.path if row.row < 0 else f"{row.path}, row {row.row + 1}"
        try:
            value = self.load(row.path, row.row, row.content_sha256)
        except UserError as error:  # deleted since
            return {"path": place, "image": None, "text": error.what}
        if "image" in self.card:
            return {"path": place, "image": pages.thumbnail(value, *self.card["image"]["range"], size=96)}
        text = value[:240] + (" .." if len(value) > 240 else "") if isinstance(value, str) else _numbers(value)
        return {"path": place, "image": None, "text": text}


def _numbers(vector):
    return ", ".join(f"{number:.3g}" for number in vector[:12]) + (", .." if len(vector) > 12 else "")


def classes_of(manifest):
    """The classes of the first target, or no class at all (None) for a number."""
    target = next(iter(manifest.targets.values()))
    return target.get("classes") or [None]


def evenly(rows, count):
    """At most `count` rows, evenly over the table."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)) if len(rows) else []
    return rows.iloc[places]


def sample_table(manifest, splits, look):
    """For each class the samples of each split; the pool has no classes and has a row of its own."""
    first, rows = next(iter(manifest.targets)), []
    frame, number = manifest.frame, first if manifest.targets[first]["kind"] == "regression" else None
    for name in classes_of(manifest)[:CLASSES]:
        of_class = frame[frame[first].notna()] if name is None else frame[has_class(manifest, first, name)]
        parts = [of_class[of_class["split"] == split] for split in splits if split != "pool"]
        cells = [look.show(evenly(part, PER_SPLIT), number) for part in parts]
        rows.append({"name": "any value" if name is None else name, "cells": cells})
    if "pool" in splits:
        rows.append(
            {"name": "not labelled", "cells": [look.show(evenly(frame[frame["split"] == "pool"], 2 * PER_SPLIT))]}
        )
    return rows


def has_class(manifest, target, name):
    """Which rows of the manifest have a class of a target; array of bool."""
    values = manifest.frame[target]
    if manifest.targets[target]["kind"] == "multilabel":
        return manifest.codes(target)[:, manifest.targets[target]["classes"].index(name)] == 1
    return (values == name).to_numpy(bool)


def target_table(name, manifest, splits):
    """Rows of a table: samples per class and split; for a number its quantiles."""
    frame, target = manifest.frame, manifest.targets[name]
    parts = [frame.loc[frame["split"] == split, name].dropna() for split in splits]
    everything = frame[name].dropna()
    if target["kind"] != "regression":
        counts = [rows_of_classes(part, target["kind"]).value_counts() for part in (*parts, everything)]
        rows = [[c, *(int(count.get(c, 0)) for count in counts)] for c in target["classes"]]
        return {"name": name, "classes": True, "rows": rows}
    figures = {
        "lowest": "min",
        "median": "median",
        "mean": "mean",
        "standard deviation": "std",
        "highest": "max",
        "samples": "count",
    }
    rows = [
        [said, *(f"{getattr(part, what)():.4g}" if len(part) else "" for part in (*parts, everything))]
        for said, what in figures.items()
    ]
    return {"name": name, "classes": False, "rows": rows}


def figures_of(manifest, look, speed):
    """The histograms that suit the modality."""
    frame, card = manifest.frame, manifest.card
    first = next(iter(manifest.targets))
    some, values = evenly(frame, LOOKED_AT), {}
    for row in some[PLACE].itertuples():
        with contextlib.suppress(UserError):  # deleted since
            values[row.Index] = look.load(row.path, row.row, row.content_sha256)
    some, values = some.loc[list(values)], list(values.values())
    labels = some[first].to_numpy(object)
    classes = [name for name in classes_of(manifest) if name is not None]
    if "image" in card:
        found = np.array([(value.shape[1], value.shape[0]) for value in values])
        size = some.assign(width=found[:, 0], height=found[:, 1])
        return [data_figures.sizes(size), data_figures.intensities(values, labels, classes, *card["image"]["range"])]
    if "text" in card:
        words = np.array([len(value.split()) for value in values])
        return [data_figures.lengths(words, some["split"].to_numpy(object))]
    names = card.get("columns", {}).get("features")
    return [data_figures.profiles(np.stack(values), labels, classes, names if isinstance(names, list) else None)]


def shared_by_splits(manifest, splits):
    """(what, in words) for all that two splits may have in common."""
    frame = manifest.frame
    labelled = [split for split in splits if split != "pool"]
    said = [("how the splits were made", how_split(manifest.card["split"], manifest.card["counts"]))]
    for column, what in (("group", "groups"), ("content_sha256", "contents")) if labelled else ():
        sets = {split: set(frame.loc[frame["split"] == split, column].dropna()) for split in labelled}
        if not any(sets.values()):
            said.append((what, "no group is known: samples of one patient, plate or site may be in several splits"))
            continue
        counts = ", ".join(f"{split} {len(found)}" for split, found in sets.items())
        common = sum(len(sets[a] & sets[b]) for i, a in enumerate(labelled) for b in labelled[i + 1 :])
        said.append((what, f"{counts}; {common or 'none'} in two splits"))
    for name, target in manifest.targets.items():
        if target["kind"] != "regression" and len(labelled) > 1:
            parts = {s: frame.loc[frame["split"] == s, name].dropna() for s in labelled}
            shares = {
                s: rows_of_classes(part, target["kind"]).value_counts() / max(1, len(part)) for s, part in parts.items()
            }
            gaps = {
                c: max(p.get(c, 0) for p in shares.values()) - min(p.get(c, 0) for p in shares.values())
                for c in target["classes"]
            }
            worst = max(gaps, key=gaps.get)
            said.append((f"shares of {name}", f"alike within {gaps[worst]:.1%} (largest difference: {worst})"))
    if "pool" in splits:
        known = set(frame.loc[frame["split"] != "pool", "content_sha256"])
        both = int(frame.loc[frame["split"] == "pool", "content_sha256"].isin(known).sum())
        said.append(("pool and labelled", f"{both or 'no'} contents in both"))
    return said


def duplicate_of(fact, manifest, look):
    """One content that is in several rows: what it is, and where."""
    rows = manifest.frame[manifest.frame["sample_id"].isin(fact["samples"])].set_index("sample_id", drop=False)
    first = next(iter(manifest.targets))
    lines = [
        f"{name}: {rows.loc[name, 'split']}, {rows.loc[name, first]}" if name in rows.index else f"{name}: left out"
        for name in fact["samples"]
    ]
    wrong = [
        said for key, said in (("across_splits", "in several splits"), ("two_labels", "with two labels")) if fact[key]
    ]
    return {"shown": look.show(rows.head(1)), "lines": [*lines, *wrong]}


def cost_row(model, card, speed, store):
    """A model's estimate as words; `speed` and `store` are those of `main`."""
    if model.get("search"):
        blank = dict.fromkeys(("forwards", "trained", "gpu_seconds", "memory", "disk"), "")
        return {"name": model["name"], **blank, "seconds": duration(60 * model["search"]["minutes"])}
    teacher = one_after_the_other([speed[name] for name in model["teachers"]]) if model["stage"] == "distill" else None
    measured = speed[model["backbone"]]
    kept = keeps_images(card, measured, store)
    told = estimate(model, card["counts"], measured, not is_frozen(model), teacher, kept)
    return {
        "name": model["name"] + (f", {len(model['seeds'])} seeds" if len(model["seeds"]) > 1 else ""),
        "forwards": f"{told['forwards']:,}",
        "trained": f"{told['trained']:,}" if told["trained"] else "",
        "seconds": duration(told["seconds"]),
        "gpu_seconds": duration(told["gpu_seconds"]),
        "memory": _bytes(told["memory_bytes"]),
        "disk": _bytes(told["disk_bytes"]),
    }


def one_after_the_other(speeds):
    """What was measured of a teacher's backbone; of an ensemble's backbones, what they take together."""
    seconds, operations = (sum(1 / one["embedded_per_s"] for one in speeds), sum(one["operations"] for one in speeds))
    return {"embedded_per_s": 1 / seconds, "operations": operations}


def _bytes(count):
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


if "snakemake" in globals():
    from pathlib import Path

    with job(snakemake.log[0], snakemake.threads):
        source = snakemake.input
        nearness = source.get("nearness")  # of a page that is made once the models are trained
        main(
            samples=source.samples,
            dataset=source.dataset,
            entry=snakemake.config["datasets"][snakemake.wildcards.dataset],
            models=snakemake.params.models,
            speed=None
            if nearness
            else {Path(path).name.split(".")[-2]: read_json(path) for path in source.get("speed", [])},
            output=snakemake.output.page,
            lengths=[read_json(path) for path in source.get("lengths", [])],
            nearness=read_json(nearness) if nearness else None,
            words=snakemake.log.get("words"),
            store=snakemake.config["store"],
        )
