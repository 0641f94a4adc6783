"""What code a rule depends on, as a digest that comments, docstrings and layout don't change.

Snakemake notices an edited script but not an edited module that the script imports, so every rule carries this digest
as a parameter. Nothing is imported here: the files are read as text. To parse them takes a second, which every start of
Snakemake would pay, those of Slurm's jobs included; so what was found is kept in the user's cache folder, by content.
"""

import ast
import atexit
import hashlib
import json
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

from graft.common import plugins
from graft.common.outputs import sha256_of, write_text

SCRIPTS = Path(__file__).resolve().parents[2]
KEPT = user_cache_path("graft")
MOST = 2_000  # files of which the cache knows, the newest


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
    code = path.read_bytes()
    key = hashlib.sha256(code).hexdigest()
    if key not in (kept := _kept()):
        tree = ast.parse(code)
        kept[key] = [_digest_of_tree(tree), list(dict.fromkeys(_imports(tree))), list(dict.fromkeys(_kinds(tree)))]
        _keep_at_exit()
    digest, modules, kinds = kept[key]
    return digest, [file for module in modules for file in _files_of(module)], frozenset(kinds)


@cache
def _kept():
    """What was found in files before: dict, SHA-256 of the bytes -> digest, modules, kinds."""
    try:
        return json.loads(_file_of_kept().read_text())
    except (OSError, ValueError):
        return {}


@cache
def _file_of_kept():
    """Its name says what else the values depend on: how Python writes a tree, and this module."""
    version = "{}.{}".format(*sys.version_info)
    return KEPT / f"code-{version}-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]}.json"


@cache
def _keep_at_exit():
    atexit.register(_keep)


def _keep():
    newest = dict(list(_kept().items())[-MOST:])
    with suppress(OSError):  # a home folder that is full or cannot be written costs a second, no run
        write_text(_file_of_kept(), json.dumps(newest))


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


@cache
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
