"""Plug-ins: one file each, found by its name in the folder of its kind. Looking for them imports none of them."""

import ast
from functools import cache
from importlib import import_module
from pathlib import Path

from graft.common.errors import UserError, did_you_mean

LIBRARY = Path(__file__).resolve().parents[1]
FOLDERS = {
    "source": "fetch/sources",
    "reader": "data/readers",
    "library": "networks/backbones",
    "kind": "targets/kinds",
    "preprocessing": "networks/preprocessing",
    "method": "training/methods",
    "objective": "training/objectives",
    "task_weights": "training/task_weights",
    "adaptation": "adaptation/methods",
    "adaptation_objective": "adaptation/objectives",
    "validator": "adaptation/validators",
    "classifier": "few_shot/classifiers",
    "zero_shot": "zero_shot/methods",
    "ensemble": "ensembles/methods",
    "ranking": "ranking/scores",
    "control": "controls/methods",
    "class_score": "conformal/class_scores",
    "number_score": "conformal/number_scores",
    "strategy": "labelling/strategies",
    "figure": "report/figures",
}


@cache
def names(kind):
    """The plug-ins of a kind: dict, name -> the first line of its docstring ("" if there is none), sorted by name."""
    files = sorted((LIBRARY / FOLDERS[kind]).glob("[!_]*.py"))
    files = [path for path in files if path.stem.isidentifier() and path.is_file()]  # no ._table.py, no table copy.py
    return {path.stem: (ast.get_docstring(_tree(path)) or "").split("\n")[0] for path in files}


def module_of(kind, name):
    """The full name of a plug-in's module, such as graft.training.methods.linear."""
    return f"graft.{FOLDERS[kind].replace('/', '.')}.{name}"


def load(kind, name):
    """The module of a plug-in, imported.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    known = names(kind)
    if name not in known:
        raise UserError(f"there is no {kind} '{name}'", allowed=", ".join(known), hint=did_you_mean(name, known))
    return import_module(module_of(kind, name))


@cache
def constant(kind, name, key, default=None):
    """The value of the literal `key` at the top of a plug-in's file, which is not imported; `default` if it has none."""
    path = LIBRARY / FOLDERS[kind] / f"{name}.py"
    for node in _tree(path).body if path.is_file() else ():
        if isinstance(node, ast.Assign) and any(getattr(target, "id", None) == key for target in node.targets):
            return ast.literal_eval(node.value)
    return default


def _tree(path):
    """A file's syntax tree. A broken file has an empty one here, and a traceback of its own when it is used."""
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])
