"""Draw figures, each by the module of graft.report.figures that is called like the rule's output."""

from graft.common import plugins
from graft.common.job import job
from graft.report.sources import Source


def main(source, figures):
    """Draw `figures`, a dict: name -> path, from a sources.Source."""
    for name, path in figures.items():
        plugins.load("figure", name).plot(source, path)


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        dataset = snakemake.params.dataset
        main(
            source=Source(dict(snakemake.input.items()), dataset, snakemake.config["datasets"][dataset]),
            figures=dict(snakemake.output.items()),
        )
