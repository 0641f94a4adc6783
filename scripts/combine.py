"""Predict every sample of a data set with an ensemble: from what its members have predicted already."""

import numpy as np
import pandas as pd

from graft.common.errors import UserError
from graft.common.job import job
from graft.conformal.delivery import deliver
from graft.conformal.sets import may_calibrate
from graft.data.samples import read_manifest
from graft.ensembles.combining import combined_table, rows_that_weigh
from graft.evaluation.tables import read_predictions
from graft.networks import network


def main(samples, model, target, predictions, outputs, conformal, hidden=None):
    """Write the prediction table of a target over all parts that the members' cover, its sets, and the metrics of each split.

    `predictions` are paths of the members' tables, in the order of the ensemble's members; the others are as in predict. Sets are
    calibrated by the rows that may calibrate those of every member, and did not weigh the members.
    """
    manifest, content = read_manifest(samples), network.load(model)
    rows = pd.concat([manifest.part("labelled"), manifest.part("pool")], ignore_index=True)
    tables = [read_member(path, member, rows) for path, member in zip(predictions, content["members"], strict=True)]

    def tabulate(part):
        return combined_table(
            content,
            target,
            [table.loc[part["sample_id"]].reset_index() for table in tables],
            manifest.codes(target, part),
        )

    own = [table.loc[rows["sample_id"]] for table in tables]
    weigh = rows_that_weigh(
        content["method"], target, own, rows, {name: manifest.targets[name] for name in content["targets"]}
    )
    calibrates = np.all([may_calibrate(table) for table in own], axis=0) & ~weigh
    deliver(content, target, rows, tabulate(rows), tabulate, conformal, outputs, hidden, calibrates)


def read_member(path, member, rows):
    """A member's prediction table by sample_id, which has all `rows` and is by the model that the ensemble knows."""
    table, facts = read_predictions(path)
    table, hint = table.set_index("sample_id"), "run the workflow again"
    if facts["model_digest"] != member["digest"]:
        raise UserError(f"is not by the '{member['name']}' that the ensemble is made of", str(path), None, hint)
    missing = rows["sample_id"][~rows["sample_id"].isin(table.index)]
    if len(missing):
        raise UserError(f"has no prediction of sample '{missing.iloc[0]}'", str(path), None, hint)
    return table


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            model=snakemake.input.model,
            target=snakemake.wildcards.target,
            predictions=list(snakemake.input.predictions),
            outputs=snakemake.output,
            conformal=snakemake.params.conformal,
            hidden=snakemake.input.hidden,
        )
