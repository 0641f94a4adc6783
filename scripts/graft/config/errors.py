"""From jsonschema's findings to sentences for users."""

from collections import namedtuple
from math import isfinite

import jsonschema

from graft.common.errors import UserError, did_you_mean
from graft.config.schema import WORDS, allowed, below, every_key, options, read_schema, types_of

# path: where it is (a tuple of keys and list positions); the rest as in UserError.
Problem = namedtuple("Problem", "path what allowed hint", defaults=(None, None))

QUOTES = "YAML reads no, yes, on and off as true or false: put the word in quotes"


def _is_number(checker, value):
    """Stricter than the standard: NaN and infinity are no numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _check_text(validator, value_of_keyword, value, schema):
    if isinstance(value, str) and value not in options(schema):
        yield jsonschema.ValidationError("unknown")


Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    {"x-plugins": _check_text, "x-also": _check_text},
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number),
)


def schema_problems(config):
    """All problems that the schema finds in `config` (a list of Problem, each once)."""
    found = {}
    for error in Validator(read_schema()).iter_errors(config):
        for problem in _explain(error):
            found.setdefault((problem.path, problem.what), problem)
    return list(found.values())


def _explain(error):
    path, schema, value, keyword = tuple(error.absolute_path), error.schema, error.instance, error.validator
    if "propertyNames" in error.absolute_schema_path:
        hint = did_you_mean(value, options(schema))
        yield Problem((*path, value), f"the name {show(value)} cannot be used", allowed(schema), hint)
    elif keyword == "oneOf":
        yield from _explain_choice(path, [option["required"][0] for option in error.validator_value], value)
    elif keyword == "additionalProperties":
        known = schema.get("properties", {})
        for key in (key for key in value if key not in known):
            hint = did_you_mean(key, known) or _elsewhere(key)
            yield Problem((*path, key), f"there is no key {show(key)} here", ", ".join(known) or "nothing", hint)
    elif keyword == "required":
        for key in (key for key in error.validator_value if key not in value):
            yield Problem(path, f"the key '{key}' is missing", f"{key}: {allowed(below(schema, key))}")
    elif keyword == "dependentRequired":
        for key, needs in error.validator_value.items():
            for need in (need for need in needs if key in value and need not in value):
                what = f"'{key}' goes with '{need}', which is missing"
                yield Problem((*path, key), what, f"'{key}' together with '{need}'")
    elif keyword == "uniqueItems":
        twice = next(item for position, item in enumerate(value) if item in value[:position])
        yield Problem(path, f"{show(twice)} is in the list twice", allowed(schema))
    else:
        hint = _hint(value, schema) or did_you_mean(value, options(schema))
        yield Problem(path, f"got {describe(value)}", allowed(schema), hint)


def _explain_choice(path, names, value):
    """A block in which not exactly one of some keys is given."""
    if isinstance(value, dict):  # the wrong type is a finding of its own
        given = " and ".join(name for name in names if name in value)
        listed = ", ".join(names)
        what = f"{given} are given, but only one can be" if given else f"one of {listed} is missing"
        yield Problem(path, what, f"exactly one of {listed}")


def _hint(value, schema):
    """What to do about a value of the wrong type, or None."""
    wanted = types_of(schema)
    if value is None:
        return "there is nothing after the colon; delete the line to take the default"
    if isinstance(value, bool) and "string" in wanted:
        return QUOTES
    if isinstance(value, int | float) and "string" in wanted and not isinstance(value, bool):
        return "put it in quotes, otherwise YAML reads a number (and 1.10 becomes 1.1)"
    if isinstance(value, str) and wanted & {"number", "integer"} and _looks_like_number(value):
        return "write it without quotes"
    if "null" in wanted and str(value).lower() in ("none", "no", "off", "false"):
        return "write null"
    if "array" in wanted and not wanted & {"string", "number"} and not isinstance(value, list | dict):
        return f"write it as a list: [{value}]"
    return None


def _looks_like_number(text):
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _elsewhere(key):
    """Where else a misplaced key would be: mostly the indentation is wrong."""
    places = sorted((path[:-1] for path, *_ in every_key(read_schema()) if path[-1] == key), key=len)
    names = [".".join(place) or "the top level" for place in places[:3]]
    return f"'{key}' belongs in {' or '.join(names)}: look at the indentation" if names else None


def describe(value):
    """A value with its kind, for "got ..."."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return show(value)
    kinds = ((str, "the text "), ((int, float), "the number "), (list, "the list "), (dict, WORDS["object"] + ": "))
    return next((word for kind, word in kinds if isinstance(value, kind)), f"a {type(value).__name__}, ") + show(value)


def show(value, longest=60):
    """A value as a user would write it, on one line and not too long."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, dict):
        text = ", ".join(map(str, value)) or "empty"
    else:
        text = "null" if value is None else repr(value) if isinstance(value, str | int | float | list) else str(value)
    return text if len(text) <= longest else text[: longest - 2] + ".."


def dotted(path):
    """A path of keys as users write it: finetune.solar.seeds[0]."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{_key(key)}" for key in path)
    return text.lstrip(".") or "config"


def _key(key):
    """A key that would be misread in a dotted path is in quotes."""
    plain = key.replace("-", "").replace("_", "").isalnum() and key.isascii()
    return key if plain else repr(key)


def to_user_error(problem, lines):
    """A Problem as a UserError; `lines` (path of keys -> "file line n") says where it is in the file."""
    place = next((lines[problem.path[:n]] for n in range(len(problem.path), 0, -1) if problem.path[:n] in lines), None)
    where = dotted(problem.path) + (f" ({place})" if place else "")
    return UserError(problem.what, where, problem.allowed, problem.hint)
