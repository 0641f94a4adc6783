"""What a config asks for: every model and few-shot task by its full name, with all its settings."""

from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from itertools import product

import yaml

from graft.common import plugins
from graft.config.schema import read_schema, schema_path

VECTORS = "vectors"
BEST = "best.search"  # of the model that a search finds, after its entry
CHOSEN = "best-of-"  # before that entry: the backbone which the search chooses
LEAST_LABELS = 8  # of a point of a learning curve: what learned from fewer says nothing
UNTRAINED = "-untrained"  # after a backbone's name: its twin with random weights, which shows what pretraining is worth
# Keys of an entry that may be lists or depend on other entries: each model and task has its own value.
WITHIN = ("auto", "all", "class", "group")  # what conformal.within may be beside a column of subgroups
NAMING = ("dataset", "target", "targets", "alone", "backbone", "method", "model", "model_seed")
SECTIONS = ("finetune", "adapt", "few_shot", "zero_shot", "distill")  # those whose entries name backbones
BACKBONES = ("backbone", "text_backbone")  # keys of an entry that name one
# Kinds of methods of adapt -> that of them which does not adapt, and is always there to compare with.
SOURCE_ONLY = {"adaptation": "source_only", "adaptation_objective": "source_only_full"}


@dataclass(frozen=True)
class Plan:
    """Plain dicts, name -> settings; all of it can be written as JSON.

    datasets, backbones : as in the config, with `name`; backbones include the implicit `vectors` and the untrained twins
    models : stage ('finetune' | 'adapt' | 'distill' | 'ensemble'), name, entry, dataset, targets (a list), backbone, method, seeds
        and all training settings; distilled ones also teacher, teacher_seed, temperature, alpha; adapted ones, whose dataset is
        the target domain's, also source (the data set with the labels), domain (which rows are of which; None for all),
        validator; ensembles have no backbone, and members (a list of {name, seed})
    tasks : stage ('few_shot' | 'zero_shot'), name, entry, dataset, target, backbone, method; few-shot ones also ways,
        shots, ..., model, model_seed (a trained network where backbone is None) and seen_before (whether that was
        trained on the very classes); zero-shot ones descriptions, templates, text_backbone, calibration, unseen
    """

    datasets: dict
    backbones: dict
    models: dict
    tasks: dict


def make_plan(config):
    """Expand the lists of a config that `load` returned into single models and tasks. No two share a list or dict."""
    trained = models(config)
    backbones = {VECTORS: vectors_backbone(), **config["backbones"]}
    backbones = {**untrained_twins(backbones), **backbones, **chosen_backbones(trained, backbones)}
    return Plan(
        datasets={name: {"name": name, **deepcopy(entry)} for name, entry in config["datasets"].items()},
        backbones={name: {"name": name, "source": {}, **deepcopy(entry)} for name, entry in backbones.items()},
        models={settings["name"]: deepcopy(settings) for _, settings in trained},
        tasks={settings["name"]: deepcopy(settings) for _, settings in tasks(config, trained)},
    )


def role_of(dataset, plan):
    """What a data set is used for, as prepare takes it: `domains`, its targets that say which domain a sample is from, and `learned`:
    False if it is only the target of adapt, whose labels outside the test split nobody reads.
    """
    adapted = [one for one in plan.models.values() if one["stage"] == "adapt"]
    used = [one for one in (*plan.models.values(), *plan.tasks.values()) if one["dataset"] == dataset]
    domains = {one["domain"]["column"] for one in adapted if one["domain"] and one["dataset"] == dataset}
    only_target = used and all(one["stage"] == "adapt" and one["source"] != dataset for one in used)
    return {"domains": sorted(domains), "learned": not only_target or dataset in {one["source"] for one in adapted}}


def untrained_twins(backbones):
    """The twins of the backbones that are trained: their entries, by name. They are fetched only where something reads them."""
    return {
        f"{name}{UNTRAINED}": {**entry, "source": {"untrained": name}}
        for name, entry in backbones.items()
        if entry["library"] != VECTORS and not (entry.get("source") or {}).get("random")
    }


def chosen_backbones(trained, backbones):
    """The backbones that searches will choose: entries like those of their first candidates, by name."""
    searching = [model for _, model in trained if model.get("search")]
    names = {model["backbone"]: model["search"]["backbone"] for model in searching}
    return {name: {**backbones[tried[0]], "source": {"chosen": tried}} for name, tried in names.items()}


def backbones_tried(entry):
    """The names of the backbones that a model or task reads: its own, or those that its search tries."""
    return entry["search"]["backbone"] if entry.get("search") else [entry["backbone"]]


def vectors_backbone():
    """The entry of the backbone that is always there: it hands vectors through."""
    keys = read_schema()["properties"]["backbones"]["additionalProperties"]["properties"]
    return {"library": "vectors", **{key: inner["default"] for key, inner in keys.items() if "default" in inner}}


@cache
def known_backbones():
    """The backbones of config/backbones.yaml, which need no entry in the user's config; name -> entry."""
    return yaml.safe_load(schema_path().with_name("backbones.yaml").read_text(encoding="utf-8"))


