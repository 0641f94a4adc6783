"""Make the page on which rows of a pool are labelled."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from graft.common.errors import UserError
from graft.common.job import job
from graft.common.outputs import write_text
from graft.data.readers import opener, root_of, settled
from graft.data.samples import read_manifest
from graft.report import label_page


def main(samples, dataset, entry, target, order, output, threads=1):
    """Write the page.

    Parameters
    ----------
    samples, dataset : paths of the manifest and of dataset.json
    entry : dict, the data set's entry of the config
    target : str
    order : path of to_label.csv
    output : path of the page
    """
    manifest = read_manifest(samples)
    ids = pd.read_csv(order, dtype={"sample_id": str}, keep_default_na=False)["sample_id"]
    rows = manifest.frame.set_index("sample_id").loc[ids].drop_duplicates("content_sha256")  # asked for once
    load = opener(settled(entry, manifest.card), root_of(dataset))

    def shown(row):
        try:
            content = label_page.content(load(row.path, row.row, row.content_sha256), manifest.card)
        except UserError as error:
            content = label_page.gone(error)
        return {"id": row.Index, "key": row.content_sha256[:16], **content}

    with ThreadPoolExecutor(max(1, threads)) as pool:
        found = list(pool.map(shown, rows.itertuples()))
    write_text(output, label_page.render(manifest.card["dataset"], target, manifest.targets[target], found))


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            dataset=snakemake.input.dataset,
            entry=snakemake.config["datasets"][snakemake.wildcards.dataset],
            target=snakemake.wildcards.target,
            order=snakemake.input.order,
            output=snakemake.output.page,
            threads=snakemake.threads,
        )
