"""What is wrong with an entry of adapt: domains that are one, methods and validators that do not fit what is learned."""

from graft.common import plugins
from graft.common.errors import did_you_mean
from graft.config.errors import Problem
from graft.config.plan import as_list, entries, first_target, lookup, method_kind

MOVED = "coral"  # a method of finetune in earlier versions


def check_adapt(config, trained):
    """Problems of the entries of adapt; `trained` is what plan.models gave."""
    for name, entry in entries(config, "adapt"):
        path, domain = ("adapt", name), entry.get("domain")
        if entry.get("source") is not None and entry["source"] == entry.get("target"):
            what = f"source and target are the same data set '{entry['source']}'"
            yield Problem((*path, "target"), what, "another data set; or `dataset` with `domain`")
        elif isinstance(domain, dict):
            yield from _domain_problems((*path, "domain"), config, entry["dataset"], domain)
    for path, model in trained:
        if model["stage"] == "adapt" and None not in (model["dataset"], model["source"], model["method"]):
            yield from _pair_problems(path, config, model)
            yield from _fit_problems(path, config, model)


def moved_methods(config):
    """Problems of entries of finetune that name what is a method of adapt now."""
    for name, entry in entries(config, "finetune"):
        if MOVED in as_list(entry.get("method")):
            hint = (
                f"write it as an entry of its own: `adapt: {{{name}: {{source: {entry.get('dataset')}, target: DATASET, "
                f"backbone: {entry.get('backbone')}, method: {MOVED}}}}}`, or with `dataset` and `domain: {{column, source, target}}`"
            )
            yield Problem(
                ("finetune", name, "method"), f"'{MOVED}' adapts to another domain", "a method of adapt", hint
            )


def _domain_problems(path, config, dataset, domain):
    """The column of the domains must be a target with classes, and no value of both."""
    targets, column = lookup(config, "datasets", dataset, "targets"), domain.get("column")
    if targets and column is not None and column not in targets:
        what = f"'{column}' is no target of data set '{dataset}'"
        hint = did_you_mean(column, targets) or f"add it there: `targets: {{{column}: {{column: {column}}}}}`"
        yield Problem((*path, "column"), what, ", ".join(targets), hint)
    elif targets and column is not None and targets[column].get("kind") != "classification":
        yield Problem((*path, "column"), f"target '{column}' has no classes", "a target of kind classification")
    label = lookup(config, *path[:2], "label") or first_target(config, dataset)
    if column is not None and column == label:
        others = [name for name in targets or () if name != column]
        hint = f"what is learned is the first target; name another one: `label: {others[0]}`" if others else None
        yield Problem((*path, "column"), f"'{column}' is the target that is learned", "another target", hint)
    source, target = (as_list(domain.get(key)) for key in ("source", "target"))
    for value in (value for value in target if value in source):
        yield Problem((*path, "target"), f"'{value}' is of the source, too", "values that the source does not have")
    known = lookup(targets, column, "classes") if targets and column is not None else None
    for key, values in (("source", source), ("target", target)):
        for value in (value for value in values if known and value not in known):
            what = f"target '{column}' has no class '{value}'"
            yield Problem((*path, key), what, ", ".join(known), did_you_mean(value, known))


def _pair_problems(path, config, model):
    """Two data sets must have the target that is learned, of one kind and with the same classes."""
    source, dataset = model["source"], model["dataset"]
    if source == dataset:
        return
    for target in model["targets"]:
        ours, theirs = (lookup(config, "datasets", name, "targets", target) for name in (source, dataset))
        if lookup(config, "datasets", dataset, "targets") and ours and not theirs:
            what = f"data set '{dataset}' has no target '{target}', which is learned from '{source}'"
            yield Problem((*path, "target"), what, f"a data set with `targets: {{{target}: ..}}`")
        elif ours and theirs and ours.get("kind") != theirs.get("kind"):
            what = (
                f"target '{target}' is of kind {ours['kind']} in '{source}' and of kind {theirs['kind']} in '{dataset}'"
            )
            yield Problem((*path, "target"), what, "the same kind in both")
        elif ours and theirs and None not in (ours.get("classes"), theirs.get("classes")):
            yield from _class_problems(
                (*path, "target"), target, (source, ours["classes"]), (dataset, theirs["classes"])
            )
    if _fits(config, model["backbone"]):
        what = f"the preprocessing of '{model['backbone']}' learns from the train rows of each data set for itself"
        hint = "put both domains into one data set, and name it with `dataset` and `domain`"
        yield Problem((*path, "backbone"), what, "steps that learn nothing, such as snv", hint)


def _class_problems(path, target, ours, theirs):
    if set(ours[1]) == set(theirs[1]) and ours[1] != theirs[1]:
        what = f"the classes of target '{target}' are in another order in '{theirs[0]}' than in '{ours[0]}'"
        yield Problem(path, what, f"classes: [{', '.join(ours[1])}]")
    elif not set(ours[1]) & set(theirs[1]):
        what = f"data sets '{ours[0]}' and '{theirs[0]}' have no class of target '{target}' in common"
        yield Problem(path, what, f"classes: [{', '.join(ours[1])}]")


def _fits(config, backbone):
    """Whether a step of a backbone's preprocessing learns from data."""
    steps = [name for step in lookup(config, "backbones", backbone, "preprocess") or () for name in as_names(step)]
    return any(plugins.constant("preprocessing", name, "FITTED", False) for name in steps)


def as_names(step):
    return list(step) if isinstance(step, dict) else [step]


def _fit_problems(path, config, model):
    """What a method and a validator take: classes or numbers, stored embeddings or a network."""
    target, method, validator = (model["targets"] or [None])[0], model["method"], model.get("validator")
    kind = lookup(config, "datasets", model["source"], "targets", target, "kind")
    if kind in ("ordinal", "multilabel"):
        what = f"target '{target}' is of kind {kind}, and adaptation is for one class per sample, or a number"
        yield Problem(path, what, None, "name another one with `label`")
    elif kind == "regression":
        for key, kind_of_plugin, name in (
            ("method", method_kind(model), method),
            ("validator", "validator", validator),
        ):
            if plugins.constant(kind_of_plugin, name, "CLASSES_ONLY", False):
                fits = [
                    one
                    for one in plugins.names(kind_of_plugin)
                    if not plugins.constant(kind_of_plugin, one, "CLASSES_ONLY")
                ]
                what = f"'{name}' is about classes, and target '{target}' is a number"
                yield Problem((*path, key), what, ", ".join(fits))
    if method_kind(model) != "adaptation" and plugins.constant("validator", validator, "REFITS", False):
        what = f"'{validator}' fits each method the other way round, and '{method}' trains a network"
        fits = [one for one in plugins.names("validator") if not plugins.constant("validator", one, "REFITS")]
        yield Problem((*path, "validator"), what, ", ".join(fits))
