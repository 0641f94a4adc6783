"""The schema of the config: reading it, saying it in plain words, and the plug-in files that it refers to."""

import ast
from functools import cache
from pathlib import Path

import yaml

LIBRARY = Path(__file__).parents[1]

# What graft ships, for a checkout from which a folder is missing.
SHIPPED = {
    "training/methods": ("coral", "full", "linear", "lp_ft"),
    "few_shot/classifiers": ("logistic", "nearest", "prototypes", "ridge"),
    "training/objectives": ("kd",),
}
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


@cache
def plugins(folder):
    """The plug-in files of graft/`folder`, found without importing them (nothing imports torch at parse time).

    Returns
    -------
    dict, name -> the first line of its docstring ("" if there is none), sorted by name
    """
    found = {}
    for path in sorted((LIBRARY / folder).glob("*.py")):
        tree = _parse(path)
        if not path.name.startswith("_") and (folder != "training/objectives" or _reads_teacher(tree)):
            found[path.stem] = (ast.get_docstring(tree) or "").split("\n")[0]
    return found or dict.fromkeys(SHIPPED[folder], "")


def _parse(path):
    """A file's syntax tree. A broken file has an empty one here, and a traceback of its own when it is used."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])


def _reads_teacher(tree):
    """Whether an objective is for distillation: plain losses take `teacher` too, but never look at it."""
    return any(isinstance(node, ast.Name) and node.id == "teacher" for node in ast.walk(tree))


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
        types |= {"string", "array"} if "x-plugins" in branch else set()
    return types


def child(schema, key):
    """The schema of one key of an object, or {} if the key is unknown."""
    extra = schema.get("additionalProperties")
    return schema.get("properties", {}).get(key, extra if isinstance(extra, dict) else {})


def allowed(schema):
    """What a schema lets through, in plain words."""
    if "x-allowed" in schema:
        return schema["x-allowed"] + _or_null(schema)
    if "x-plugins" in schema:
        return ", ".join(plugins(schema["x-plugins"])) + ", or a list of them"
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
