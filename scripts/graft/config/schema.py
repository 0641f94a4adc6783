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
        schema = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for block in _blocks_of_plugins(schema):
        block |= {"properties": _settings_of(block["x-settings"]), "additionalProperties": False}
    return schema


def _blocks_of_plugins(schema):
    """Every part of a schema whose keys are plug-ins with settings."""
    if isinstance(schema, dict):
        yield from [schema] if "x-settings" in schema else []
        for inner in schema.values():
            yield from _blocks_of_plugins(inner)


def _settings_of(kind):
    """name -> the schema of a plug-in's settings, which its file says in SETTINGS."""
    return {
        name: {
            "type": "object",
            "additionalProperties": False,
            "description": summary,
            "properties": plugins.constant(kind, name, "SETTINGS") or {},
        }
        for name, summary in plugins.names(kind).items()
    }


def below(schema, key):
    """The schema of a key of an object or of a position of a list, or {} if the key is unknown."""
    if isinstance(key, int):
        return schema.get("items", {})
    return schema.get("properties", {}).get(key) or schema.get("additionalProperties") or {}


def every_key(schema, path=()):
    """(path, schema, whether it is required) of every key at every depth; NAME is a name of the user's choice."""
    for key, inner in schema.get("properties", {}).items():
        yield (*path, key), inner, key in schema.get("required", ())
        yield from every_key(inner, (*path, key))
    if schema.get("additionalProperties"):
        yield from every_key(schema["additionalProperties"], (*path, "NAME"))


def types_of(schema):
    """The names of the JSON types that a schema lets through (a set)."""
    given = schema.get("type", [])
    values = {None: "null", True: "boolean"}
    return {
        *([given] if isinstance(given, str) else given),
        *(values.get(one, "string") for one in schema.get("enum", ())),
    }


def options(schema):
    """The texts of which a schema lets one through: `enum`, `x-also` and the names of plug-in files."""
    kinds = schema.get("x-plugins", ())
    names = [name for kind in ([kinds] if isinstance(kinds, str) else kinds) for name in plugins.names(kind)]
    return [*schema.get("enum", ()), *schema.get("x-also", ()), *names]


def allowed(schema):
    """What a schema lets through, in plain words."""
    types = types_of(schema)
    if "x-allowed" in schema:
        return schema["x-allowed"] + (", or null" if "null" in types and "null" not in schema["x-allowed"] else "")
    if options(schema):
        listed = ", or a list of them" if "array" in types else ""
        return ", ".join(map(as_yaml, options(schema))) + listed
    given = schema.get("type", [])
    return " or ".join(_words(schema, kind) for kind in ([given] if isinstance(given, str) else given))


def _words(schema, kind):
    if kind in ("number", "integer"):
        signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
        limits = [f"{sign} {schema[key]:.10g}" for key, sign in signs.items() if key in schema]
        return f"{WORDS[kind]} {' and '.join(limits)}".strip()
    if kind == "array" and allowed(schema.get("items", {})):
        return f"a list, each item {allowed(schema['items'])}"
    if kind == "object" and schema.get("properties"):
        return f"an indented block with keys from {', '.join(schema['properties'])}"
    if kind == "object" and schema.get("additionalProperties"):
        return "names, with settings indented under each"
    return WORDS[kind]


def as_yaml(value):
    """A value as one would write it in the config."""
    if isinstance(value, list):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return {None: "null", "": '""', "null": '"null"'}.get(value, str(value))
