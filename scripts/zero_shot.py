"""Classify by descriptions of the classes; no label is used, unless the config asks for labels to calibrate by."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch  # noqa: F401  (before `job`, which pins its threads)

from graft.common import plugins
from graft.common.device import choose_device, choose_precision
from graft.common.errors import UserError
from graft.common.job import gpus_of, job
from graft.common.outputs import write_csv, write_json
from graft.data.samples import read_manifest
from graft.embedding.features import pretrained
from graft.embedding.input_batches import open_source
from graft.heads.calibration import probabilities
from graft.store import Store
from graft.store.feature_files import features_of
from graft.zero_shot.descriptions import prompts
from graft.zero_shot.judging import metrics_of, read_few_shot, shots_worth
from graft.zero_shot.task import Task
from graft.zero_shot.temperature import from_labelled, from_unlabelled

logger = logging.getLogger("graft")
CONTENTS = ["sample_id", "path", "row", "content_sha256"]  # what a method may see of the manifest


def main(inputs, output_predictions, output_metrics, settings, entry, store, precision="auto", gpus=0, **mode):
    """Write the predictions of all rows, those of the pool included, and their metrics.

    Parameters
    ----------
    inputs : dict, name -> path as the rule has it: samples, dataset, backbone; for some methods features (paths) and
        text_backbone; few_shot, paths of few_shot_predictions.csv of the same data set, target and backbone
    settings : dict, the task's in the plan
    entry, store : dict, the data set's entry and the store of the config
    """
    manifest = read_manifest(inputs["samples"])
    classes = classes_of(manifest, settings)
    frame = pd.concat([manifest.part("labelled"), manifest.part("pool")], ignore_index=True)
    task = open_task(
        inputs, manifest, frame[CONTENTS], classes, settings, entry, store, choose_device(gpus), precision, **mode
    )
    for name, texts in task.prompts.items():
        logger.info("%s: %s", name, " | ".join(texts))
    scores = plugins.load("zero_shot", settings["method"]).score(task)
    calibration = calibrate(scores, frame["split"].to_numpy(), manifest.codes(settings["target"], frame), settings)
    chances = probabilities(scores, calibration["temperature"])
    table = table_of(frame, settings["target"], classes, chances)
    write_csv(output_predictions, table)
    groups, codes = frame["sampling_unit"].to_numpy(), manifest.codes(settings["target"], frame)
    metrics = metrics_of(codes, chances, classes, frame["split"].to_numpy(), groups, settings["unseen"])
    worth, notes = compared(table, len(classes), inputs.get("few_shot", []))
    for said in notes:
        logger.info(said)
    if "test" in metrics:
        logger.info("%s: accuracy %.3f on test", settings["name"], metrics["test"]["accuracy"]["value"])
    facts = {"calibration": calibration, "texts": task.prompts, "counts": dict(task.counts)}
    write_json(output_metrics, {**metrics, **facts, "shots_worth": worth, "notes": notes})


def classes_of(manifest, settings):
    """The classes of the task's target."""
    target = manifest.targets[settings["target"]]
    if target["kind"] in ("regression", "multilabel"):
        raise UserError(
            f"target '{settings['target']}' is of kind {target['kind']}, and zero-shot learning needs one class per sample",
            where=f"zero_shot.{settings['entry']}",
            hint="name another `target`",
        )
    return list(target["classes"])


def open_task(inputs, manifest, rows, classes, settings, entry, store, device, precision, **mode):
    """The task as its method sees it: no label, no split."""
    method, modality = plugins.load("zero_shot", settings["method"]), manifest.card["modality"]
    if modality not in method.NAMED:
        raise UserError(
            f"'{settings['method']}' is for {' and '.join(method.NAMED)}s, and the data set holds {modality}s",
            where=f"zero_shot.{settings['entry']}.method",
        )
    text = inputs.get("text_backbone")
    return Task(
        settings=settings,
        modality=modality,
        rows=rows,
        prompts=prompts(classes, settings, method, modality),
        backbone=pretrained(Path(inputs["backbone"]).parent, manifest.card),
        text_backbone=pretrained(Path(text).parent, manifest.card) if text else None,
        embeddings=features_of(rows, *inputs["features"]) if method.READS == "embeddings" else None,
        source=open_source(inputs["dataset"], entry, manifest.card),
        store=Store.of(store),
        device=device,
        precision=choose_precision(precision, device),
        **mode,
    )


def calibrate(scores, splits, codes, settings):
    """The temperature of the scores, and what it is from. Rows of the test split have no part in it where others are there."""
    if settings["calibration"] == "labelled":
        for split in ("validation", "train"):
            rows = (splits == split) & (codes >= 0)
            if rows.any():
                found = {"by": f"labels of {split} rows", "rows": int(rows.sum())}
                return said(found | {"temperature": from_labelled(scores[rows], codes[rows])})
        raise UserError(
            "no row outside the test split has a label to calibrate by",
            where=f"zero_shot.{settings['entry']}.calibration",
            allowed="unlabelled",
        )
    rows = splits != "test" if (splits != "test").any() else np.ones(len(splits), bool)
    found = {"by": "scores of rows, without their labels", "rows": int(rows.sum())}
    return said(found | {"temperature": from_unlabelled(scores[rows])})


def said(calibration):
    logger.info("temperature %(temperature).4g from %(rows)d rows: %(by)s", calibration)
    return calibration


def table_of(frame, target, classes, chances):
    """zero_shot_predictions.csv."""
    best = chances.argmax(1)
    columns = {"sample_id": frame["sample_id"], "split": frame["split"], "label": frame[target]}
    columns |= {"predicted": np.array(classes, dtype=object)[best], "confidence": chances.max(1)}
    return pd.DataFrame(columns | {f"prob_{name}": chances[:, i] for i, name in enumerate(classes)})


def compared(table, classes, few_shot):
    """What the descriptions are worth in labelled examples, by each few-shot task with all classes; and sentences about it."""
    found, notes = [], []
    right = pd.Series((table["label"] == table["predicted"]).to_numpy(), index=table["sample_id"])
    for path in few_shot:
        episodes, name = read_few_shot(path), Path(path).parent.name
        ways = int(episodes["ways"].iloc[0])
        if ways != classes:
            notes.append(f"{name} classifies {ways} of the {classes} classes, so it cannot be compared with zero-shot")
            continue
        found.append({"task": name, "ways": ways, **shots_worth(episodes, right)})
        notes.append(f"as good as {found[-1]['words']} labelled examples per class in {name}")
    return found, notes


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        source = snakemake.input
        main(
            {name: list(paths) if name in ("features", "few_shot") else paths for name, paths in source.items()},
            snakemake.output.predictions,
            snakemake.output.metrics,
            snakemake.params.settings,
            snakemake.config["datasets"][snakemake.params.settings["dataset"]],
            snakemake.config["store"],
            snakemake.params.mode["precision"],
            gpus_of(snakemake.resources.get("gpu", 0), snakemake.config["device"]["rehearsal"]),
            engine=snakemake.params.mode["engine"],
            threads=snakemake.threads,
        )