def complete_backbones(config):
    """Fill in the backbones that are `like` others, and add the known ones that the config names without an entry."""
    given, known = config.get("backbones", {}), known_backbones()
    if not isinstance(given, dict):
        return
    own = {name: _whole(name, known | given, ()) or entry for name, entry in given.items()}
    users = [entry for section in SECTIONS for _, entry in entries(config, section)]
    named = [name for entry in users for key in BACKBONES for name in as_list(entry.get(key)) if isinstance(name, str)]
    config["backbones"] = own | {name: deepcopy(known[name]) for name in named if name in known and name not in own}


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
    return [item for item in found.items() if isinstance(item[1], dict)] if isinstance(found, dict) else []


def lookup(config, *path):
    """What is at a path of keys, or None if that is unknown."""
    for key in path:
        config = config.get(key) if isinstance(config, dict) else None
    return config


def models(config):
    """Every model that the config asks for.

    Works on a config with mistakes, too (what is missing is None), so that the checks can use it.

    Returns
    -------
    list of (path of the entry, settings), in the order of the config, finetune first, then adapt, ensembles last; they share
        lists with it
    """
    found = []
    for entry, given in entries(config, "finetune"):
        for label, dataset in _datasets(entry, given):
            for name, targets in _together_and_alone(label, given, first_target(config, dataset)):
                found += [(("finetune", entry), model) for model in _models("finetune", name, given, dataset, targets)]
    for entry, given in entries(config, "adapt"):
        found += [(("adapt", entry), model) for model in _adapted(config, entry, given)]
    for entry, given in entries(config, "distill"):
        students = _models("distill", entry, given, given.get("dataset"), as_list(given.get("target")))
        found += [(("distill", entry), model) for model in students]
    for entry, given in entries(config, "ensemble"):
        found += [(("ensemble", entry), model) for model in _ensembles(entry, given)]
    by_name = {settings["name"]: settings for _, settings in found}
    for _, settings in found:
        origin = [settings, *teachers(settings, by_name).values()][-1]
        for key in ("dataset", "targets") if origin["stage"] not in ("distill", "ensemble") else ():
            settings[key] = settings[key] or deepcopy(origin[key])
        if settings["stage"] == "ensemble":
            settings["members"] = _members(settings, by_name)
    return found


def _together_and_alone(label, given, first):
    """(label, targets): all that an entry names in one model; and, to compare it with, a model of each."""
    several = as_list(given.get("targets"))
    if not several:
        return [(label, as_list(given.get("target") or first))]
    alone = [(f"{label}-{target}", [target]) for target in several] if given.get("alone", True) else []
    return [(label, several), *alone]


def _models(stage, label, given, dataset, targets):
    """The models of an entry for one data set; a student's data set and targets are its first teacher's."""
    rest = {key: value for key, value in given.items() if key not in NAMING}
    if isinstance(given.get("search"), dict):
        rest["search"] = {**given["search"], "backbone": as_list(given.get("backbone"))}
        head = {"stage": stage, "name": f"{label}.{BEST}", "entry": label, "dataset": dataset, "targets": targets}
        yield head | {"backbone": f"{CHOSEN}{label}", "method": "search"} | rest
        return
    for backbone, method in product(as_list(given.get("backbone")), as_list(given.get("method"))):
        head = {"stage": stage, "name": f"{label}.{backbone}.{method}", "entry": label, "dataset": dataset}
        yield head | {"targets": targets, "backbone": backbone, "method": method} | rest


def _adapted(config, entry, given):
    """The models of an entry of adapt, and before them those that do not adapt, with which they are compared."""
    domain = given.get("domain")
    source, dataset = (given.get("source"), given.get("target")) if domain is None else [given.get("dataset")] * 2
    targets = as_list(given.get("label") or first_target(config, source))
    methods = as_list(given.get("method"))
    unadapted = [name for kind, name in SOURCE_ONLY.items() if any(one in plugins.names(kind) for one in methods)]
    rest = {key: value for key, value in given.items() if key not in ("source", "domain", "label")}
    rest["method"] = list(dict.fromkeys([*unadapted, *methods]))
    numbers = targets and lookup(config, "datasets", source, "targets", targets[0], "kind") == "regression"
    rest["validator"] = given.get("validator") or ("importance_weighted" if numbers else "information_maximisation")
    for model in _models("adapt", entry, rest, dataset, targets):
        yield model | {"source": source, "domain": domain}


def _ensembles(label, given):
    """The ensembles of an entry; their data set and targets are those of their first member."""
    for method in as_list(given.get("method")):
        head = {
            "stage": "ensemble",
            "name": f"{label}.ensemble.{method}",
            "entry": label,
            "dataset": None,
            "targets": [],
        }
        head |= {"backbone": None, "method": method, "seeds": [0]}
        yield head | {"models": as_list(given.get("models")), "member_seeds": given.get("seeds")}


