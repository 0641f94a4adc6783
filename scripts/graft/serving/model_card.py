"""The README.md of an exported model, in the form that model hubs read: YAML on top, Markdown below."""

import re

import numpy as np
from huggingface_hub import EvalResult, ModelCardData

from graft.data.images import limits_of
from graft.evaluation.caveats import worse_on_test
from graft.evaluation.tables import METRIC_NAMES, printable

# As the hub spells licences; what is not among these is "other" with its name.
LICENCES = {
    "agpl-3.0",
    "apache-2.0",
    "bsd-2-clause",
    "bsd-3-clause",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "gpl-3.0",
    "lgpl-3.0",
    "mit",
    "mpl-2.0",
    "openrail",
    "unlicense",
}
HUB_METRICS = {"macro_f1": "f1", "auroc": "roc_auc", "brier": "brier_score"}
TASKS = {
    ("image", "classification"): "image-classification",
    ("text", "classification"): "text-classification",
    ("image", "ordinal"): "image-classification",
    ("text", "ordinal"): "text-classification",
    ("vector", "classification"): "tabular-classification",
    ("vector", "ordinal"): "tabular-classification",
    ("image", "multilabel"): "image-classification",
    ("text", "multilabel"): "text-classification",
    ("vector", "multilabel"): "tabular-classification",
    ("vector", "regression"): "tabular-regression",
}


def model_card(config, metrics, card, dataset):
    """The text of README.md.

    Parameters
    ----------
    config : dict
        config.json of the exported model.
    metrics : dict, target -> dict
        metrics.json of each target of the model.
    card : dict
        data_card.json of its data set.
    dataset : dict
        dataset.json of its data set.
    """
    return f"---\n{front_matter(config, metrics, dataset)}\n---\n\n{body(config, metrics, card, dataset)}"


def ensemble_card(config, metrics, card, dataset):
    """The text of README.md of an ensemble; the parameters are those of `model_card`."""
    return f"---\n{front_matter(config, metrics, dataset)}\n---\n\n{ensemble_body(config, metrics, card, dataset)}"


def labels_of(targets):
    """What labels.json of an exported model says; `targets` are those of ft_model.pt."""
    return {"targets": {name: _label(facts) for name, facts in targets.items()}}


def _label(facts):
    return {key: facts[key] for key in ("kind", "classes") if facts.get(key) is not None}


def front_matter(config, metrics, dataset):
    """The hub's YAML: licence, task, data, and the test results as a model index."""
    modality = config["backbone"]["modality"]
    tasks = [TASKS.get((modality, facts["kind"])) for facts in config["targets"].values()]
    task = tasks[0]
    hub_name = (dataset.get("source") or {}).get("huggingface")
    results = [
        EvalResult(
            task_type=own or "other",
            dataset_type=hub_name or config["dataset"],
            dataset_name=config["dataset"],
            dataset_split="test",
            metric_type=HUB_METRICS.get(name, name),
            metric_name=METRIC_NAMES.get(name, name) + (f" of {target}" if len(tasks) > 1 else ""),
            metric_value=round(metric["value"], 6),
        )
        for target, own in zip(config["targets"], tasks, strict=True)
        for name, metric in metrics[target].get("test", {}).items()
        if metric["value"] is not None and name != "threshold"
    ]
    data = ModelCardData(
        **licence_of(config["backbone"]),
        library_name="graft",
        pipeline_tag=task,
        tags=[
            "graft",
            "transfer-learning",
            modality,
            config["backbone"]["architecture"] or "vectors",
            config["method"],
        ],
        datasets=[hub_name] if hub_name else None,
        base_model=(config["backbone"].get("source") or {}).get("huggingface"),
        model_name=config["name"] if results else None,
        eval_results=results or None,
    )
    return data.to_yaml().strip()


