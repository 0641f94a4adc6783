"""What a config asks for: every model and few-shot task by its full name, with all its settings."""

from copy import deepcopy
from dataclasses import dataclass
from functools import cache

import yaml

from graft.common import plugins
from graft.config.schema import child, read_schema, schema_path

VECTORS = "vectors"
NAMING = ("dataset", "target", "backbone", "method")  # keys of an entry that may be lists, or depend on other entries


@dataclass(frozen=True)
class Plan:
    """Plain dicts, name -> settings; all of it can be written as JSON.

    datasets, backbones : as in the config, with `name`; backbones include the implicit `vectors`
    models : stage ('finetune' | 'distill'), name, entry, dataset, target, backbone, method, seeds and all training
        settings; distilled ones also teacher, teacher_seed, temperature, alpha
    tasks : name, entry, dataset, target, backbone (or None), model (or None), model_seed, method, ways, shots, ...,
        seen_before (whether the model's network was trained on the very classes)
    """

    datasets: dict
    backbones: dict
    models: dict
    tasks: dict


def plan(config):
    """Expand the lists of a config that `load` returned into single models and tasks."""
    backbones = {VECTORS: vectors_backbone(), **config["backbones"]}
    return Plan(
        datasets={name: {"name": name, **deepcopy(entry)} for name, entry in config["datasets"].items()},
        backbones={name: {"name": name, "source": {}, **deepcopy(entry)} for name, entry in backbones.items()},
        models={settings["name"]: settings for _, settings in models(config)},
        tasks={settings["name"]: settings for _, settings in tasks(config)},
    )


def vectors_backbone():
    """The entry of the backbone that is always there: it hands vectors through."""
    schema = child(read_schema()["properties"]["backbones"], VECTORS)
    defaults = {key: deepcopy(inner["default"]) for key, inner in schema["properties"].items() if "default" in inner}
    return {"library": "vectors", **defaults}


@cache
def known_backbones():
    """The backbones of config/backbones.yaml, which need no entry in the user's config; name -> entry."""
    return yaml.safe_load(schema_path().with_name("backbones.yaml").read_text(encoding="utf-8"))


def complete_backbones(config):
    """Fill in the backbones that are `like` others, and add the known ones that the config names without an entry."""
    given = config.setdefault("backbones", {})
    if not isinstance(given, dict):
        return
    own = {name: _whole(name, {**known_backbones(), **given}, ()) or entry for name, entry in given.items()}
    config["backbones"] = own
    for section in ("finetune", "few_shot", "distill"):
        for _, entry in entries(config, section):
            for name in as_list(entry.get("backbone")):
                if isinstance(name, str) and name in known_backbones() and name not in own:
                    own[name] = deepcopy(known_backbones()[name])


def _whole(name, known, seen):
    """An entry with what it does not say itself taken from the one it is like; None if there is no such one."""
    entry = known.get(name) if name not in seen else None
    if not isinstance(entry, dict) or "like" not in entry:
        return entry
    base = _whole(entry["like"], known, (*seen, name)) if isinstance(entry["like"], str) else None
    return base and {**deepcopy(base), **{key: value for key, value in entry.items() if key != "like"}}


def entries(config, section):
    """The entries of a section that are whole enough to look at, as (name, settings)."""
    found = config.get(section)
    return (
        [(name, entry) for name, entry in found.items() if isinstance(entry, dict)] if isinstance(found, dict) else []
    )


def models(config):
    """Every model that the config asks for.

    Works on a config with mistakes, too (what is missing is None), so that the checks can use it.

    Returns
    -------
    list of (path of the entry, settings), in the order of the config, finetune first
    """
    found = []
    for entry, given in entries(config, "finetune"):
        rest = {key: value for key, value in given.items() if key not in NAMING}
        for label, dataset in _datasets(entry, given):
            target = given.get("target") or first_target(config, dataset)
            for backbone, method in _pairs(given):
                head = {"stage": "finetune", "name": f"{label}.{backbone}.{method}", "entry": label, "dataset": dataset}
                found.append(
                    (("finetune", entry), head | _copy(target=target, backbone=backbone, method=method) | _copy(**rest))
                )
    return found + _distilled(config, found)


