"""From jsonschema's findings to sentences for users."""

from collections import namedtuple
from math import isfinite

import jsonschema

from graft.common.errors import UserError, did_you_mean
from graft.config.schema import WORDS, allowed, branches, child, options, read_schema, types_of

# path: where it stands (a tuple of keys and list positions); the rest as in UserError.
Problem = namedtuple("Problem", "path what allowed hint", defaults=(None, None))

QUOTES = "YAML reads no, yes, on and off as true or false: put the word in quotes"


def _is_number(checker, value):
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_integer(checker, value):
    return isinstance(value, int) and not isinstance(value, bool)


def _check_plugins(validator, kind, value, schema):
    for position, name in enumerate(value) if isinstance(value, list) else [(None, value)]:
        if isinstance(name, str) and name not in options(schema):
            path = () if position is None else (position,)
            yield jsonschema.ValidationError("unknown", instance=name, path=path)


# Stricter than the standard in two points: no NaN or infinity as a number, and 3.0 is no integer (load makes it one).
Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    {"x-plugins": _check_plugins},
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number).redefine(
        "integer", _is_integer
    ),
)


def schema_problems(config):
    """All problems that the schema finds in `config`.

    Returns
    -------
    list of Problem, each once, in the order in which they stand in the config
    """
    found = {}
    for error in Validator(read_schema()).iter_errors(config):
        for problem in _explain(error):
            found.setdefault((problem.path, problem.what), problem)
    return list(found.values())


def _explain(error):
    path, schema, value, keyword = tuple(error.absolute_path), error.schema, error.instance, error.validator
    if "propertyNames" in error.absolute_schema_path:
        hint = did_you_mean(value, schema.get("enum", []))
        yield Problem((*path, value), f"the name {show(value)} cannot be used", allowed(schema), hint)
    elif keyword in ("anyOf", "oneOf"):
        yield from _explain_alternatives(error, path, schema, value)
    elif keyword == "additionalProperties":
        known = schema.get("properties", {})
        for key in (key for key in value if key not in known):
            hint = did_you_mean(key, known) or _elsewhere(key)
            yield Problem((*path, key), f"there is no key {show(key)} here", ", ".join(known) or "nothing", hint)
    elif keyword == "required":
        for key in (key for key in error.validator_value if key not in value):
            yield Problem(path, f"the key '{key}' is missing", f"{key}: {allowed(child(schema, key))}")
    elif keyword == "dependentRequired":
        for key, needs in error.validator_value.items():
            for missing in (need for need in needs if key in value and need not in value):
                yield Problem(
                    (*path, key),
                    f"'{key}' goes with '{missing}', which is missing",
                    f"'{key}' together with '{missing}'",
                )
    elif keyword in ("enum", "const", "x-plugins"):
        known = [schema["const"]] if keyword == "const" else schema.get("enum") or options(schema)
        yield Problem(
            path, f"got {describe(value)}", allowed(schema), _hint(value, schema) or did_you_mean(value, known)
        )
    elif keyword == "uniqueItems":
        twice = [item for position, item in enumerate(value) if item in value[:position]]
        yield Problem(path, f"{show(twice[0])} stands twice in the list", allowed(schema))
    else:
        yield Problem(path, f"got {describe(value)}", allowed(schema), _hint(value, schema))


def _explain_alternatives(error, path, schema, value):
    """Of several alternatives, explain the one that the user seems to have meant."""
    options = error.validator_value
    if all(set(option) == {"required"} for option in options):
        if not isinstance(value, dict):  # the wrong type is a finding of its own
            return
        names = [option["required"][0] for option in options]
        given = [name for name in names if name in value]
        what = (
            f"{' and '.join(given)} are given, but only one can be"
            if given
            else f"one of {', '.join(names)} is missing"
        )
        yield Problem(path, what, f"exactly one of {', '.join(names)}")
        return
    checker = Validator({})
    for position, option in enumerate(options):
        if any(checker.is_type(value, kind) for kind in types_of(option)):
            for inner in error.context:
                if inner.schema_path[0] == position:
                    yield from (
                        problem._replace(allowed=allowed(schema) if problem.path == path else problem.allowed)
                        for problem in _explain(inner)
                    )
            return
    yield Problem(path, f"got {describe(value)}", allowed(schema), _hint(value, schema))


def _hint(value, schema):
    """What to do about a value of the wrong type, or None."""
    wanted = types_of(schema)
    if value is None:
        return "nothing stands after the colon; delete the line to take the default"
    if isinstance(value, bool) and "string" in wanted:
        return QUOTES
    if isinstance(value, int | float) and "string" in wanted and not isinstance(value, bool):
        return "put it in quotes, else YAML reads a number (and 1.10 becomes 1.1)"
    if isinstance(value, str) and wanted & {"number", "integer"}:
        return "write it without quotes" if _looks_like_number(value) else _null_hint(value, wanted)
    if "array" in wanted and not isinstance(value, list | dict) and "string" not in wanted:
        return _null_hint(value, wanted) or f"write it as a list: [{value}]"
    return _null_hint(value, wanted)


def _null_hint(value, wanted):
    return "write null" if "null" in wanted and str(value).lower() in ("none", "no", "off", "false") else None


def _looks_like_number(text):
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _elsewhere(key):
    """Where else a misplaced key would stand: mostly the indentation is wrong."""
    places = [".".join(place) for place in _places(read_schema(), (), key)]
    return f"'{key}' belongs in {' or '.join(places[:3])}: look at the indentation" if places else None


def _places(schema, path, key):
    for branch in branches(schema):
        properties = branch.get("properties", {})
        if key in properties:
            yield path or ("the top level",)
        for name, inner in properties.items():
            yield from _places(inner, (*path, name), key)
        extra = branch.get("additionalProperties")
        if isinstance(extra, dict):
            yield from _places(extra, (*path, "NAME"), key)


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
    """A key that would be misread in a dotted path stands in quotes."""
    plain = key.replace("-", "").replace("_", "").isalnum() and key.isascii()
    return key if plain else repr(key)


def to_user_error(problem, lines):
    """A Problem as a UserError; `lines` (path of keys -> "file line n") says where it stands in the file."""
    place = next((lines[problem.path[:n]] for n in range(len(problem.path), 0, -1) if problem.path[:n] in lines), None)
    where = dotted(problem.path) + (f" ({place})" if place else "")
    return UserError(problem.what, where, problem.allowed, problem.hint)
