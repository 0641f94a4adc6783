"""What a schema cannot say about a config: names that refer to nothing, and settings that contradict each other.

Every check takes a config in which what the schema refused is None (unknown: say nothing), and yields Problems.
"""

from graft.common import plugins
from graft.config.adapt_checks import check_adapt
from graft.config.ensemble_checks import check_ensembles
from graft.config.entry_checks import (
    check_backbones,
    check_conformal,
    check_datasets,
    check_store,
    check_tracking,
    unknown,
    unknown_model,
    unknown_seed,
)
from graft.config.errors import Problem
from graft.config.plan import (
    BACKBONES,
    LEAST_LABELS,
    SECTIONS,
    VECTORS,
    ancestors,
    as_list,
    entries,
    known_backbones,
    lookup,
    modality_of,
    models,
    tasks,
)
from graft.config.schema import read_schema
from graft.config.search_checks import check_searches
from graft.config.zero_shot_checks import check_zero_shot


def check(config):
    """All problems, section by section (a list of Problem, each once)."""
    trained = models(config)
    tried = tasks(config, trained)
    by_name = {model["name"]: model for _, model in trained}
    found = (
        check_datasets(config),
        check_backbones(config),
        check_references(config),
        check_models(config, [one for one in trained if one[1]["stage"] != "ensemble"]),
        check_folds(config),
        check_curves(config),
        check_searches(config, trained),
        check_distill(config, trained, by_name),
        check_ensembles(config, trained, by_name),
        check_few_shot(config, [one for one in tried if one[1]["stage"] == "few_shot"], by_name),
        check_modalities(config, tried),
        check_zero_shot(config, tried),
        check_names(config, trained, tried),
        check_predict(config, by_name),
        check_hand_off(config, by_name),
        check_adapt(config, trained),
        check_conformal(config),
        check_store(config),
        check_tracking(config),
    )
    return list(dict.fromkeys(problem for problems in found for problem in problems))


def check_references(config):
    """Every name of a data set, target or backbone is defined."""
    datasets = list(config.get("datasets") or {})
    backbones = list(dict.fromkeys([VECTORS, *(config.get("backbones") or {}), *known_backbones()]))
    for section in SECTIONS:
        for name, entry in entries(config, section):
            path = (section, name)
            if entry.get("target") is not None and entry.get("targets") is not None:
                yield Problem((*path, "targets"), "`target` is given, too", "one of target and targets")
            for key in BACKBONES:
                yield from unknown((*path, key), entry.get(key), backbones, "backbone")
            for key in ("source", "target", "dataset") if section == "adapt" else ("dataset",):
                yield from unknown((*path, key), entry.get(key), datasets, "data set")
            for dataset in as_list(entry.get("source") or entry.get("dataset")):
                targets, place = lookup(config, "datasets", dataset, "targets"), f" in data set '{dataset}'"
                for key in (("label",) if section == "adapt" else ("target", "targets")) if targets else ():
                    yield from unknown((*path, key), entry.get(key), list(targets), "target", place)


def check_models(config, trained):
    """Settings that do not fit the data: of fine-tuned and of distilled models."""
    for path, model in trained:
        dataset = model["dataset"]
        for name in dict.fromkeys((dataset, model.get("source", dataset))):
            yield from _clash((*path, "backbone"), config, name, model["backbone"])
        yield from _nothing_to_train(path, config, model)
        modality = _modality(config, dataset)
        if model.get("augment") not in (None, "none") and modality in ("text", "vector"):
            what = f"'{model['augment']}' changes images, and '{dataset}' holds {modality}s"
            yield Problem((*path, "augment"), what, "none")
        if model.get("views") is not None and model.get("augment") == "none":
            yield Problem((*path, "views"), "there is one view of an image without `augment`", None, "set `augment`")
        yield from _without_classes(path, config, model)
        gpus = lookup(config, "device", "gpus_per_job") or 0
        if model.get("task_weights") == "pcgrad" and len(model["targets"]) > 1 and gpus > 1:
            what = f"pcgrad projects the gradients of one process, and {gpus} GPUs train together"
            yield Problem((*path, "task_weights"), what, "equal, uncertainty; or `device: {gpus_per_job: 1}`")


