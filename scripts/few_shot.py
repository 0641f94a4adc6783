"""Classify from a few examples: many episodes, support from the train split, queries from the test split."""

import logging

import numpy as np
import pandas as pd

from graft.common.errors import UserError
from graft.common.job import Progress, job
from graft.common.outputs import write_csv, write_json, write_parquet
from graft.data.samples import read_manifest
from graft.evaluation.episode_metrics import Episodes, figures_of
from graft.few_shot import classifiers
from graft.few_shot.episodes import episode_labels, sample_episodes
from graft.heads.calibration import fit_temperature, log_loss, probabilities
from graft.store.feature_files import features_of

logger = logging.getLogger("graft")
SEEN = (
    "the network of {model} was trained on all train rows of these classes. This does not say how well new classes are "
    "learned from few examples. For that, train on another target or data set, or take a pretrained `backbone`"
)
PREDICTIONS = ["task", "ways", "shots", "episode", "sample_id", "label", "predicted", "confidence"]
EPISODES = ["task", "ways", "shots", "episode", "accuracy", "log_loss"]
VALIDATION = ["shots", "split", "episode", "sample_id", "label", "predicted", "loss"]
CALIBRATION_EPISODES = 200  # enough for one temperature


def main(samples, features, output_predictions, output_episodes, output_metrics, settings, output_validation):
    """Run the episodes of one task for every number of shots, and write predictions, episodes and metrics.

    `output_validation` gets the queries outside the test split, by which the temperature is fitted and tasks are compared.
    """
    data = open_data(samples, features, settings)
    parts = [evaluate(data, shots, settings) for shots in settings["shots"]]
    predictions, episodes, metrics, validation = zip(*parts, strict=True)
    write_parquet(output_validation, pd.concat(validation, ignore_index=True)[VALIDATION])
    predictions = pd.concat(predictions, ignore_index=True)
    write_csv(output_predictions, predictions.assign(task=settings["name"])[PREDICTIONS])
    episodes = pd.concat(episodes, ignore_index=True)
    write_parquet(output_episodes, episodes.assign(task=settings["name"])[EPISODES])
    notes = [SEEN.format(**settings)] if settings.get("seen_before") else []
    for note in notes:
        logger.warning("%s: %s", settings["name"], note)
    write_json(output_metrics, {"settings": list(metrics), "notes": notes})


def open_data(samples, features, settings):
    """What every episode needs: embeddings as the classifier sees them, and the rows of each split.

    Returns
    -------
    dict with "ids" (array of str), "classes" (list of str), "codes" (array of int), "groups" (array of str or None),
    "rows" (split -> array of row numbers), "features" (Tensor, shape (n, width))
    """
    manifest = read_manifest(samples)
    target = manifest.targets[settings["target"]]
    if target["kind"] in ("regression", "multilabel"):
        said = "is a number" if target["kind"] == "regression" else "has several labels per sample"
        raise UserError(
            f"target '{settings['target']}' {said}, and few-shot learning needs one class of each sample",
            where=f"few_shot.{settings['entry']}",
            hint="name another `target`",
        )
    rows = manifest.part("labelled")
    codes = manifest.codes(settings["target"], rows)
    splits = rows["split"].to_numpy()
    train = splits == "train"
    if not train.any():
        raise UserError("the data set has no train rows to take examples from", where=f"few_shot.{settings['entry']}")
    embeddings = features_of(rows, features)
    return {
        "ids": rows["sample_id"].to_numpy(),
        "classes": list(target["classes"]),
        "codes": codes,
        "groups": rows["sampling_unit"].to_numpy(),
        "rows": {split: np.flatnonzero((splits == split) & (codes >= 0)) for split in ("train", "validation", "test")},
        "features": classifiers.prepare(embeddings, train, settings["centre"], settings["normalize"]),
    }


