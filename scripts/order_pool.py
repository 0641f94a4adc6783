"""Put the rows of a data set's pool in the order in which their labels would teach most."""

import logging

import pandas as pd

from graft.common import plugins
from graft.common.job import job
from graft.common.outputs import read_json, write_csv
from graft.data.samples import read_manifest
from graft.evaluation.candidates import by_model
from graft.labelling.asked import askable, best_models, pool_tables
from graft.labelling.pool import Pool, evenly, unsure_of
from graft.store.feature_files import features_of

logger = logging.getLogger("graft")


def main(samples, target, predictions, metrics, features, strategy, rows, output):
    """Write sample_id, rank (from 1), score and strategy.

    Parameters
    ----------
    samples : path of the manifest
    target : str
    predictions : dict, model -> list of path, its prediction tables, one per seed
    metrics : path of metrics.json of one of the models
    features : list of path, embeddings of every part
    strategy : str, the plug-in that makes the order
    rows : int, the most that are put in order
    output : path
    """
    manifest = read_manifest(samples)
    facts = manifest.targets[target]
    pool, left_out = askable(manifest)
    if left_out:
        logger.info("%d rows belong together with labelled ones that nothing may be learned from: left out", left_out)
    best, tied = best_models(predictions, facts, manifest.units, read_json(metrics).get("validation", {}))
    logger.info("%s says how unsure it is; strategy %s", best, strategy)
    committee = tied if facts["kind"] == "regression" else [best]
    tables = pool_tables([path for name in committee for path in predictions[name]], pool)
    known = evenly(manifest.frame[manifest.frame["split"] == "train"])

    def read(places):
        return features_of(pool.iloc[places], *features), features_of(known, *features)

    seen = Pool(unsure_of(tables, facts), read, standard=manifest.card["modality"] == "vector")
    places, scores = plugins.load("strategy", strategy).order(seen, min(rows, len(pool))) if len(pool) else ([], [])
    table = pd.DataFrame({"sample_id": pool["sample_id"].iloc[places].to_numpy(object)})
    table["rank"] = range(1, len(table) + 1)
    table["score"] = [float(f"{score:.6g}") for score in scores]  # the last digits depend on the threads
    write_csv(output, table.assign(strategy=strategy))


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            target=snakemake.wildcards.target,
            predictions={model: paths for (_, model), paths in by_model(snakemake.input.predictions).items()},
            metrics=snakemake.input.metrics[0],
            features=list(snakemake.input.features),
            strategy=snakemake.params.strategy,
            rows=snakemake.params.rows,
            output=snakemake.output.order,
        )
