"""Draw what a model of a measured value has learnt: its training, its predictions, its error bars, its largest errors."""

from graft.common.job import job
from graft.data import readers
from graft.data.samples import read_manifest
from graft.report.figures import learning_curves, mistakes, regression
from graft.report.plots import read_judged


def main(history, predictions, samples, dataset, entry, output):
    """Draw one model; `output` holds a path for each figure, `entry` is the data set's of the config."""
    judged = read_judged(predictions)
    learning_curves.plot(history, output["learning_curves"], judged.name)
    regression.plot(judged, output["regression"])
    manifest = read_manifest(samples)
    load = readers.opener(readers.settled(entry, manifest.card), readers.root_of(dataset))
    mistakes.write(judged, manifest, load, output["mistakes"])


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            history=snakemake.input.history,
            predictions=snakemake.input.predictions,
            samples=snakemake.input.samples,
            dataset=snakemake.input.dataset,
            entry=snakemake.config["datasets"][snakemake.params.data_set],
            output=snakemake.output,
        )