def evaluate(data, shots, settings):
    """All episodes with one number of shots: predictions, episodes, the summary, and the queries outside the test split."""
    ways, queries = settings["ways"], settings["queries"]
    try:
        drawn = draw(data, "test", shots, queries, settings["episodes"], settings["seed"], settings)
    except UserError as error:
        raise UserError(str(error), where=f"few_shot.{settings['entry']}") from None
    temperature, validation = calibrate(data, shots, settings)
    progress = Progress(f"{settings['name']}, {shots} shots", settings["episodes"], unit="episodes")
    judged = judge(run(data, drawn, settings, progress.add), ways, temperature)
    labels, accuracies, losses = judged["label"], judged["right"].mean(1), judged["loss"].mean(1)
    key = {"ways": ways, "shots": shots}
    summary = {
        **key,
        "queries": queries,
        "episodes": settings["episodes"],
        **figures_of(made_of(data, drawn), judged, with_half(data, drawn, settings, temperature)),
        "temperature": temperature,
    }
    logger.info("%s, %d shots: accuracy %.3f", settings["name"], shots, summary["accuracy"]["value"])
    classes, _, query = drawn
    episode = np.arange(len(classes))
    predictions = pd.DataFrame(
        {
            **key,
            "episode": episode.repeat(query.shape[1]),
            "sample_id": data["ids"][query.ravel()],
            "label": _names(data, classes, labels),
            "predicted": _names(data, classes, judged["predicted"]),
            "confidence": judged["confidence"].ravel().round(6),  # float32 sums carry no more
        }
    )
    return (
        predictions,
        pd.DataFrame({**key, "episode": episode, "accuracy": accuracies, "log_loss": losses}),
        summary,
        validation,
    )


