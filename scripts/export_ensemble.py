"""Export an ensemble as files that any lab can read: config, labels, model card. Its members are exported beside it."""

from pathlib import Path

from graft import __version__
from graft.common.job import job
from graft.common.outputs import read_json, write_json, write_text
from graft.networks import network
from graft.serving.model_card import ensemble_card, labels_of


def main(model, metrics, card, dataset, folder, sets=()):
    """Write config.json, labels.json and README.md into `folder`; the parameters are as in export_model."""
    content, folder = network.load(model), Path(folder)
    config = {key: value for key, value in content.items() if key not in ("state_dict", "fold_heads")}
    config |= {"parameters": content["backbone"]["parameters"], "graft": __version__}
    config["conformal"] = {Path(path).parent.name: read_json(path) for path in sets}
    for stale in folder.glob("*"):
        stale.unlink()
    write_json(folder / "config.json", config)
    write_json(folder / "labels.json", labels_of(content["targets"]))
    measured = {Path(path).parent.name: read_json(path) for path in metrics}
    write_text(folder / "README.md", ensemble_card(config, measured, read_json(card), read_json(dataset)))


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            model=snakemake.input.model,
            metrics=list(snakemake.input.metrics),
            sets=list(snakemake.input.sets),
            card=snakemake.input.card,
            dataset=snakemake.input.dataset,
            folder=Path(snakemake.output.config).parent,
        )
