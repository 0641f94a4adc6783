"""Write the tables of config/README.md: `python -m graft.config.docs`, from the folder scripts/.

Between the markers <!-- schema PLACE --> or <!-- plugins KIND --> and <!-- end --> everything is made anew from
config/schema.yaml and from the docstrings of the plug-in files.
"""

import re

from graft.common import plugins
from graft.config.schema import WORDS, allowed, branches, child, read_schema, schema_path, types_of

MARKED = re.compile(r"(<!-- (schema|plugins) (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = "| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n"


def readme_path():
    return schema_path().with_name("README.md")


def render(text):
    """`text` with everything between its markers made anew."""
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


def _rows(properties, prefix, required):
    """One row per key, in the schema's order; the keys of blocks follow below as block.key."""
    for key, schema in properties.items():
        name = prefix + key
        cells = [f"`{name}`", _kind(schema), _default(schema, key in required), _allowed(schema), _meaning(schema)]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
        for branch in branches(schema):
            inner = branch.get("additionalProperties")
            yield from _rows(branch.get("properties", {}), f"{name}.", branch.get("required", ()))
            if isinstance(inner, dict) and "properties" in inner:
                yield from _rows(inner["properties"], f"{name}.NAME.", inner.get("required", ()))


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