def _without_classes(path, config, model):
    """Settings for classes, of an entry whose targets are numbers, have an order, or are several labels per sample."""
    # A model of a number alone, made to compare with, has the settings of an entry that has classes, too.
    targets = as_list(lookup(config, *path, "targets")) or model["targets"]
    kinds = {target: _kind(config, model["dataset"], target) for target in targets}
    number = next((target for target, kind in kinds.items() if kind == "regression"), None)
    if number and model["stage"] == "distill":
        what = f"distillation imitates class probabilities, and target '{number}' is a number"
        rest = [target for target, kind in kinds.items() if kind != "regression"]
        hint = f"name one that has classes: `target: {rest[0]}`" if rest else None
        yield Problem((*path, "teacher"), what, "a teacher of a classification target", hint)
    if not kinds or not set(kinds.values()) <= {"regression", "ordinal", "multilabel"}:
        return
    first, kind = next(iter(kinds.items()))
    ordered = (
        f"the classes of target '{first}' {'have an order' if kind == 'ordinal' else 'are labels, each by itself'}"
    )
    if model.get("class_weights") not in (None, "none"):
        what = (
            f"target '{number}' is a number and has no classes to weigh"
            if number
            else f"{ordered}, and are not weighed"
        )
        yield Problem((*path, "class_weights"), what, "none")
    if model.get("label_smoothing"):
        what = (
            f"target '{number}' is a number, and only classes can be smoothed"
            if number
            else f"{ordered}, and are not smoothed"
        )
        yield Problem((*path, "label_smoothing"), what, "0")


def _nothing_to_train(path, config, model):
    """Vectors have no network: the loop would train a last layer alone, worse than `linear` solves it (0.605 for 0.856)."""
    if model["backbone"] != VECTORS and lookup(config, "backbones", model["backbone"], "library") != "vectors":
        return
    does = "only transforms vectors" if lookup(config, "backbones", model["backbone"]) else "hands vectors through"
    frozen = [name for name in plugins.names("method") if plugins.constant("method", name, "FROZEN")]
    frozen = list(plugins.names("adaptation")) if model["stage"] == "adapt" else frozen
    if model["stage"] == "distill":
        what = f"a student is a network that is trained, and '{model['backbone']}' {does}"
        yield Problem((*path, "backbone"), what, "a backbone of timm, torchvision or transformers")
    elif model["method"] is not None and model["method"] not in frozen:
        what = f"'{model['method']}' trains a network, and '{model['backbone']}' {does}"
        hint = (
            f"use `method: {'coral' if model['stage'] == 'adapt' else 'linear'}`, which solves the last layer exactly"
        )
        yield Problem((*path, "method"), what, ", ".join(frozen), hint)


def check_folds(config):
    """`folds` of an entry is for a network that is trained, and no more than the data set has."""
    for name, entry in entries(config, "finetune"):
        path, count, methods = ("finetune", name, "folds"), entry.get("folds"), as_list(entry.get("method"))
        if count is None or entry.get("search"):
            continue
        if _all_frozen(methods):
            what = f"{' and '.join(methods)} keeps the network frozen, and such heads have out-of-fold probabilities anyway"
            yield Problem(path, what, "folds of a method that trains the network", "delete the line")
        for dataset in as_list(entry.get("dataset")):
            known = lookup(config, "datasets", dataset, "folds")
            own = lookup(config, "datasets", dataset, "columns", "fold") is not None
            if not own and known is not None and count > known:
                what = f"{count} folds, but data set '{dataset}' has {known}"
                yield Problem(path, what, f"2 to {known}" if known > 2 else "2", "or raise the data set's `folds`")


