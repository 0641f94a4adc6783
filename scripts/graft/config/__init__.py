"""The user's config: checked, with every default filled in, and expanded into models and tasks. Imports no torch.

config/schema.yaml is the one truth. All mistakes are shown at once, before any job starts.
"""

import os
import re
from copy import deepcopy
from pathlib import Path

from graft.common.errors import raise_all
from graft.config.adapt_checks import moved_methods
from graft.config.cross_checks import check
from graft.config.errors import Problem, schema_problems, show, to_user_error
from graft.config.files import EXAMPLE, read_strict
from graft.config.plan import Plan, complete_backbones, entries, lookup, make_plan, modality_of
from graft.config.schema import below, read_schema, schema_path, types_of
from graft.config.search_checks import complete_searches, fill_searches

__all__ = ["Plan", "load", "make_plan"]

QUICK_ROWS = 150  # labelled ones; the limit lets through a third as many of the pool
# A number with an exponent but without a point is a number in YAML 1.2 and in every user's eyes; YAML 1.1 reads text.
EXPONENT = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+")
VARIABLE = re.compile(r"\$(?:\{([^}]*)\}|([A-Za-z_]\w*))")  # as a shell writes it


def load(config, files=()):
    """Check a config and fill in every default.

    Parameters
    ----------
    config : dict, as Snakemake merged it; it is not changed
    files : the user's YAML files, read a second time for what Snakemake does not see (duplicate keys, tabs)

    Returns
    -------
    dict, a copy with every default filled in; loading it again gives the same

    Raises
    ------
    UserErrors
        With all mistakes of the files, of the values and between the entries.
    """
    errors, lines, problems = [], {}, []
    for file in files:
        found, places = read_strict(file)
        errors += found
        lines.update({path: f"{file} line {line}" for path, line in places.items()})
    if isinstance(config, dict):
        config = tidy(config, read_schema(), (), problems)
        config = {key: value for key, value in config.items() if value is not None or key == "lock"}
        if config.get("quick") in ("true", "false"):  # what Snakemake makes of --config quick=true
            config["quick"] = config["quick"] == "true"
        complete_backbones(config)
        moved = [*moved_methods(config), *fill_searches(config)]
        problems += moved + [one for one in schema_problems(config) if one.path[:3] not in {two.path for two in moved}]
        config = complete(config, read_schema(), (), {problem.path for problem in problems})
        derive(config, files)
        problems += check(config)
    else:
        problems = [Problem((), "the config is not made of `key: value` lines", None, EXAMPLE)]
    raise_all(errors + [to_user_error(problem, lines) for problem in problems])
    return shrink(config) if config["quick"] else config


def tidy(value, schema, path, problems):
    """A copy with text as keys, numbers written as "1e-3" as numbers, and variables in paths replaced by their values."""
    if isinstance(value, list | tuple):
        return [tidy(item, below(schema, i), (*path, i), problems) for i, item in enumerate(value)]
    if isinstance(value, dict):
        problems += [_not_a_name(key, path) for key in value if not isinstance(key, str)]
        return {
            str(key): tidy(item, below(schema, str(key)), (*path, str(key)), problems) for key, item in value.items()
        }
    types = types_of(schema)
    if isinstance(value, str) and types & {"number", "integer"} and EXPONENT.fullmatch(value):
        value = float(value)
    if isinstance(value, float) and "integer" in types and value.is_integer():
        return int(value)
    if isinstance(value, str) and schema.get("x-place"):
        problems += _place_problems(value, path)
        return os.path.expandvars(value)
    return value


def _not_a_name(key, path):
    """YAML reads some names as numbers, booleans or dates."""
    hint = "put the name in quotes" if key is not None else "a name is missing before the colon"
    return Problem((*path, str(key)), f"YAML reads this name as {type(key).__name__} {show(key)}", "text", hint)


def _place_problems(text, path):
    """A variable without a value is a problem: a folder called '$SCRATCH' would fill up unseen."""
    for name in dict.fromkeys(braced or bare for braced, bare in VARIABLE.findall(text)):
        if not os.environ.get(name):
            hint = f"type `export {name}=...` before you start, or write the path out"
            yield Problem(path, f"the variable ${name} in {show(text)} has no value", None, hint)
    try:
        Path(text).expanduser()
    except RuntimeError:
        yield Problem(path, f"there is no home folder {show(text.split('/')[0])}", None, "write the path out")


def complete(value, schema, path, refused):
    """A copy with every default, at every depth, and with None (unknown) for what is refused: the checks continue without it.

    A block in which a key is missing or wrong stays: the rest of it is still worth a look.
    """
    if path in refused and not (isinstance(value, dict) and "object" in types_of(schema)):
        return None
    if isinstance(value, list):
        return [complete(item, below(schema, i), (*path, i), refused) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return deepcopy(value)
    needs = schema.get("dependentRequired", {})
    absent = {
        key: inner["default"]
        for key, inner in schema.get("properties", {}).items()
        if key not in value and "default" in inner and all(other in value for other in needs.get(key, ()))
    }
    return {key: complete(item, below(schema, key), (*path, key), refused) for key, item in (value | absent).items()}


def derive(config, files):
    """Fill in what follows from other settings: the lock file, targets' columns, what a data set holds and a search tries."""
    complete_searches(config)
    if config["lock"] is None:
        # Not beside the embedded default: the user may not be able to write there.
        embedded = schema_path().with_name("config.yaml").resolve()
        own = [Path(file) for file in files if Path(file).exists() and Path(file).resolve() != embedded]
        config["lock"] = str((own[-1].parent if own else Path()) / "graft.lock.json")
    config["lock"] = str(Path(config["lock"]).expanduser())
    for _, entry in entries(config, "backbones"):
        if entry.get("preprocess"):
            entry["preprocess"] = [_with_its_settings(step) for step in entry["preprocess"]]
    for _, entry in entries(config, "datasets"):
        entry["modality"] = modality_of(entry)
        for name, target in entries(entry, "targets"):
            target["column"] = name if target["column"] is None else target["column"]


def _with_its_settings(step):
    """A step of `preprocess` that is a name alone as {name: its defaults}; others as they are."""
    place = ("properties", "backbones", "additionalProperties", "properties", "preprocess", "items")
    return complete({step: {}}, lookup(read_schema(), *place), (), ()) if isinstance(step, str) else step


def shrink(config):
    """The config of a quick look: does everything work together? Few samples, one seed, no network trained."""
    for entry in config["datasets"].values():
        entry["limit"] = min(entry["limit"] or QUICK_ROWS, QUICK_ROWS)
    for entry in config["finetune"].values():
        entry |= {"method": "linear", "seeds": entry["seeds"][:1], "folds": None, "curve": None, "search": None}
    return config | {
        **dict.fromkeys(("adapt", "few_shot", "zero_shot", "distill", "ensemble", "predict"), {}),
        "hand_off": {**config["hand_off"], "models": "all"},
    }