def judge(logits, ways, temperature):
    """What is said of every query: label, predicted, right, confidence, loss (nats), each (episodes, queries)."""
    labels = np.broadcast_to(episode_labels(ways, logits.shape[1] // ways), logits.shape[:2])
    predicted = logits.argmax(-1)
    return {
        "label": labels,
        "predicted": predicted,
        "right": predicted == labels,
        "confidence": probabilities(logits, temperature).max(-1),
        "loss": log_loss(logits, labels, temperature),
    }


def with_half(data, drawn, settings, temperature):
    """The same episodes with half of the smallest class as their support, where theirs is larger.

    How a metric depends on the support's rows cannot be seen where every episode takes nearly all of them.

    Returns
    -------
    (Episodes, dict of `judge`), or None if the support is no larger than that
    """
    classes, support, query = drawn
    ways = classes.shape[1]
    half = max(1, int(train_sizes(data).min()) // 2)
    if half >= support.shape[1] // ways:
        return None
    smaller = classes, support.reshape(len(classes), ways, -1)[:, :, :half].reshape(len(classes), -1), query
    return made_of(data, smaller), judge(run(data, smaller, settings), ways, temperature)


def made_of(data, drawn):
    """The rows of the episodes, as their intervals need them."""
    return Episodes(*drawn, train_sizes(data), data["groups"])


def train_sizes(data):
    """Train rows per class."""
    return np.bincount(data["codes"][data["rows"]["train"]], minlength=len(data["classes"]))


def calibrate(data, shots, settings):
    """The temperature of the logits, from episodes whose queries are not in the test split.

    The queries come from the validation split; if that lacks classes, from train rows outside the support. Fewer
    queries per class than in the test episodes do. Where the support takes all train rows of a class, smaller supports
    leave one row to ask; these are too few shots to compare tasks by.

    Returns
    -------
    float, and a DataFrame of VALIDATION with these queries (none where the support leaves no row)
    """
    counts = {split: _least(data, split) for split in ("validation", "train")}
    for split, taken in (("validation", 0), ("train", shots)):
        queries = min(settings["queries"], counts[split] - taken)
        if queries >= 1:
            return _calibrated(data, split, shots, queries, settings)
        logger.info("calibration: not every class has enough %s rows for queries with %d shots", split, shots)
    if counts["train"] > 1:
        logger.info("calibration: with %d shots instead", counts["train"] - 1)
        temperature, table = _calibrated(data, "train", counts["train"] - 1, 1, settings)
        return temperature, table.iloc[:0]
    logger.info(
        "calibration: a class has one train row, so the logits are only scaled to the spread of those of the support"
    )
    codes = data["codes"][data["rows"]["train"]]
    seed = _other(settings)
    classes, support, _ = sample_episodes(codes, codes, settings["ways"], 1, 1, CALIBRATION_EPISODES, seed)
    support = data["rows"]["train"][support]
    return _spread(run(data, (classes, support, support), settings)), pd.DataFrame(columns=VALIDATION).astype(
        {"shots": "int64", "episode": "int64", "loss": float}
    )


def _least(data, split):
    """Rows of the smallest class in a split."""
    return int(np.bincount(data["codes"][data["rows"][split]], minlength=len(data["classes"])).min())


def _other(settings):
    """The seed of other episodes than the ones evaluated."""
    return [settings["seed"], 1]


def _calibrated(data, split, shots, queries, settings):
    """The temperature by queries from `split`, and what is said of them."""
    drawn = draw(data, split, shots, queries, CALIBRATION_EPISODES, _other(settings), settings)
    logits = run(data, drawn, settings)
    labels = np.tile(episode_labels(settings["ways"], queries), len(logits))
    # Distances have the unit of the embeddings: to unit spread first, so that the temperature's bounds fit.
    spread = _spread(logits)
    # Many episodes show few rows again and again; these are no more evidence than once.
    distinct = len(np.unique(drawn[2]))
    temperature = spread * fit_temperature(logits.reshape(len(labels), -1) / spread, labels, distinct)
    return temperature, _judged(data, drawn, logits, labels.reshape(len(logits), -1), temperature, shots, split)


def _judged(data, drawn, logits, labels, temperature, shots, split):
    """What the classifier says of queries, one row per query."""
    classes, _, query = drawn
    return pd.DataFrame(
        {
            "shots": shots,
            "split": split,
            "episode": np.arange(len(classes)).repeat(query.shape[1]),
            "sample_id": data["ids"][query.ravel()],
            "label": _names(data, classes, labels),
            "predicted": _names(data, classes, logits.argmax(-1)),
            "loss": log_loss(logits, labels, temperature).ravel(),
        }
    )


def draw(data, split, shots, queries, episodes, seed, settings):
    """Episodes with queries from `split` (train: outside the support), as rows of the embeddings."""
    train, asked = data["rows"]["train"], data["rows"][split]
    classes, support, query = sample_episodes(
        data["codes"][train],
        None if split == "train" else data["codes"][asked],
        settings["ways"],
        shots,
        queries,
        episodes,
        seed,
        names=data["classes"],
        splits=("train", split),
    )
    return classes, train[support], asked[query]


def run(data, drawn, settings, added=None):
    """Logits of the queries, float64, shape (episodes, queries, ways)."""
    _, support, query = drawn
    logits = classifiers.classify(
        settings["method"],
        data["features"],
        support,
        query,
        settings["ways"],
        {"distance": settings["distance"]},
        added,
    )
    return logits.double().numpy()


def _spread(logits):
    """Standard deviation of the logits within a query; 1 if they do not differ."""
    return float(logits.std(axis=-1).mean()) or 1.0


def _names(data, classes, labels):
    names = np.array(data["classes"], dtype=object)
    return names[np.take_along_axis(classes, labels, axis=1)].ravel()


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            features=snakemake.input.features,
            output_predictions=snakemake.output.predictions,
            output_episodes=snakemake.output.episodes,
            output_metrics=snakemake.output.metrics,
            settings=snakemake.params.settings,
            output_validation=snakemake.output.validation,
        )
