"""A second, strict look at the user's YAML files: what Snakemake's own loader drops silently or says in riddles."""

from pathlib import Path

import yaml
from yaml import MappingNode, MarkedYAMLError, SequenceNode, YAMLError

from graft.common.errors import UserError

EXAMPLE = "start from one of config/examples/"


def read_strict(path):
    """Look for duplicate keys, tabs, an empty file and a list at the top.

    Parameters
    ----------
    path : path of a YAML file

    Returns
    -------
    problems : list of UserError
    lines : dict, path of a key as a tuple -> line number, counted from 1
    """
    path, lines = Path(path), {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return [UserError("is not UTF-8 text", f"{path} line {line}", hint="save the file as UTF-8")], lines
    except OSError:  # Snakemake has read it, so this is a remote workflow's own file
        return [], lines
    if path.suffix == ".json":
        return [], lines
    try:
        node = _compose(text)
    except YAMLError as error:
        return [_syntax(path, text, error)], lines
    if node is None:
        return [UserError("holds no settings", str(path), "at least `datasets:` and one data set", EXAMPLE)], lines
    if not isinstance(node, MappingNode):
        kind = "a list" if isinstance(node, SequenceNode) else "one value"
        what = f"is {kind} at the top, not `key: value` lines"
        return [UserError(what, f"{path} line {node.start_mark.line + 1}", hint=EXAMPLE)], lines
    problems = []
    _walk(node, (), path, lines, problems, set())
    return problems, lines


def _compose(text):
    """The tree of a YAML text, by libyaml, which is faster; what it does not take, by PyYAML, which says better why."""
    try:
        return yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


def _walk(node, keys, path, lines, problems, above):
    """Note every key's line and every duplicate; `above` stops at anchors that contain themselves."""
    if id(node) in above:
        return
    above = above | {id(node)}
    if isinstance(node, SequenceNode):
        for position, item in enumerate(node.value):
            lines[(*keys, position)] = item.start_mark.line + 1
            _walk(item, (*keys, position), path, lines, problems, above)
    elif isinstance(node, MappingNode):
        first = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in first:
                what = f"the key '{key.value}' is there twice, first in line {first[key.value]}; one of the two is lost"
                problems.append(UserError(what, f"{path} line {line}", hint="delete or rename one of them"))
            first.setdefault(key.value, line)
            lines[(*keys, str(key.value))] = line
            _walk(value, (*keys, str(key.value)), path, lines, problems, above)


def _syntax(path, text, error):
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return UserError(f"is not YAML: {error}", str(path))
    line = error.problem_mark.line
    content = (text.splitlines() + [""])[line] if line <= text.count("\n") else ""
    where = f"{path} line {line + 1}"
    if "\t" in content[: len(content) - len(content.lstrip())] or "'\\t'" in str(error.problem):
        return UserError(
            "has a tab", where, "blanks", "YAML is indented with blanks only: replace each tab by two blanks"
        )
    return UserError(f"is not YAML: {error.problem}", where, hint="look at the indentation and at quotes and brackets")
