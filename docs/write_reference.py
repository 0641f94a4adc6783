"""Write what docs/reference/files.md says of each file: `make docs`. It is made from files.yaml, between the markers of the page."""

import re
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "reference"
PAGE = FOLDER / "files.md"
MARKED = re.compile(r"(<!-- files: begin -->\n).*(<!-- files: end -->)", re.DOTALL)
HEAD = "| column | type | what it is |\n|---|---|---|\n"


def render(page):
    """The text of the page with everything between its markers made again."""
    content = yaml.safe_load((FOLDER / "files.yaml").read_text(encoding="utf-8"))
    made = "\n".join([overview(content), *sections(content["tables"])])
    return MARKED.sub(lambda match: f"{match[1]}{made}{match[2]}", page)


def overview(content):
    """All files: those with columns by their titles, then the others."""
    rows = [(one["file"], f"[{one['title']}](#{one['title'].lower().replace(' ', '-')})") for one in content["tables"]]
    rows += content["others"].items()
    return "| file in `results/` | what is in it |\n|---|---|\n" + "".join(
        f"| `{file}` | {what} |\n" for file, what in rows
    )


def sections(tables):
    """A section for each table; columns that were shown before are not shown again."""
    shown = []
    for one in tables:
        parts = [f"## {one['title']}", f"`results/{one['file']}`. {one['about'].strip()}"]
        blocks = {"": one["columns"], **{names: columns for names, columns in kinds(one)}, " ": one.get("then")}
        for name, columns in blocks.items():
            if columns and not any(columns is other for other in shown):
                parts += [f"Also if the target is of the kind {name}:"] if name.strip() else []
                parts.append(HEAD + "".join(row(*column) for column in columns.items()))
                shown.append(columns)
        yield "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def kinds(table):
    """Names of the kinds of targets that have the same columns, and these."""
    found = {}
    for kind, columns in table.get("of_kind", {}).items():
        found.setdefault(id(columns), ([], columns))[0].append(f"`{kind}`")
    return [(" or ".join(names), columns) for names, columns in found.values()]


def row(name, facts):
    kind, meaning, *when = facts
    return f"| `{name}` | {kind} | {meaning}{''.join(f' (only if {one})' for one in when)} |\n"


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
