"""Write the index of the hand-over: every file with its digest, every model with its metrics and where it comes from."""

from pathlib import Path

from graft import __version__
from graft.common.job import job
from graft.common.outputs import read_json, sha256_of_file, write_json
from graft.evaluation.tables import portable

FORMAT = 1
RUN_FILES = ("ft_model.pt", "ft_history.csv")
TARGET_FILES = ("predictions.parquet", "metrics.json")
TASK_FILES = ("few_shot_predictions.csv", "zero_shot_predictions.csv", "episodes.parquet", "metrics.json")
NOT_RESULTS = ("texts", "counts", "notes")  # of a zero-shot task's metrics.json
PROVENANCE = ("library", "architecture", "source", "revision", "licence", "weights_sha256")


def main(
    predictions,
    embeddings,
    exports,
    metrics,
    few_shot,
    datasets,
    backbones,
    models,
    tasks,
    output,
    zero_shot=(),
    label_issues=(),
    to_label=(),
):
    """Write index.json; every path in it is relative to the results folder, two levels above it.

    Parameters
    ----------
    predictions, embeddings, label_issues, to_label : list of path
        The tables in the hand-over folder.
    exports : list of path
        config.json of each exported model.
    metrics, few_shot, zero_shot : list of path
        metrics.json of each trained model and target, of each few-shot and of each zero-shot task.
    datasets : dict
        Name -> {"dataset": dataset.json, "labelled": labelled.digest, "pool": pool.digest}, paths.
    backbones : list of path
        backbone.json of each backbone.
    models, tasks : dict
        Name -> settings in the config.
    """
    root = Path(output).absolute().parents[1]
    write_json(
        output,
        {
            "format": FORMAT,
            "graft": __version__,
            "predictions": [table(root, path, "target") for path in sorted(predictions, key=str)],
            "embeddings": [table(root, path, "backbone") for path in sorted(embeddings, key=str)],
            "label_issues": [table(root, path, "target") for path in sorted(label_issues, key=str)],
            "to_label": [table(root, path, "target") for path in sorted(to_label, key=str)],
            "models": [one for path in sorted(exports, key=by_name) for one in targets_of(root, path, metrics, models)],
            "tasks": [task(root, path, tasks) for path in sorted([*few_shot, *zero_shot], key=str)],
            "datasets": {name: dataset(paths) for name, paths in sorted(datasets.items())},
            "backbones": dict(sorted(backbone(path) for path in backbones)),
        },
    )


def artefact(root, path):
    """Where a file is, its digest and its size in bytes."""
    path = Path(path).absolute()
    return {
        "path": path.relative_to(root).as_posix(),
        "sha256": sha256_of_file(path),
        "bytes": path.stat().st_size,
    }


def table(root, path, what):
    """A table of the hand-over; its folder and name say the data set and the target or backbone."""
    path = Path(path)
    if what == "target":
        return {"dataset": path.parents[1].name, "target": path.parent.name, **artefact(root, path)}
    return {
        "dataset": path.parent.name,
        "backbone": path.name.removesuffix(".embeddings.parquet"),
        **artefact(root, path),
    }


def by_name(path):
    config = read_json(path)
    return config["name"], config["seed"]


def targets_of(root, export, metrics, models):
    """An exported model, once for each of its targets: identity, test metrics, settings and files."""
    config, folder = read_json(export), Path(export).parent
    found = {(path.parents[2].name, path.parents[1].name, path.parent.name): path for path in map(Path, metrics)}
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    for target, facts in config["targets"].items():
        yield model(root, config, target, facts, found[config["name"], folder.name, target], models, files)


def model(root, config, target, facts, metrics, models, files):
    run = metrics.parents[1]
    return {
        "model": config["name"],
        "seed": config["seed"],
        "dataset": config["dataset"],
        "target": target,
        "kind": facts["kind"],
        "classes": facts.get("classes"),
        "backbone": config["backbone"]["name"],
        "method": config["method"],
        "model_digest": config["digests"]["model"],
        "test": read_json(metrics).get("test", {}),
        "settings": portable(models[config["name"]]),
        "export": [artefact(root, path) for path in files],
        "run": [
            artefact(root, path)
            for path in (*(run / name for name in RUN_FILES), *(metrics.with_name(name) for name in TARGET_FILES))
            if path.is_file()
        ],
    }


def task(root, metrics, tasks):
    """A few-shot or zero-shot task: settings, metrics and files."""
    folder, found = Path(metrics).parent, read_json(metrics)
    return {
        "task": folder.name,
        "settings": portable(tasks[folder.name]),
        "results": found.get("settings") or {key: one for key, one in found.items() if key not in NOT_RESULTS},
        "files": [artefact(root, folder / name) for name in TASK_FILES if (folder / name).is_file()],
    }


def dataset(paths):
    """What the data were: source, licence, and digests of the labelled rows and of the pool."""
    facts = read_json(paths["dataset"])
    return {
        "source": portable(facts.get("source")),
        "licence": facts.get("licence"),
        **{part: Path(paths[part]).read_text(encoding="utf-8").strip() for part in ("labelled", "pool")},
    }


def backbone(path):
    """Name and provenance of a backbone."""
    facts = read_json(path)
    return facts["name"], {key: portable(facts.get(key)) for key in PROVENANCE}


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        source = snakemake.input
        main(
            predictions=list(source.predictions),
            embeddings=list(source.get("embeddings", [])),
            label_issues=list(source.get("label_issues", [])),
            to_label=list(source.get("to_label", [])),
            exports=list(source.exports),
            metrics=list(source.metrics),
            few_shot=list(source.get("few_shot", [])),
            zero_shot=list(source.get("zero_shot", [])),
            datasets={
                Path(path).parent.name: {"dataset": path, "labelled": labelled, "pool": pool}
                for path, labelled, pool in zip(source.datasets, source.labelled, source.pool, strict=True)
            },
            backbones=list(source.backbones),
            models=snakemake.params.models,
            tasks=snakemake.params.tasks,
            output=snakemake.output.index,
        )
