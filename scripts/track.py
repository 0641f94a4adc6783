"""Send what is new of a run to MLflow: settings, metrics, histories, figures."""

import csv
import io
import logging

from graft.common.job import job
from graft.common.machine import lacks_mlflow
from graft.common.outputs import write_text
from graft.tracking import tracked

logger = logging.getLogger("graft")
COLUMNS = ("run", "mlflow_run", "fingerprint")


def main(output, uri, experiment, **results):
    """Write which run of MLflow is which model and seed.

    Parameters
    ----------
    output : path of the table
    uri, experiment : see graft.tracking.to_mlflow.send
    results : what graft.tracking.tracked.read takes
    """
    if error := lacks_mlflow():
        raise error
    from graft.tracking.to_mlflow import send  # takes a second, and is not everywhere

    runs = tracked.read(**results)
    sent = send(runs, uri, experiment)
    logger.info("%d runs sent to MLflow, %d were there", sum(new for _, new in sent), sum(not new for _, new in sent))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows((run.name, number, run.fingerprint) for run, (number, _) in zip(runs, sent, strict=True))
    write_text(output, text.getvalue())


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        source, asked = snakemake.input, snakemake.params.asked
        main(
            output=snakemake.output.sent,
            uri=asked["uri"],
            experiment=asked["experiment"],
            summary=source.summary,
            settings=snakemake.params.settings,
            chosen=list(source.get("chosen", [])),
            labelled=list(source.labelled),
            histories=list(source.get("histories", [])),
            predictions=list(source.get("predictions", [])),
            figures=list(source.get("figures", [])),
            exports=list(source.get("exports", [])),
            weights=asked["weights"],
        )
