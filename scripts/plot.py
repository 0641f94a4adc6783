"""Draw what a trained classifier has learnt: its training, its confusions, each class, its calibration, its mistakes."""

from graft.common.job import job
from graft.data import readers
from graft.data.samples import read_manifest
from graft.report.figures import confusion, learning_curves, mistakes, per_class, reliability
from graft.report.plots import read_judged, with_groups


def main(history, predictions, samples, dataset, entry, output):
    """Draw one model; `output` holds a path for each figure, `entry` is the data set's of the config."""
    manifest = read_manifest(samples)
    judged = with_groups(read_judged(predictions), manifest.frame)
    learning_curves.plot(history, output["learning_curves"], judged.name)
    confusion.plot(judged, output["confusion"])
    per_class.plot(judged, output["per_class"])
    reliability.plot(judged, output["reliability"])
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
