"""Write the tables of config/README.md and the schema of the workflow catalog: `make docs`.

Between the markers <!-- schema PLACE --> or <!-- plugins KIND --> and <!-- end --> everything is made again from
config/schema.yaml and from the docstrings of the plug-in files.
"""

import json
import re

import yaml

from graft.common import plugins
from graft.config.schema import allowed, as_yaml, every_key, read_schema, schema_path, types_of

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
    """The Markdown table of one section; `training` is the part that finetune and distill share, `preprocess` one of backbones."""
    schema = read_schema()
    training = schema["$defs"]["training"]["properties"]
    if place == "training":
        section = {"properties": training}
    elif place == "preprocess":
        section = schema["properties"]["backbones"]["additionalProperties"]["properties"]["preprocess"]["items"]
    elif place == "top":
        section = {"properties": {key: one for key, one in schema["properties"].items() if types_of(one) != {"object"}}}
    else:
        section = schema["properties"][place]
        section = section.get("additionalProperties") or section
    hidden = training if place in ("finetune", "adapt", "distill") else ()
    return HEAD + "".join(_row(*found) for found in every_key(section) if found[0][0] not in hidden)


def _row(path, schema, required):
    cells = [f"`{'.'.join(path)}`", _kind(schema), _default(schema, required), _allowed(schema), _meaning(schema)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def catalog_path():
    return schema_path().parent / "schemas/config.schema.yaml"


def catalog_schema(schema):
    """The YAML text of a schema of one level: each property is a row of the catalog, which follows no $ref and no anyOf."""
    properties, required = {}, []
    for path, inner, needed in every_key(schema):
        name, kinds = ".".join(path), sorted(types_of(inner) - {"null"})
        text = f"{_meaning(inner)} ({_allowed(inner)})".removesuffix(" ()")
        properties[name] = {"type": kinds[0] if len(kinds) == 1 else kinds, "description": text.replace("|", "\\|")}
        if inner.get("default") not in (None, {}):
            properties[name]["default"] = inner["default"]
        required += [name] if needed else []
    flat = {"$schema": schema["$schema"], "title": schema["title"], "properties": properties, "required": required}
    flat = json.loads(json.dumps(flat))  # YAML would write what is the same object twice as an alias
    return CATALOG_HEAD + yaml.safe_dump(flat, sort_keys=False, width=120, allow_unicode=True)


def _meaning(schema):
    return " ".join(schema.get("description", "").split())


def _kind(schema):
    order = {"string": "text", "number": "number", "integer": "whole number", "boolean": "true or false"}
    order |= {"array": "list", "object": "block"}
    return " or ".join(word for kind, word in order.items() if kind in types_of(schema))


def _default(schema, required):
    if required:
        return "**required**"
    return f"`{as_yaml(schema['default'])}`" if schema.get("default", {}) != {} else ""


def _allowed(schema):
    text = "" if "object" in types_of(schema) and "x-allowed" not in schema else allowed(schema)
    text = "" if text.removesuffix(" or null") in ("text", "true or false") else text
    place = "`$VARIABLES` and `~` are filled in" if schema.get("x-place") else None
    return "; ".join(part for part in (text, schema.get("x-unit"), place) if part)


def plugin_table(kind):
    """The Markdown table of the plug-in files of one kind."""
    return "| name | what it does |\n|---|---|\n" + "".join(
        f"| `{name}` | {summary} |\n" for name, summary in plugins.names(kind).items()
    )


if __name__ == "__main__":
    path = readme_path()
    path.write_text(render(path.read_text(encoding="utf-8")), encoding="utf-8")
    catalog_path().write_text(catalog_schema(read_schema()), encoding="utf-8")
