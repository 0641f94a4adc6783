"""Make a model of several trained ones. It has no network: what its members say is combined."""

from pathlib import Path

from graft.common import plugins
from graft.common.errors import UserError
from graft.common.job import job
from graft.common.outputs import write_torch
from graft.data.samples import read_manifest
from graft.ensembles import combining, members
from graft.networks import network
from graft.store.feature_files import features_of
from graft.targets.held_out import read_held_out
from graft.targets.predictions import predict


def main(models, features, samples, settings, output, held_out=()):
    """Write the ensemble's ft_model.pt.

    What a kind of target needs for combined answers is from validation rows: no test row is read. Members are weighed by the train rows
    that none of them has seen, or where they have no such rows by validation rows.

    Parameters
    ----------
    models, features : lists of path
        ft_model.pt of each member, and the embeddings of the labelled rows by its backbone, in the same order.
    samples : path of the manifest of their data set
    settings : dict, the ensemble's in the plan
    output : path
    held_out : list of path, what the models of the members' folds say of train rows, each in the folder of its member
    """
    manifest = read_manifest(samples, without_test=True)
    rows = manifest.part("labelled")
    weighed = plugins.constant("ensemble", settings["method"], "WEIGHS", False)
    rows = rows[(rows["split"] == "validation") | weighed].reset_index(drop=True)
    known, tables = [], []
    for model, embedded in zip(models, features, strict=True):  # one network in memory at a time
        content = network.load(model)
        known.append({**members.description(model, content), **{key: content[key] for key in ("dataset", "targets")}})
        members.check_alike(known)
        embeddings = features_of(rows, embedded)
        unseen = read_held_out([path for path in held_out if Path(path).parents[1] == Path(model).parent])
        each = {name: predict(content, name, manifest, rows, embeddings, unseen) for name in content["targets"]}
        tables.append(each)
    facts = {}
    method, targets = settings["method"], {name: manifest.targets[name] for name in known[0]["targets"]}
    validation = (rows["split"] == "validation").to_numpy()
    for name in targets:
        if not rows.loc[validation, name].notna().any():
            raise UserError(f"the data set has no validation row with a label of target '{name}'", settings["name"])
        own, codes = [one["targets"][name] for one in known], manifest.codes(name, rows)
        each = [table[name] for table in tables]
        weigh = combining.rows_that_weigh(method, name, each, rows, targets)
        held, by = (([table[part] for table in each], codes[part]) for part in (validation, weigh))
        facts[name] = combining.settled(method, targets[name], *held, own, by)
    described = [{key: value for key, value in one.items() if key not in ("dataset", "targets")} for one in known]
    write_torch(output, members.content_of(settings, described, facts))


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            models=list(snakemake.input.models),
            features=list(snakemake.input.features),
            samples=snakemake.input.samples,
            settings=snakemake.params.settings,
            output=snakemake.output.model,
            held_out=list(snakemake.input.get("held_out", [])),
        )
