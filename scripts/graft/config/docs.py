"""Write the tables of config/README.md and the schema of the workflow catalog: `make docs`.

Between the markers <!-- schema PLACE --> or <!-- plugins KIND --> and <!-- end --> everything is made again from
config/schema.yaml and from the docstrings of the plug-in files.
"""

import json
import re

import yaml

from graft.common import plugins
from graft.config.schema import WORDS, allowed, branches, child, read_schema, schema_path, types_of

MARKED = re.compile(r"(<!-- (schema|plugins) (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
CATALOG_HEAD = """\
# The table of keys that the Snakemake workflow catalog shows. Made by `make docs` from ../schema.yaml, which is what configs
# are checked against. NAME is a name that the user gives.
"""
HEAD = "| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n"


def readme_path():
    return schema_path().with_name("README.md")


def render(text):
    """`text` with everything between its markers made again."""
    tables = {"schema": schema_table, "plugins": plugin_table}
    return MARKED.sub(lambda match: f"{match[1]}{tables[match[2]](match[3])}{match[4]}", text)


def schema_table(place):
    """The Markdown table of one section; `training` is the part that finetune and distill share."""
    schema, required = read_schema(), ()
    training = schema["$defs"]["training"]["properties"]
    if place == "training":
        properties = training
    elif place == "top":
        properties = {key: inner for key, inner in schema["properties"].items() if types_of(inner) != {"object"}}
    else:
        section = schema["properties"][place]
        section = child(section, "NAME") or section
        required = section.get("required", ())
        shared = training if place in ("finetune", "distill") else ()
        properties = {key: inner for key, inner in section["properties"].items() if key not in shared}
    return HEAD + "".join(_rows(properties, "", required))


def catalog_path():
    return schema_path().parent / "schemas/config.schema.yaml"


def catalog_schema(schema):
    """The YAML text of a schema of one level: each property is a row of the catalog, which follows no $ref and no anyOf."""
    properties, required = {}, []
    for name, inner, needed in _keys(schema["properties"], "", schema["required"]):
        kinds = sorted(types_of(inner) - {"null"})
        text = f"{_meaning(inner)} ({_allowed(inner)})".removesuffix(" ()")
        properties[name] = {"type": kinds[0] if len(kinds) == 1 else kinds, "description": text.replace("|", "\\|")}
        if inner.get("default") not in (None, {}):
            properties[name]["default"] = inner["default"]
        required += [name] if needed else []
    flat = {"$schema": schema["$schema"], "title": schema["title"], "properties": properties, "required": required}
    flat = json.loads(json.dumps(flat))  # YAML would write what is the same object twice as an alias
    return CATALOG_HEAD + yaml.safe_dump(flat, sort_keys=False, width=120, allow_unicode=True)


def _rows(properties, prefix, required):
    """The lines of a table."""
    for name, schema, needed in _keys(properties, prefix, required):
        cells = [f"`{name}`", _kind(schema), _default(schema, needed), _allowed(schema), _meaning(schema)]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _keys(properties, prefix, required):
    """(name, schema, whether it is required) of every key, in the schema's order; the keys of blocks follow as block.key."""
    for key, schema in properties.items():
        name = prefix + key
        yield name, schema, key in required
        for branch in branches(schema):
            inner = branch.get("additionalProperties")
            yield from _keys(branch.get("properties", {}), f"{name}.", branch.get("required", ()))
            if isinstance(inner, dict) and "properties" in inner:
                yield from _keys(inner["properties"], f"{name}.NAME.", inner.get("required", ()))


def _kind(schema):
    order = ("string", "number", "integer", "boolean", "array", "object")
    short = {"array": "list", "object": "block", "number": "number", "integer": "whole number"}
    types = types_of(schema)
    return " or ".join(short.get(kind, WORDS[kind]) for kind in order if kind in types)


def _default(schema, required):
    if required:
        return "**required**"
    if "default" not in schema or schema["default"] == {}:
        return ""
    return f"`{_yaml(schema['default'])}`"


def _yaml(value):
    """A default as one would write it in the config."""
    if isinstance(value, list):
        return "[" + ", ".join(_yaml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return {None: "null", "": '""', "null": '"null"'}.get(value, str(value))


def _allowed(schema):
    types = types_of(schema)
    text = "" if "object" in types and "x-allowed" not in schema and "anyOf" not in schema else allowed(schema)
    text = "" if text in ("text", "text or null", "true or false", "true or false or null", WORDS["object"]) else text
    place = "`$VARIABLES` and `~` are filled in" if schema.get("x-place") else None
    return "; ".join(part for part in (text, schema.get("x-unit"), place) if part)


def _meaning(schema):
    return " ".join(schema.get("description", "").split())


def plugin_table(kind):
    """The Markdown table of the plug-in files of one kind."""
    return "| name | what it does |\n|---|---|\n" + "".join(
        f"| `{name}` | {summary} |\n" for name, summary in plugins.names(kind).items()
    )


if __name__ == "__main__":
    path = readme_path()
    path.write_text(render(path.read_text(encoding="utf-8")), encoding="utf-8")
    catalog_path().write_text(catalog_schema(read_schema()), encoding="utf-8")
