"""Measure how the best backbone's linear head improves with the number of labels, and extrapolate."""

import logging

import pandas as pd

from graft.common import plugins
from graft.common.job import job
from graft.common.outputs import read_json, write_csv
from graft.config.plan import UNTRAINED, VECTORS
from graft.curves.forecast import forecast, nothing
from graft.curves.measuring import JUDGED, Rows, leading, measurements
from graft.curves.table import ERRORS, forecast_rows, measured_row, none_row, table_of
from graft.data.samples import read_manifest
from graft.heads.principal_axes import DEAD
from graft.store.feature_files import features_of

logger = logging.getLogger("graft")
MOST = 10_000  # rows of a split


def main(samples, ranking, features, backbones, target, output):
    """Write the measured curve and what it foretells, for validation and test rows.

    Parameters
    ----------
    samples : path of the manifest
    ranking : path of transferability.csv
    features, backbones : list of path, embeddings of the labelled rows and backbone.json of each backbone, in the same order
    target : str
    output : path of the table
    """
    known = {one["name"]: (one, path) for one, path in zip(map(read_json, backbones), features, strict=True)}
    best = best_backbone(pd.read_csv(ranking), target, known)
    if best is None:
        found = [none_row("", split, "", "no backbone could be ranked") for split in JUDGED]
    else:
        manifest, (backbone, path) = read_manifest(samples), known[best]
        frame, count = labelled(manifest, target)
        kind = plugins.load("kind", manifest.targets[target]["kind"])
        codes, dead = manifest.codes(target, frame), 0.0 if backbone["library"] == VECTORS else DEAD
        rows = Rows(frame, frame[target], features_of(frame, path), codes, manifest.targets[target], kind, dead)
        found = curve_of(rows, f"linear on {best}", count)
    write_csv(output, table_of(found))


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


def curve_of(rows, model, count):
    """The rows of the table; `count` is how many labelled train rows there are, of which `rows` may have some alone."""
    found = measurements(rows)
    if not found or found[-1][0] < 1:
        why = rows.unfit("validation") or "the labels of the train rows are too few, or all the same"
        return [none_row(model, split, "", why) for split in JUDGED]
    metric, share = leading(rows, found[-1][3]), len(rows.train) / count
    table = []
    for split in JUDGED:
        why = rows.unfit(split)
        if not why and any(metrics[split][metric]["value"] is None for *_, metrics in found):
            why = f"the metric is not defined on all {split} rows"
        foretold = nothing(why)
        if not why:
            measured = [(*numbers, metrics[split][metric]) for *numbers, metrics in found]
            table += [
                measured_row(model, split, part * share, labels, draw, metric, value)
                for part, labels, draw, value in measured
            ]
            numbers = zip(*((part, labels, value["value"]) for part, labels, _, value in measured), strict=True)
            foretold = forecast(*numbers, best=float(metric not in ERRORS))
        logger.info("%s: %s", split, f"no forecast: {foretold.why}" if foretold.why else "extrapolated")
        table += forecast_rows(model, split, metric, foretold, count)
        table += [none_row(model, split, metric, foretold.why)] if foretold.why else []
    return table


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            ranking=snakemake.input.ranking,
            features=list(snakemake.input.features),
            backbones=list(snakemake.input.backbones),
            target=snakemake.wildcards.target,
            output=snakemake.output.table,
        )
