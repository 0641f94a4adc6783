"""The user's config: checked, with every default filled in, and expanded into models and tasks. Imports no torch.

config/schema.yaml is the one truth. All mistakes are shown at once, before any job starts.
"""

import os
import re
from copy import deepcopy
from pathlib import Path

from graft.common.errors import raise_all
from graft.config.checks import check
from graft.config.errors import Problem, schema_problems, show, to_user_error
from graft.config.files import read_strict
from graft.config.plan import Plan, complete_backbones, modality_of, plan
from graft.config.schema import branches, child, read_schema, schema_path, types_of

__all__ = ["Plan", "load", "plan"]

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
    errors, lines = [], {}
    for file in files:
        problems, places = read_strict(file)
        errors += problems
        lines.update({path: f"{file} line {line}" for path, line in places.items()})
    if not isinstance(config, dict):
        problems = [
            Problem((), "the config is not made of `key: value` lines", None, "start from one of config/examples/")
        ]
        raise_all(errors + [to_user_error(problem, lines) for problem in problems])
    problems = []
    config = plain(config, (), problems)
    config = {key: value for key, value in config.items() if value is not None or key == "lock"}
    if config.get("quick") in ("true", "false"):  # what Snakemake makes of --config quick=true
        config["quick"] = config["quick"] == "true"
    complete_backbones(config)
    config = coerce(config, read_schema())
    config = expand(config, read_schema(), (), problems)
    problems += schema_problems(config)
    prune(config, problems)
    fill(config, read_schema())
    derive(config, files)
    problems += check(config)
    raise_all(errors + [to_user_error(problem, lines) for problem in problems])
    return shrink(config) if config["quick"] else config


def shrink(config):
    """The config of a quick look: does everything hang together? Few samples, one seed, no network trained."""
    for entry in config["datasets"].values():
        entry["limit"] = min(entry["limit"] or QUICK_ROWS, QUICK_ROWS)
    for entry in config["finetune"].values():
        entry |= {"method": "linear", "seeds": entry["seeds"][:1], "folds": None}
    return config | {"few_shot": {}, "distill": {}, "predict": {}, "hand_off": {**config["hand_off"], "models": "all"}}


def plain(value, path, problems):
    """A deep copy with text as keys. YAML reads some names as numbers, booleans or dates: those are noted."""
    if isinstance(value, list | tuple):
        return [plain(item, (*path, position), problems) for position, item in enumerate(value)]
    if not isinstance(value, dict):
        return deepcopy(value)
    for key in (key for key in value if not isinstance(key, str)):
        hint = "put the name in quotes" if key is not None else "a name is missing before the colon"
        problems.append(
            Problem((*path, str(key)), f"YAML reads this name as {type(key).__name__} {show(key)}", "text", hint)
        )
    return {str(key): plain(item, (*path, str(key)), problems) for key, item in value.items()}


def coerce(value, schema):
    """Turn "1e-3" into a number where the schema wants one, and 3.0 into 3 where it wants a whole number."""
    types = types_of(schema)
    for branch in branches(schema):
        if isinstance(value, dict) and ("properties" in branch or "additionalProperties" in branch):
            return {key: coerce(item, child(branch, key)) for key, item in value.items()}
        if isinstance(value, list) and "items" in branch:
            return [coerce(item, branch["items"]) for item in value]
    if isinstance(value, str) and types & {"number", "integer"} and EXPONENT.fullmatch(value):
        value = float(value)
    if isinstance(value, float) and "integer" in types and "number" not in types and value.is_integer():
        return int(value)
    return value


def expand(value, schema, path, problems):
    """Put the values of environment variables into the paths of a config (`x-place` in the schema).

    A variable without a value is noted as a problem: a folder called '$SCRATCH' would fill up unseen.
    """
    if isinstance(value, dict):
        below = [(key, item, _schema_below(schema, key)) for key, item in value.items()]
        return {key: expand(item, inner, (*path, key), problems) for key, item, inner in below}
    if isinstance(value, list):
        return [expand(item, _schema_below(schema, i), (*path, i), problems) for i, item in enumerate(value)]
    if not isinstance(value, str) or not any(branch.get("x-place") for branch in branches(schema)):
        return value
    names = [braced or bare for braced, bare in VARIABLE.findall(value)]
    for name in (name for name in dict.fromkeys(names) if not os.environ.get(name)):
        hint = f"type `export {name}=...` before you start, or write the path out"
        problems.append(Problem(path, f"the variable ${name} in {show(value)} has no value", None, hint))
    if not _has_home(value):
        problems.append(Problem(path, f"nobody's home is {show(value.split('/')[0])}", None, "write the path out"))
    return VARIABLE.sub(lambda found: os.environ.get(found[1] or found[2]) or found[0], value)


def _has_home(path):
    """Whether the ~ that a path may begin with stands for a folder."""
    try:
        Path(path).expanduser()
    except RuntimeError:
        return False
    return True


def prune(config, problems):
    """Replace what the schema refused by None, so that the other checks can go on and say nothing about it.

    A block in which a key is missing or wrong stays: the rest of it is still worth a look.
    """
    for path in sorted({problem.path for problem in problems if problem.path}, key=len, reverse=True):
        at, schema = config, read_schema()
        for key in path[:-1]:
            at, schema = _step(at, key), _schema_below(schema, key)
        is_block = isinstance(_step(at, path[-1]), dict) and "object" in types_of(_schema_below(schema, path[-1]))
        if _step(at, path[-1]) is not None and not is_block:
            at[path[-1]] = None


def _step(value, key):
    """The value under a key or list position, or None."""
    if isinstance(value, dict):
        return value.get(key)
    return value[key] if isinstance(value, list) and isinstance(key, int) and key < len(value) else None


def _schema_below(schema, key):
    found = [branch.get("items", {}) if isinstance(key, int) else child(branch, key) for branch in branches(schema)]
    return next((inner for inner in found if inner), {})


def fill(value, schema):
    """Fill defaults into `value`, at every depth, also where the parent is absent."""
    for branch in branches(schema):
        if isinstance(value, list) and "items" in branch:
            for item in value:
                fill(item, branch["items"])
        if not isinstance(value, dict):
            continue
        needs = branch.get("dependentRequired", {})
        for key, inner in branch.get("properties", {}).items():
            if key not in value and "default" in inner and all(other in value for other in needs.get(key, ())):
                value[key] = deepcopy(inner["default"])
        for key, item in value.items():
            fill(item, child(branch, key))


def derive(config, files):
    """Fill in what follows from other settings: the lock file, targets' columns, and what a data set holds."""
    if config["lock"] is None:
        # Not beside the embedded default: the user may not be able to write there.
        own = [Path(file) for file in files if not _is_embedded(file) and Path(file).exists()]
        config["lock"] = str((own[-1].parent if own else Path()) / "graft.lock.json")
    config["lock"] = str(Path(config["lock"]).expanduser())
    for entry in (config.get("datasets") or {}).values():
        if not isinstance(entry, dict):
            continue
        entry["modality"] = modality_of(entry)
        for name, target in (entry.get("targets") or {}).items():
            if isinstance(target, dict) and target["column"] is None:
                target["column"] = name


def _is_embedded(file):
    return Path(file).resolve() == schema_path().with_name("config.yaml").resolve()
