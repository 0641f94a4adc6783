"""The schema of the config: reading it, saying it in plain words, and the plug-in files that it refers to."""

from functools import cache

import yaml

from graft.common import plugins
from graft.common.plugins import LIBRARY

WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an indented block of keys",
    "null": "null",
}


def schema_path():
    """config/schema.yaml of the checkout; an installed graft carries it beside this file."""
    return (LIBRARY.parents[1] if LIBRARY.parent.name == "scripts" else LIBRARY) / "config" / "schema.yaml"


@cache
def read_schema():
    """The schema as a dict. Do not change it: it is read once."""
    with schema_path().open(encoding="utf-8") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def branches(schema):
    """The alternatives of a schema; mostly only itself."""
    return schema.get("anyOf", [schema])


def types_of(schema):
    """The names of the JSON types that a schema lets through (a set)."""
    types = set()
    for branch in branches(schema):
        given = branch.get("type", [])
        types |= {given} if isinstance(given, str) else set(given)
        values = branch.get("enum", []) + ([branch["const"]] if "const" in branch else [])
        types |= {"null" if value is None else "boolean" if value is True else "string" for value in values}
    return types


def options(schema):
    """The names of which a schema lets one through, or each item of a list: those of plug-in files, and `x-also`."""
    return [*schema.get("x-also", ()), *plugins.names(schema["x-plugins"])]


def child(schema, key):
    """The schema of one key of an object, or {} if the key is unknown."""
    extra = schema.get("additionalProperties")
    return schema.get("properties", {}).get(key, extra if isinstance(extra, dict) else {})


def allowed(schema):
    """What a schema lets through, in plain words."""
    if "x-allowed" in schema:
        return schema["x-allowed"] + _or_null(schema)
    if "x-plugins" in schema:
        return ", ".join(options(schema)) + (", or a list of them" if "array" in types_of(schema) else "")
    if "const" in schema:
        return _plain(schema["const"])
    if "enum" in schema:
        return ", ".join(_plain(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(allowed(branch) for branch in schema["anyOf"]))
    given = schema.get("type", [])
    parts = [_words(schema, kind) for kind in ([given] if isinstance(given, str) else given)]
    return " or ".join(parts)


def _words(schema, kind):
    if kind in ("number", "integer"):
        return f"{WORDS[kind]} {limits(schema)}".strip()
    if kind == "array" and allowed(schema.get("items", {})):
        return f"a list, each item {allowed(schema['items'])}"
    if kind == "object" and schema.get("properties"):
        return f"an indented block with keys from {', '.join(schema['properties'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return "names, with settings indented under each"
    return WORDS[kind]


def limits(schema):
    """The range of a number in words, such as "> 0 and <= 1"."""
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return " and ".join(f"{sign} {schema[key]:g}" if schema[key] < 1e6 else f"{sign} {schema[key]}"
                        for key, sign in signs.items() if key in schema)  # fmt: skip


def _or_null(schema):
    return ", or null" if "null" in types_of(schema) and "null" not in schema["x-allowed"] else ""


def _plain(value):
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
