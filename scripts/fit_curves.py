"""Measure how the best backbone's linear head, and models that ask for it, improve with the number of labels; and extrapolate."""

import logging
from dataclasses import replace

import pandas as pd

from graft.common import plugins
from graft.common.job import job
from graft.common.outputs import read_json, write_csv
from graft.config.plan import UNTRAINED, VECTORS
from graft.curves.forecast import forecast, nothing
from graft.curves.measuring import JUDGED, Rows, leading, measurements
from graft.curves.table import ERRORS, forecast_rows, measured_row, none_row, table_of
from graft.curves.trained import measurements_of, read_asked
from graft.data.samples import read_manifest
from graft.heads.principal_axes import DEAD
from graft.store.feature_files import features_of

logger = logging.getLogger("graft")
MOST = 10_000  # rows of a split


def main(samples, rankings, features, backbones, predictions, subsets, target, output):
    """Write the measured curves and what they foretell, for validation and test rows.

    Parameters
    ----------
    samples : path of the manifest
    rankings : list of path of transferability.csv, one or none
    features, backbones : list of path, embeddings of the labelled rows and backbone.json of each backbone, in the same order
    predictions, subsets : list of path, of the models whose entries ask for a curve, see trained.read_asked
    target : str
    output : path of the table
    """
    manifest = read_manifest(samples)
    frame, count = labelled(manifest, target)
    facts = manifest.targets[target]
    kind = plugins.load("kind", facts["kind"])
    rows = Rows(frame, frame[target], None, manifest.codes(target, frame), facts, kind)
    found = curve_of_heads(rows, rankings, features, backbones, count)
    for asked in read_asked(predictions, subsets):
        found += curve_of(rows, asked.model, measurements_of(asked, rows, count), count, 1.0, asked.too_few)
    write_csv(output, table_of(found))


def curve_of_heads(rows, rankings, features, backbones, count):
    """The rows of the table of the linear head on the best backbone."""
    known = {one["name"]: (one, path) for one, path in zip(map(read_json, backbones), features, strict=True)}
    best = next((best_backbone(pd.read_csv(path), rows.values.name, known) for path in rankings), None)
    if best is None:
        return [none_row("", split, "", "no backbone could be ranked") for split in JUDGED]
    backbone, path = known[best]
    dead = 0.0 if backbone["library"] == VECTORS else DEAD
    rows = replace(rows, features=features_of(rows.frame, path), dead=dead)
    return curve_of(rows, f"linear on {best}", measurements(rows), count, len(rows.train) / count if count else 1.0)


def best_backbone(ranking, target, known):
    """The backbone with pretrained weights whose linear probe is the best on train and validation rows; None if none is ranked."""
    own = ranking[(ranking["target"] == target) & (ranking["method"] == "linear") & ranking["backbone"].isin(known)]
    own = own[~own["backbone"].str.endswith(UNTRAINED)].sort_values(["rank", "backbone"])
    return None if own.empty else own["backbone"].iloc[0]


def labelled(manifest, target):
    """The rows with a label, of each split at most MOST, the same ones in any order; and how many train rows have one."""
    rows = manifest.part("labelled")
    rows = rows[rows[target].notna()]
    some = rows.sort_values("content_sha256", kind="stable").groupby("split").head(MOST)
    return some.sort_index().reset_index(drop=True), int((rows["split"] == "train").sum())


def curve_of(rows, model, found, count, share, too_few=""):
    """The rows of the table of one curve.

    Parameters
    ----------
    found : what measuring.measurements gives
    count : int, the labelled train rows that there are
    share : float, the share of them that fraction 1 of `found` is
    too_few : str, why no forecast was asked for; "" if one was
    """
    if not found or found[-1][0] < 1:
        why = rows.unfit("validation") or "the labels of the train rows are too few, or all the same"
        return [none_row(model, split, "", why) for split in JUDGED]
    metric, table = leading(rows, found[-1][3]), []
    for split in JUDGED:
        why = rows.unfit(split)
        if not why and any(metrics[split][metric]["value"] is None for *_, metrics in found):
            why = f"the metric is not defined on all {split} rows"
        foretold = nothing(why or too_few)
        if not why:
            measured = [(*numbers, metrics[split][metric]) for *numbers, metrics in found]
            table += [
                measured_row(model, split, part * share, labels, draw, metric, value)
                for part, labels, draw, value in measured
            ]
            numbers = zip(*((part, labels, value["value"]) for part, labels, _, value in measured), strict=True)
            foretold = foretold if too_few else forecast(*numbers, best=float(metric not in ERRORS))
        logger.info("%s, %s: %s", model, split, f"no forecast: {foretold.why}" if foretold.why else "extrapolated")
        table += forecast_rows(model, split, metric, foretold, count)
        table += [none_row(model, split, metric, foretold.why)] if foretold.why else []
    return table


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            rankings=list(snakemake.input.ranking),
            features=list(snakemake.input.features),
            backbones=list(snakemake.input.backbones),
            predictions=list(snakemake.input.predictions),
            subsets=list(snakemake.input.subsets),
            target=snakemake.wildcards.target,
            output=snakemake.output.table,
        )
