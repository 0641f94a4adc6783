"""What is wrong within one entry of `datasets` or `backbones`, within `conformal`, `store` or `tracking`. Every check yields Problems, as in cross_checks.py."""

import codecs
from pathlib import Path

from graft.common import plugins
from graft.common.credentials import has_credentials
from graft.common.errors import did_you_mean
from graft.config.errors import Problem, show
from graft.config.plan import VECTORS, WITHIN, as_list, entries, known_backbones, lookup
from graft.config.schema import read_schema

IMAGE_KEYS = ("input_size", "mean", "std", "interpolation", "fit", "crop")
TEXT_KEYS = ("max_length", "pooling", "tokenizer", "normalize")


def check_datasets(config):
    for name, entry in entries(config, "datasets"):
        path = ("datasets", name)
        split = entry.get("split") or {}
        if split.get("growth_stable") and split.get("near_duplicates") == "together":
            what = "near copies cannot stay together in a growth-stable split: a new sample may link two splits"
            allowed = "near_duplicates: together, or growth_stable: true"
            yield Problem((*path, "split", "near_duplicates"), what, allowed)
        shares = [split.get("validation"), split.get("test")]
        if None not in shares and sum(shares) >= 1:
            what = f"validation {shares[0]:g} and test {shares[1]:g} leave nothing to train on"
            yield Problem((*path, "split"), what, "validation + test < 1")
        contents = [key for key in ("path", "text", "features") if lookup(entry, "columns", key) is not None]
        if len(contents) > 1:
            what = f"{' and '.join(contents)} are given, but a sample is one thing"
            yield Problem((*path, "columns"), what, "one of path, text, features")
        if entry.get("reader") == "folder" and entry.get("table") is not None:
            hint = "use `reader: table`, with the column of file names in `columns: {path: ..}`"
            yield Problem((*path, "table"), "reader folder reads no table", None, hint)
        levels = [level for level in entry.get("folders") or [] if level not in (None, "skip")]
        if levels and ("label" not in levels or len(levels) > len(set(levels))):
            what = f"{show(entry['folders'])} does not say once which level is the label, and nothing twice"
            yield Problem((*path, "folders"), what, "label once; group and split at most once; skip as often as needed")
        if levels and entry.get("reader") not in (None, "auto", "folder"):
            yield Problem((*path, "folders"), f"reader {entry['reader']} does not look at folders", "reader: folder")
        yield from _check_subgroups(path, entry)
        low_high = entry.get("range")
        if isinstance(low_high, list) and None not in low_high and low_high[0] >= low_high[1]:
            yield Problem((*path, "range"), f"{low_high[0]} is not below {low_high[1]}", "[low, high] with low < high")
        if entry.get("encoding") not in (None, "auto") and not _is_encoding(entry["encoding"]):
            hint = did_you_mean(entry["encoding"], ("utf-8", "utf-16", "latin-1", "cp1252", "ascii"))
            what = f"{show(entry['encoding'])} is no text encoding that Python knows"
            yield Problem((*path, "encoding"), what, "auto, utf-8, utf-16, latin-1, cp1252, ..", hint)
        for target, settings in entries(entry, "targets"):
            yield from _check_target((*path, "targets", target), settings)
            yield from _check_labels((*path, "targets", target), settings)


def _check_subgroups(path, entry):
    """Columns of `subgroups` that are the groups, which are judged anyway."""
    grouped = lookup(entry, "columns", "group")
    named = grouped is not None or entry.get("groups") is not None or "group" in (entry.get("folders") or ())
    for position, column in enumerate(entry.get("subgroups") or ()):
        if named and column in ("group", grouped):
            what = f"'{column}' means the groups, and models are judged by these anyway"
            yield Problem((*path, "subgroups", position), what, "other columns than that of the groups")


def _check_target(path, target):
    classes = target.get("classes")
    if target.get("kind") == "regression":
        for key in ("threshold", "classes"):
            if target.get(key) is not None:
                yield Problem((*path, key), f"a regression target has no {key}", None, "use `kind: classification`")
    elif target.get("kind") in ("ordinal", "multilabel") and target.get("threshold") is not None:
        said = "an ordinal" if target["kind"] == "ordinal" else "a multilabel"
        yield Problem((*path, "threshold"), f"{said} target has no threshold", None, "use `kind: classification`")
    elif target.get("threshold") is not None and classes is not None and len(classes) != 2:
        what = f"a threshold makes two classes, but {len(classes)} are named"
        yield Problem((*path, "classes"), what, "[up to the threshold, above it]")


def _check_labels(path, target):
    """Settings of several labels per sample."""
    given = [key for key in ("separator", "columns") if target.get(key) is not None]
    if target.get("kind") != "multilabel":
        for key in given:
            what = f"{key} is for several labels per sample"
            yield Problem((*path, key), what, None, "use `kind: multilabel`, or delete the line")
        return
    if len(given) > 1:
        what = "separator and columns are given, but the labels are in one column or in several"
        yield Problem((*path, "separator"), what, "one of separator, columns")
    if target.get("column") not in (None, path[-1]) and "columns" in given:
        yield Problem((*path, "column"), "column and columns are given", "one of column, columns")
    if target.get("min_per_class") is not None:
        what = "a sample of a rare label may have others, too, and is not left out"
        yield Problem((*path, "min_per_class"), what, None, "delete the line; take rare labels out of the data")
    if target.get("classes") and "columns" in given and set(target["classes"]) != set(target["columns"]):
        yield Problem((*path, "classes"), "classes and columns name other labels", None, "delete `classes`")