def licence_of(backbone):
    """Licence as the hub writes it; nothing if the backbone names none."""
    name = (backbone.get("licence") or "").strip()
    if not name:
        return {}
    hub = name.lower()
    return (
        {"license": hub} if hub in LICENCES else {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", hub)}
    )


def body(config, metrics, card, dataset):
    """What a reader wants to know: what it is, labels, data, quality, and how to load it."""
    backbone = config["backbone"]
    names = [f"**{name}**" for name in config["targets"]]
    width = backbone["preprocessing"].get("width", backbone["width"])  # of vectors: before `preprocess`
    sample = SAMPLES[backbone["modality"]].format(width=width)
    parts = [
        f"# {config['name']}, seed {config['seed']}",
        f"A {backbone['modality']} model of {_listed(names)}, trained with [graft](#how-to-load-it) by `{config['method']}` "
        f"from the backbone `{backbone['name']}` ({backbone['library']}, {backbone['architecture'] or 'none'}); "
        f"{config['parameters']:,} parameters.",
        *facts_of_targets(config, metrics, card, dataset),
        *reading(config),
        "## How to load it",
        HOW.format(target=next(iter(config["targets"])), sample=sample),
        "The file `config.json` holds the architecture, the preprocessing and the calibration; `model.safetensors` the "
        f"weights (digest `{config['digests']['model']}`).",
    ]
    return "\n\n".join(parts) + "\n"


def ensemble_body(config, metrics, card, dataset):
    """What a reader wants to know of an ensemble: who answers, labels, data, quality, and how to load it."""
    members = [
        f"* [{one['name']}, seed {one['seed']}](../../{one['name']}/seed{one['seed']}){share_of(place, config['targets'])}"
        for place, one in enumerate(config["members"])
    ]
    names = [f"**{name}**" for name in config["targets"]]
    sample = SAMPLES[config["backbone"]["modality"]].format(width=0)
    parts = [
        f"# {config['name']}",
        f"An ensemble for {_listed(names)}, made with [graft](#how-to-load-it): the answers of {len(members)} trained models "
        f"are combined by `{config['method']}`. It has no network of its own, and all of them have {config['parameters']:,} "
        "parameters.",
        "## Members",
        "\n".join(members),
        *facts_of_targets(config, metrics, card, dataset),
        "## How to load it",
        HOW.format(target=next(iter(config["targets"])), sample=sample),
        "Its members are loaded from the folders beside it.",
    ]
    return "\n\n".join(parts) + "\n"


def share_of(place, targets):
    """How much a member of an ensemble that weighs them counts for each target, as words behind its name; else ""."""
    shares = {name: facts["weights"][place] for name, facts in targets.items() if "weights" in facts}
    said = ", ".join(f"{name} {share:.0%}" if len(targets) > 1 else f"{share:.0%}" for name, share in shares.items())
    return f": {said}" if said else ""


def facts_of_targets(config, metrics, card, dataset):
    """The sections on answers, data and quality."""
    targets, counts = config["targets"], card.get("counts", {})
    several = len(targets) > 1
    return [
        "## Answers",
        *(f"### {name}\n\n{answers(facts)}" if several else answers(facts) for name, facts in targets.items()),
        "## Data",
        f"Data set `{config['dataset']}`: "
        + ", ".join(f"{count} {split}" for split, count in counts.items())
        + f" samples. Licence of the data: {dataset.get('licence') or 'not stated'}. "
        + f"Licence of the backbone: {config['backbone'].get('licence') or 'not stated'}.",
        "## Quality",
        "With 95 % intervals for other samples, and for other groups where the data name groups of samples that belong "
        "together. The test split was not used in training.",
        *(part for name in targets for part in ([f"### {name}"] if several else []) + judged(metrics[name])),
    ]


def _listed(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def judged(metrics):
    """The quality for one target, and what makes it doubtful."""
    said = worse_on_test(metrics)
    return [quality(metrics), *([f"**Beware**: {said}."] if said else [])]


def answers(facts):
    """The classes in the order of the outputs, or the unit-less description of a value."""
    if facts["kind"] == "regression":
        return f"One number per sample; one standard deviation of its error is {facts['residual_std']:.4g}."
    names = "\n".join(f"{i}. `{printable(name)}`" for i, name in enumerate(facts["classes"]))
    if facts["kind"] == "ordinal":
        how = f"temperatures {', '.join(f'{one:.4g}' for one in facts['temperature'])}"
        return (
            f"Classes from low to high. Output k is the logit of being above class k, given class k or above (CORN). The predicted class "
            f"is in the middle of the probabilities. They are calibrated on samples that were held out ({how}).\n\n{names}"
        )
    if facts["kind"] == "multilabel":
        limits = ", ".join(f"{one:.3g}" for one in facts["thresholds"])
        return (
            f"Any number of labels. Output k is the logit of label k, independent of the others. A label is predicted if its "
            f"probability reaches its threshold ({limits}: the largest F1 on validation rows). The probabilities are calibrated.\n\n{names}"
        )
    how = f"temperature {facts['temperature']:.4g}"
    if facts.get("intercepts"):
        how += "; the training's class weights are removed from the probabilities, not from the choice of the class"
    calibrated = f"Probabilities are calibrated on samples that were held out ({how})."
    return f"{calibrated} Classes in the order of the outputs:\n\n{names}"


def reading(config):
    """The section on how samples are read; none for texts."""
    if config["backbone"]["modality"] == "image":
        said = reading_of(config["image"], config["transform"]["fit"])
    else:
        named = config.get("columns", {}).get("features")
        said = [f"The numbers of a sample, in this order: {', '.join(map(printable, named))}."] if named else []
    return ["## How samples are read", "\n".join(f"* {line}" for line in said)] if said else []


def reading_of(image, fit):
    """How image files become numbers, where a usual reader would do otherwise; list of sentences.

    Parameters
    ----------
    image : dict, what images.image_format gave
    fit : "crop", "squash" or "pad"
    """
    low, high = ("/".join(f"{value:g}" for value in np.atleast_1d(end)) for end in limits_of(image))
    bits = {"uint8": "8 bits", "uint16": "16 bits", "float32": "floats, or integers of 32 bits"}[image["dtype"]]
    said = [
        f"Pixels are {bits}. {low} is black and {high} is white; values beyond are cut before the image is resized."
    ]
    said.append("Pixels that were not measured (NaN, or the number that GDAL's no-data tag names) become black.")
    if image.get("bands") == "all":
        said.append(f"The network gets all {image['channels']} bands of each file, in their order.")
    elif image.get("bands"):
        said.append(f"The bands {', '.join(map(str, image['bands']))} of each file are taken, counted from 1.")
    else:
        said.append("What a file calls its alpha channel is blended with white.")
    if image["channels"] == 1:
        said.append("Images are grey; the network gets the one channel three times.")
    if image.get("frames") == "first":
        said.append("Of a file of several images, the first is taken.")
    if fit == "pad":
        said.append(f"The longer side is resized; the image is in the middle of a black square ({low}).")
    if fit == "crop":
        said.append(
            "The central square is resized at once; resizing first and cropping then differs by less than a pixel."
        )
    return said


def quality(metrics):
    """A Markdown table: metrics down, splits across."""
    splits = list(metrics)
    names = list(dict.fromkeys(name for split in splits for name in metrics[split]))
    lines = [f"| metric | {' | '.join(splits)} |", f"|---|{'---|' * len(splits)}"]
    for name in names:
        cells = " | ".join(cell(metrics[split].get(name)) for split in splits)
        lines.append(f"| {METRIC_NAMES.get(name, name)} | {cells} |")
    return "\n".join(lines)


def cell(metric):
    """0.812 (0.771 to 0.853), or a dash."""
    if metric is None or metric["value"] is None:
        return "-"
    interval = "" if metric["low"] is None else f" ({metric['low']:.3f} to {metric['high']:.3f})"
    return f"{metric['value']:.3f}{interval}"


SAMPLES = {
    "image": '["image.png"]  # paths of image files',
    "text": '["a sentence"]  # texts',
    "vector": "[[0.1] * {width}]  # rows of numbers",
}
HOW = """With graft installed (`pip install .` in its checkout):

```python
from graft.serving.exported import load_exported, predict

model = load_exported(".")  # this folder
samples = {sample}
print(predict(model, samples)["{target}"])
```"""