def check_curves(config):
    """`curve` of an entry is for a network that is trained, and of no fewer rows than something can be learned from."""
    for name, entry in entries(config, "finetune"):
        path, methods = ("finetune", name, "curve"), as_list(entry.get("method"))
        fractions = [fraction for fraction in as_list(entry.get("curve")) if fraction is not None]
        if not fractions or entry.get("search"):
            continue
        if _all_frozen(methods):
            what = f"{' and '.join(methods)} keeps the network frozen, and the curve of such heads is measured anyway"
            yield Problem(path, what, "the curve of a method that trains the network", "delete the line")
        for dataset in as_list(entry.get("dataset")):
            limit = lookup(config, "datasets", dataset, "limit")
            if limit is not None and min(fractions) * limit < LEAST_LABELS:
                what = f"{min(fractions):g} of the {limit} rows of `limit` are fewer than {LEAST_LABELS} labels"
                enough = [f"{one:g}" for one in _fractions() if one * limit >= LEAST_LABELS]
                yield Problem(path, what, ", ".join(enough) or None, f"or raise the `limit` of '{dataset}'")


def _all_frozen(methods):
    """Whether some methods are named, and none of them trains the network."""
    return bool(methods) and all(plugins.constant("method", method, "FROZEN") for method in methods)


def _fractions():
    """What `curve` may list."""
    keys = read_schema()["properties"]["finetune"]["additionalProperties"]["properties"]
    return keys["curve"]["items"]["enum"]


def _clash(path, config, dataset, backbone):
    """A data set of one kind on a backbone of another, as far as both are known."""
    library = "vectors" if backbone == VECTORS else lookup(config, "backbones", backbone, "library")
    taken = plugins.constant("library", library, "MODALITY")
    held = _modality(config, dataset)
    if taken and held and taken != held:
        yield Problem(path, f"backbone '{backbone}' takes {taken}s, and data set '{dataset}' holds {held}s")


def check_modalities(config, tried):
    """Zero-shot tasks on data that their backbone does not take."""
    for path, task in tried:
        if task["stage"] == "zero_shot":
            yield from _clash((*path, "backbone"), config, task["dataset"], task["backbone"])


def _modality(config, dataset):
    return modality_of(lookup(config, "datasets", dataset) or {})


def _kind(config, dataset, target):
    return lookup(config, "datasets", dataset, "targets", target, "kind")


def check_distill(config, trained, by_name):
    for path, model in trained:
        if model.get("teacher") is None:
            continue
        name, teacher = model["teacher"], by_name.get(model["teacher"])
        if teacher is None:
            yield from unknown_model((*path, "teacher"), name, by_name, config)
            continue
        if model["name"] in ancestors(model, by_name):
            yield Problem((*path, "teacher"), f"'{model['name']}' would be its own teacher", "another trained model")
            continue
        if teacher["stage"] == "adapt":
            what = f"'{name}' answers for the rows of its domain alone, and a student learns from all"
            yield Problem((*path, "teacher"), what, "a model of finetune, distill or ensemble")
            continue
        if model["backbone"] == teacher["backbone"]:
            what = f"teacher and student have the same backbone '{model['backbone']}'"
            hint = "to teach a network of the same size, give the backbone a second entry under another name"
            yield Problem((*path, "backbone"), what, "another backbone than the teacher's", hint)
        yield from unknown_seed((*path, "teacher_seed"), model.get("teacher_seed"), name, teacher)
        for key, word, learned in (
            ("dataset", "data set", as_list(teacher["dataset"])),
            ("target", "target", teacher["targets"]),
        ):
            own = lookup(config, *path, key)
            if own is not None and learned and own not in learned:
                said = "', '".join(learned)
                what = f"the student's {word} is '{own}', but its teacher learned '{said}'"
                yield Problem((*path, key), what, f"'{said}', or leave the line out")