def _is_encoding(name):
    try:
        return bool(codecs.lookup(name))
    except (LookupError, ValueError):
        return False


def check_backbones(config):
    for name, entry in entries(config, "backbones"):
        path, library = ("backbones", name), entry.get("library")
        yield from _check_steps((*path, "preprocess"), entry.get("preprocess") or [])
        source = entry.get("source", {})
        modality = plugins.constant("library", library, "MODALITY")
        if name == VECTORS and library not in (None, "vectors"):
            what = "'vectors' is the name of the built-in backbone for vectors"
            yield Problem(path, what, None, "choose another name")
        if entry.get("like") is not None:
            known = [other for other in (*(config.get("backbones") or {}), *known_backbones()) if other != name]
            if entry["like"] in known:
                yield Problem((*path, "like"), f"'{name}' would be like itself", "a backbone that is not like this one")
            else:
                yield from unknown((*path, "like"), entry["like"], known, "backbone")
        elif "library" not in entry:
            yield Problem(
                path,
                "the key 'library' is missing",
                "timm, torchvision, transformers, transformers_image; or `like: BACKBONE`",
            )
        if library is None or source is None:
            continue
        if library != "vectors" and not source:
            schema = lookup(read_schema(), "properties", "backbones", "additionalProperties", "properties", "source")
            kinds = [option["required"][0] for option in schema["oneOf"]]
            yield Problem(path, "the key 'source' is missing", f"source: with one of {', '.join(kinds)}")
        if library in ("timm", "torchvision") and "architecture" in entry and entry["architecture"] is None:
            yield Problem(path, "the key 'architecture' is missing", "the network's name, such as resnet50")
        for kind in ("timm", "torchvision"):
            if kind in source and library != kind:
                yield Problem((*path, "source", kind), f"{kind}'s weights fit library {kind}, not {library}")
        for wrong, keys in (("image", IMAGE_KEYS), ("text", TEXT_KEYS), ("vector", ("preprocess",))):
            for key in (key for key in keys if modality != wrong and entry.get(key) is not None):
                what = f"{key} is for {wrong} backbones, and library {library} takes {modality}s"
                yield Problem((*path, key), what, None, "delete the line")


def _check_steps(path, steps):
    """Settings of a step of `preprocess` that do not go together: its AT_MOST."""
    for number, step in enumerate(steps):
        for name, settings in step.items() if isinstance(step, dict) else ():
            for key, other, more in plugins.constant("preprocessing", name, "AT_MOST", ()):
                value, limit = lookup(settings, key), lookup(settings, other)
                if None not in (value, limit) and value > limit + more:
                    what = f"{key} {value} is too large for {other} {limit}"
                    yield Problem((*path, number, name, key), what, f"at most {limit + more}")


def unknown(path, names, known, kind, place=""):
    for name in (name for name in as_list(names) if name not in known):
        what = f"there is no {kind} '{name}'{place}"
        yield Problem(path, what, ", ".join(known) or "none yet", did_you_mean(name, known))


def unknown_model(path, name, known, config):
    """A reference to a model that nothing trains; silent where the entry that it means has mistakes of its own."""
    for section, keys in (
        ("finetune", ("backbone", "method", "dataset")),
        ("adapt", ("backbone", "method")),
        ("distill", ("backbone", "method")),
        ("ensemble", ("models", "method")),
    ):
        for entry, settings in entries(config, section):
            values = [settings.get(key) for key in keys]
            broken = any(None in (value if isinstance(value, list) else [value]) for value in values)
            if broken and name is not None and name.split(".")[0].startswith(entry):
                return
    yield from unknown(path, name, list(known), "trained model")


def unknown_seed(path, seed, name, model):
    seeds = model.get("seeds")
    if seeds and seed is not None and seed not in seeds:
        yield Problem(path, f"'{name}' is not trained with seed {seed}", ", ".join(map(str, seeds)))


def check_conformal(config):
    """Sets that are to hold within a column of subgroups which no data set has."""
    named = [one for _, entry in entries(config, "datasets") for one in entry.get("subgroups") or ()]
    known = dict.fromkeys([*WITHIN, *named])
    within = lookup(config, "conformal", "within")
    if within is not None and within not in known:
        what = f"no data set names a column '{within}' under `subgroups`"
        hint = did_you_mean(within, known) or f"name it there: `subgroups: [{within}]`"
        yield Problem(("conformal", "within"), what, ", ".join(known), hint)


def check_store(config):
    """A shared store that is not there would never be missed: everything would only be computed again."""
    store = config.get("store") or {}
    if isinstance(store.get("images"), list):
        yield from unknown(("store", "images"), store["images"], list(config.get("datasets") or {}), "data set")
    if store.get("shared") is None:
        return
    path, shared = ("store", "shared"), Path(store["shared"]).expanduser()
    if not shared.is_dir():
        yield Problem(path, f"there is no folder {show(store['shared'])}", "the folder of a store")
    elif store.get("path") is not None and Path(store["path"]).expanduser().resolve() == shared.resolve():
        hint = "leave `shared` out: a store that you may write to needs only `path`"
        yield Problem(path, "is the same folder as store.path", "another folder", hint)


def check_tracking(config):
    """A password would be in every job's settings, in Snakemake's notes and in the repository of the config."""
    uri = ((config.get("tracking") or {}).get("mlflow") or {}).get("uri")
    if uri and has_credentials(uri):
        yield Problem(
            ("tracking", "mlflow", "uri"),
            "has a name or a password in it",
            "the address alone, such as https://mlflow.lab.org",
            "export MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, where you start; or export "
            "the whole address as MLFLOW_TRACKING_URI and leave `uri` out",
        )
