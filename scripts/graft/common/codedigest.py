"""What code a rule depends on, as a digest that comments, docstrings and layout don't change.

Snakemake notices an edited script but not an edited module that the script imports, so every rule carries this digest
as a parameter. Nothing is imported here: the files are read as text.
"""

import ast
from functools import cache
from pathlib import Path

from graft.common import plugins
from graft.common.outputs import sha256_of

SCRIPTS = Path(__file__).resolve().parents[2]


@cache
def code_digest(script, named=frozenset(), file=None):
    """Digest of scripts/{script}.py, of the graft modules it imports (and they import), and of the plug-ins it loads.

    Parameters
    ----------
    script : str
        Name of the script, without folder and ending.
    named : frozenset of (kind, name)
        The plug-ins that the job uses, of the kinds that `kinds_of` gives.
    file : str, optional
        The script, where it is not beside graft, which is installed as a package.
    """
    start = Path(file or SCRIPTS / f"{script}.py")
    seen = _closure(start, named)
    names = {path: path.name if path == start else path.relative_to(SCRIPTS) for path in seen}
    return sha256_of(*sorted(f"{names[path]} {digest}" for path, digest in seen.items()))


@cache
def kinds_of(script, named=frozenset(), file=None):
    """The kinds of plug-ins of which a script, a plug-in in `named`, or what these import, loads one by its name."""
    seen = _closure(Path(file or SCRIPTS / f"{script}.py"), named)
    return frozenset().union(*(_read(path)[2] for path in seen))


def _closure(script, named):
    """A script, the plug-ins `named`, and all graft modules that they import: dict, path -> digest."""
    modules = [plugins.module_of(kind, name) for kind, name in named]
    seen, waiting = {}, [script, *(path for module in modules for path in _files_of(module))]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen[path], imported, _ = _read(path)
            waiting += imported
    return seen


@cache
def _read(path):
    """A file's digest, the files of the graft modules that it imports, and the kinds of plug-ins that it loads."""
    tree = ast.parse(path.read_bytes())
    imported = [file for module in _imports(tree) for file in _files_of(module)]
    return _digest_of_tree(tree), imported, frozenset(_kinds(tree))


def _imports(tree):
    """Every graft module that the tree imports, also inside functions; `from a import b` may mean module a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("graft"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("graft"):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _kinds(tree):
    """The kinds of plug-ins of which the tree loads one: the first argument of each plugins.load(kind, name)."""
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        # The name is looked at first: to write out every call takes long.
        if isinstance(called, ast.Attribute) and called.attr == "load" and ast.unparse(called) == "plugins.load":
            yield ast.literal_eval(node.args[0])


def _files_of(module):
    """The files that importing `module` runs: its own, and the __init__ of the packages above it."""
    parts = module.split(".")
    packages = [SCRIPTS.joinpath(*parts[:i], "__init__.py") for i in range(1, len(parts) + 1)]
    return [path for path in (*packages, SCRIPTS.joinpath(*parts).with_suffix(".py")) if path.is_file()]


def _digest_of_tree(tree):
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            node.body = body[1:]
    return sha256_of(ast.dump(tree))


def _is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
