"""Write the tables of config/README.md: `python -m graft.config.docs`, from the folder scripts/.

Between the markers <!-- schema PLACE --> or <!-- plugins KIND --> and <!-- end --> everything is made anew from
config/schema.yaml and from the docstrings of the plug-in files.
"""

import re

from graft.common import plugins
from graft.config.schema import allowed, as_yaml, every_key, read_schema, schema_path, types_of

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
    schema = read_schema()
    training = schema["$defs"]["training"]["properties"]
    if place == "training":
        section = {"properties": training}
    elif place == "top":
        section = {"properties": {key: one for key, one in schema["properties"].items() if types_of(one) != {"object"}}}
    else:
        section = schema["properties"][place]
        section = section.get("additionalProperties") or section
    hidden = training if place in ("finetune", "distill") else ()
    return HEAD + "".join(_row(*found) for found in every_key(section) if found[0][0] not in hidden)


def _row(path, schema, required):
    meaning = " ".join(schema.get("description", "").split())
    cells = [f"`{'.'.join(path)}`", _kind(schema), _default(schema, required), _allowed(schema), meaning]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


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
