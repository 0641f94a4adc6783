"""What is wrong with a zero-shot entry: descriptions of other classes than the target's, networks that read no text."""

from graft.common import plugins
from graft.common.errors import did_you_mean
from graft.config.entry_checks import unknown
from graft.config.errors import Problem, show
from graft.config.plan import VECTORS, as_list, lookup, modality_of


def check_zero_shot(config, tried):
    """Problems of the zero-shot tasks among `tried`, (path, task) as plan.tasks gives them."""
    for path, task in tried:
        if task["stage"] != "zero_shot" or task["method"] not in plugins.names("zero_shot"):
            continue
        target = lookup(config, "datasets", task["dataset"], "targets", task["target"]) or {}
        if target.get("kind") == "regression":
            what = f"target '{task['target']}' is a number, and zero-shot learning needs classes"
            yield Problem(path, what, None, "name another `target`")
        elif target.get("classes"):
            yield from class_problems(path, task, target["classes"])
        yield from _network_problems(path, config, task)


def class_problems(path, task, classes):
    """What an entry says of classes that the target lacks, and lacks of those that it has.

    Parameters
    ----------
    path : tuple, where the entry is in the config
    task : dict with descriptions and unseen
    classes : list of str, all classes of the target
    """
    if len(classes) < 2:
        yield Problem(path, f"target '{task['target']}' has one class, and zero-shot learning needs two or more")
    described = task.get("descriptions")
    for name in described or ():
        if name not in classes:
            what = f"{show(name)} is described, and target '{task['target']}' has no such class"
            yield Problem((*path, "descriptions", name), what, ", ".join(classes), did_you_mean(name, classes))
    missing = [name for name in classes if name not in described] if described else []
    if missing:
        what = f"class {', '.join(map(show, missing))} has no description, and others have one"
        yield Problem((*path, "descriptions"), what, "a description of every class", "or leave `descriptions` out")
    unseen = task.get("unseen")
    if unseen:
        yield from unknown((*path, "unseen"), unseen, classes, "class")
        if set(classes) <= set(unseen):
            what = "every class is unseen, and no seen class is left to compare with"
            yield Problem((*path, "unseen"), what, "some of the classes", "leave `unseen` out")


def _network_problems(path, config, task):
    """A method, its backbones and the data must fit each other."""
    method, dataset, backbone = task["method"], task["dataset"], task["backbone"]
    modality = modality_of(lookup(config, "datasets", dataset) or {})
    takes = plugins.constant("zero_shot", method, "NAMED")
    if modality is not None and takes is not None and modality not in takes:
        what = f"'{method}' is for {' and '.join(takes)}s, and data set '{dataset}' holds {modality}s"
        fits = [name for name in plugins.names("zero_shot") if modality in plugins.constant("zero_shot", name, "NAMED")]
        yield Problem((*path, "method"), what, ", ".join(fits) or "data of texts or images")
        return
    library = "vectors" if backbone == VECTORS else lookup(config, "backbones", backbone, "library")
    needs, text = plugins.constant("zero_shot", method, "TEXT_BACKBONE", False), task.get("text_backbone")
    tower = plugins.constant("library", library, "TEXT_TOWER", False)
    if library and modality == "image" and not needs and not tower:
        what = f"'{method}' compares images with texts, and backbone '{backbone}' of library {library} reads no text"
        hint = "or `method: conse` with a `text_backbone`, which goes by the names of ImageNet's classes"
        yield Problem((*path, "backbone"), what, "a backbone of library clip", hint)
    if library and needs and not plugins.constant("library", library, "CLASSIFIER", False):
        what = f"'{method}' asks the classifier of ImageNet, and backbone '{backbone}' of library {library} has none"
        yield Problem((*path, "backbone"), what, "a backbone of timm or torchvision")
    if needs and text is None:
        what = f"'{method}' needs a second backbone that reads the class names"
        yield Problem((*path, "text_backbone"), what, "the name of a backbone of texts, such as minilm")
    if text is not None:
        kind = plugins.constant("library", lookup(config, "backbones", text, "library"), "MODALITY")
        if not needs and len(as_list(lookup(config, *path, "method"))) == 1:
            yield Problem((*path, "text_backbone"), f"'{method}' reads no second backbone", None, "delete the line")
        elif kind not in (None, "text"):
            yield Problem((*path, "text_backbone"), f"'{text}' takes {kind}s", "a backbone of texts, such as minilm")