def _members(ensemble, by_name):
    """Every model and seed that an ensemble is made of, as far as they are known: list of {name, seed}."""
    wanted = ensemble["member_seeds"]
    known = [by_name[name] for name in ensemble["models"] if name in by_name]
    return [
        {"name": model["name"], "seed": seed}
        for model in known
        for seed in model.get("seeds") or ()
        if wanted is None or seed in wanted
    ]


def teachers(model, by_name):
    """The chain above a model, name -> settings: its teacher or its first member, the teacher of that one, and so on, each once."""
    found = {}
    while (name := next(iter(_above(model)), None)) in by_name and name not in found:
        model = found[name] = by_name[name]
    return found


def ancestors(model, by_name):
    """The names of all models that a model learns from or is made of, directly or not."""
    found, waiting = set(), _above(model)
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in found:
            found.add(name)
            waiting += _above(by_name[name])
    return found


def _above(model):
    return [*as_list(model.get("teacher")), *(model.get("models") or ())]


def tasks(config, trained):
    """Every few-shot and zero-shot task that the config asks for, as (path of the entry, settings).

    `trained` is what `models` gave.
    """
    return [*_few_shot(config, trained), *_zero_shot(config)]


def _zero_shot(config):
    for entry, given in entries(config, "zero_shot"):
        rest = {key: value for key, value in given.items() if key not in NAMING}
        choices = (_datasets(entry, given), as_list(given.get("backbone")), as_list(given.get("method")))
        for (label, dataset), backbone, method in product(*choices):
            head = {"stage": "zero_shot", "name": f"{label}.{backbone}.{method}", "entry": label, "dataset": dataset}
            head |= {"target": given.get("target") or first_target(config, dataset), "backbone": backbone}
            yield ("zero_shot", entry), head | {"method": method} | rest


def _few_shot(config, trained):
    taught = {settings["name"]: settings for _, settings in trained}
    for entry, given in entries(config, "few_shot"):
        rest = {key: value for key, value in given.items() if key not in NAMING}
        model, methods = given.get("model"), as_list(given.get("method"))
        networks = [None] if model else as_list(given.get("backbone"))
        for (label, dataset), network, method in product(_datasets(entry, given), networks, methods):
            target = given.get("target") or first_target(config, dataset)
            name = f"{label}.{(model or str(network)).replace('.', '-')}.{method}"
            head = {"stage": "few_shot", "name": name, "entry": label, "dataset": dataset, "target": target}
            head |= {"backbone": network}
            head |= {"model": model, "model_seed": given.get("model_seed"), "method": method}
            head["seen_before"] = model is not None and _trained_on(taught.get(model), dataset, target)
            yield ("few_shot", entry), head | rest


def method_kind(model):
    """The kind of plug-in that a model's method is."""
    if model["stage"] == "adapt":
        return next((kind for kind in SOURCE_ONLY if model["method"] in plugins.names(kind)), "adaptation")
    return {"finetune": "method", "distill": "objective", "ensemble": "ensemble"}[model["stage"]]


def unadapted(name):
    """The name of the model that does not adapt and with which an adapted one, called `name`, is compared."""
    entry_and_backbone, method = name.rsplit(".", 1)
    return f"{entry_and_backbone}.{SOURCE_ONLY[method_kind({'stage': 'adapt', 'method': method})]}"


def is_frozen(model):
    """Whether a model keeps the weights of its pretrained backbone, and is a head on stored embeddings."""
    kind = method_kind(model)
    return kind == "adaptation" or (kind == "method" and plugins.constant(kind, model["method"], "FROZEN", False))


def trained_datasets(plan):
    """The data sets on which the weights of a network are trained, by labels or without; list of str."""
    models = [model for model in plan.models.values() if model["stage"] != "ensemble" and not is_frozen(model)]
    return sorted({name for model in models for name in (model.get("source", model["dataset"]), model["dataset"])})


def _trained_on(model, dataset, target):
    """Whether the weights of a model's network were trained on these classes."""
    if model is None or model["dataset"] != dataset or target not in model["targets"]:
        return False
    return not is_frozen(model)


def first_target(config, dataset):
    """The target that an entry means if it names none."""
    return next(iter(lookup(config, "datasets", dataset, "targets") or ()), None)


def modality_of(entry):
    """What a data set holds, image, text or vector, as far as its entry says; else None."""
    said = {"path": "image", "text": "text", "features": "vector"}
    by_column = next((said[key] for key in said if lookup(entry, "columns", key) is not None), None)
    by_reader = {"folder": "image", "arrays": "vector"}.get(entry.get("reader"))
    return entry.get("modality") or by_column or by_reader


def as_list(value):
    """One value or a list of them, as a list without the unknown (None)."""
    return [item for item in (value if isinstance(value, list) else [value]) if item is not None]


def _datasets(entry, given):
    """(label, data set): the entry's own name, or one name per data set of a list."""
    dataset = given.get("dataset")
    return [(f"{entry}-{name}", name) for name in as_list(dataset)] if isinstance(dataset, list) else [(entry, dataset)]