def check_few_shot(config, tried, by_name):
    for path, task in tried:
        dataset, target = task["dataset"], task["target"]
        if task["model"] is not None:
            model = by_name.get(task["model"])
            if model is None:
                yield from unknown_model((*path, "model"), task["model"], by_name, config)
            elif model["stage"] == "ensemble":
                what = f"'{task['model']}' is an ensemble, which has no embeddings of its own"
                yield Problem((*path, "model"), what, f"one of its members: {', '.join(model['models'])}")
            else:
                yield from unknown_seed((*path, "model_seed"), task["model_seed"], task["model"], model)
                if None not in (model["dataset"], dataset) and model["dataset"] != dataset:
                    what = f"'{task['model']}' was trained on '{model['dataset']}', not on '{dataset}'"
                    yield Problem((*path, "model"), what, f"a model trained on '{dataset}'")
        else:
            yield from _clash((*path, "backbone"), config, dataset, task["backbone"])
        if _kind(config, dataset, target) == "regression":
            what = f"target '{target}' is a number, and few-shot learning needs classes"
            yield Problem(path, what, None, "name another `target`")
        elif _kind(config, dataset, target) == "multilabel":
            what = f"samples of target '{target}' have several labels, and an episode is about one class each"
            yield Problem(path, what, None, "name another `target`")
        else:
            yield from _too_many(path, config, task)


def _too_many(path, config, task):
    """More classes or samples per episode than there can be."""
    limit = lookup(config, "datasets", task["dataset"], "limit")
    target = lookup(config, "datasets", task["dataset"], "targets", task["target"]) or {}
    classes = target.get("classes") or ([None, None] if target.get("threshold") is not None else None)
    ways, shots, queries = task.get("ways"), as_list(task.get("shots")), task.get("queries")
    if ways and classes and ways > len(classes):
        what = f"{ways} classes per episode, but target '{task['target']}' has {len(classes)}"
        yield Problem((*path, "ways"), what, f"2 to {len(classes)}" if len(classes) > 2 else "2")
    if ways and shots and queries and limit and ways * (max(shots) + queries) > limit:
        needed = f"{ways} classes x ({max(shots)} shots + {queries} queries)"
        what = f"{needed} are more than the {limit} rows of `limit`"
        yield Problem((*path, "shots"), what, None, "use fewer shots or queries, or raise the data set's `limit`")


def check_names(config, trained, tried):
    """No two models, tasks, data sets or backbones end in one folder; some file systems ignore case."""
    for section in ("datasets", "backbones"):
        names = [((section, str(name)), str(name)) for name in config.get(section) or {}]
        yield from _twice(names, "name")
    yield from _twice([(path, model["name"]) for path, model in trained], "model")
    yield from _twice([(path, task["name"]) for path, task in tried], "task")
    yield from _twice([(("predict", name), name) for name, _ in entries(config, "predict")], "name")


def _twice(named, kind):
    first = {}
    for path, name in named:
        other, same = first.setdefault(name.casefold(), (path, name))
        if same is not name:
            also = "is" if same == name else f"(like '{same}', except for capitals) is"
            what = f"the {kind} '{name}' {also} in {'.'.join(other)} as well; their files would be the same"
            yield Problem(path, what, None, "rename one entry")


def check_predict(config, by_name):
    for name, entry in entries(config, "predict"):
        model = by_name.get(entry.get("model"))
        if model is not None:
            yield from unknown_seed(("predict", name, "seed"), entry.get("seed"), entry["model"], model)
        elif entry.get("model") is not None:
            yield from unknown_model(("predict", name, "model"), entry["model"], by_name, config)


def check_hand_off(config, by_name):
    named = lookup(config, "hand_off", "models")
    if isinstance(named, list):
        for position, name in enumerate(named):
            yield from unknown_model(("hand_off", "models", position), name, by_name, config)