def _distilled(config, trained):
    """The distilled models. Data set and target are the teacher's, which may be a distilled model itself."""
    found = []
    for entry, given in entries(config, "distill"):
        rest = {key: value for key, value in given.items() if key not in NAMING}
        for backbone, method in _pairs(given):
            head = {
                "stage": "distill",
                "name": f"{entry}.{backbone}.{method}",
                "entry": entry,
                "dataset": given.get("dataset"),
            }
            head |= _copy(target=given.get("target"), backbone=backbone, method=method)
            found.append((("distill", entry), head | _copy(**rest)))
    by_name = {settings["name"]: settings for _, settings in [*trained, *found]}
    for _, settings in found:
        origin = first_teacher(settings, by_name) or {}
        settings["dataset"] = settings["dataset"] or origin.get("dataset")
        settings["target"] = settings["target"] or origin.get("target")
    return found


def first_teacher(settings, by_name):
    """The fine-tuned model at the start of a chain of teachers, or None if there is none (undefined, or a circle)."""
    seen = set()
    while settings is not None and settings["stage"] == "distill" and settings["name"] not in seen:
        seen.add(settings["name"])
        settings = by_name.get(settings.get("teacher"))
    return settings if settings and settings["stage"] == "finetune" else None


def tasks(config):
    """Every few-shot task that the config asks for, as (path of the entry, settings)."""
    found = []
    taught = {settings["name"]: settings for _, settings in models(config)}
    keys = ("backbone", "model", "model_seed", *NAMING)
    for entry, given in entries(config, "few_shot"):
        rest = {key: value for key, value in given.items() if key not in keys}
        model = given.get("model")
        networks = [None] if model else as_list(given.get("backbone"))
        for label, dataset in _datasets(entry, given):
            target = given.get("target") or first_target(config, dataset)
            for network in networks:
                for method in as_list(given.get("method")):
                    name = f"{label}.{(model or str(network)).replace('.', '-')}.{method}"
                    head = {"name": name, "entry": label, "dataset": dataset, "target": target, "backbone": network}
                    head |= {"model": model, "model_seed": given.get("model_seed"), "method": method}
                    head["seen_before"] = model is not None and _trained_on(taught.get(model), dataset, target)
                    found.append((("few_shot", entry), head | _copy(**rest)))
    return found


def _trained_on(model, dataset, target):
    """Whether the weights of a model's network were trained on these classes."""
    if model is None or (model["dataset"], model["target"]) != (dataset, target):
        return False
    return model["stage"] == "distill" or not plugins.constant("method", model["method"], "FROZEN")


def first_target(config, dataset):
    """The target that an entry means if it names none."""
    targets = ((config.get("datasets") or {}).get(dataset) or {}).get("targets") or {}
    return next(iter(targets), None)


def modality_of(entry):
    """What a data set holds, image, text or vector, as far as its entry says; else None."""
    columns = entry.get("columns") or {}
    said = {"path": "image", "text": "text", "features": "vector"}
    by_column = next((modality for key, modality in said.items() if columns.get(key) is not None), None)
    by_reader = {"folder": "image", "arrays": "vector"}.get(entry.get("reader"))
    return entry.get("modality") or by_column or by_reader


def as_list(value):
    """One value or a list of them, as a list without the unknown (None)."""
    return [item for item in (value if isinstance(value, list) else [value]) if item is not None]


def _datasets(entry, given):
    """(label, data set): the entry's own name, or one name per data set of a list."""
    dataset = given.get("dataset")
    if isinstance(dataset, list):
        return [(f"{entry}-{name}", name) for name in as_list(dataset)]
    return [(entry, dataset)]


def _pairs(given):
    return [
        (backbone, method) for backbone in as_list(given.get("backbone")) for method in as_list(given.get("method"))
    ]


def _copy(**settings):
    return deepcopy(settings)
