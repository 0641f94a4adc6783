"""A conda channel in a folder, with what graft's env files name, in the versions that this interpreter has installed.

Conda then solves an env file only if it pins what requirements.txt pins: a version that drifts is not to be had.
`python channel.py CHANNELS ENV_FILE ...` writes CHANNELS/conda-forge.
"""

import hashlib
import io
import json
import re
import sys
import sysconfig
import tarfile
from importlib.metadata import distribution
from pathlib import Path

import yaml

SMALL = 3_000_000  # bytes up to which a package is packed as it is installed
ON_THE_INDEX = {"pytorch": "torch"}  # conda's names of packages that have another one there
LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "__pycache__", "site-packages"}
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
PACKAGES = f"lib/python{VERSION}/site-packages"
# Run whenever a Python of an environment starts, so that a test can see which environment ran which script.
NOTE = "import os, sys; ran = os.environ.get('GRAFT_RAN'); ran and open(ran, 'a').write(f'{sys.prefix} {sys.orig_argv[1:2]}\\n')\n"


def pins(env_file):
    """What an env file names for conda: dict, package -> version (None if it pins none)."""
    named = yaml.safe_load(Path(env_file).read_text())["dependencies"]
    named = [entry for entry in named if isinstance(entry, str)]
    return {name: version or None for name, _, version in (entry.partition("=") for entry in named)}


def pip_pins(env_file):
    """What an env file names for pip, which conda starts in the environment: dict, package -> version.

    The stand-in has nothing to download: an environment sees the packages of this interpreter, and pip that they are there in these
    versions; of another version it would have to ask an index, and fail.
    """
    named = yaml.safe_load(Path(env_file).read_text())["dependencies"]
    named = [entry for part in named if isinstance(part, dict) for entry in part["pip"]]
    return dict(entry.split("==") for entry in named)


def build(channels, env_files):
    """Write the channel conda-forge into the folder `channels`."""
    folder = Path(channels) / "conda-forge"
    names = sorted({name for file in env_files for name in pins(file)} - {"python"})
    records = dict([write_package(folder, "python", sys.version.split()[0], (), python_files())])
    for name in names:
        installed = distribution(ON_THE_INDEX.get(name, name))
        version = installed.version.partition("+")[0]
        record = write_package(folder, name, version, [f"python {VERSION}.*"], package_files(name, installed))
        records |= dict([record])
    write_index(folder / "linux-64", records)
    write_index(folder / "noarch", {})


def python_files():
    """This interpreter and its standard library, as a conda package lays them out: path -> file, bytes or link."""
    base = Path(sys.base_prefix)
    files = {f"bin/python{VERSION}": Path(sys.executable).resolve()}
    files |= {f"bin/{name}": f"python{VERSION}" for name in ("python", "python3")}
    library = Path(sysconfig.get_path("stdlib"))
    for path in library.rglob("*"):
        inner = path.relative_to(library)
        if path.is_file() and not LEFT_OUT & set(inner.parts[:-1]) and path.suffix not in (".a", ".pyc"):
            files[f"lib/python{VERSION}/{inner}"] = path
    files |= {f"lib/{path.name}": path.resolve() for path in (base / "lib").glob("libpython*.so*")}
    return files | {f"{PACKAGES}/note.pth": NOTE.encode()}


def package_files(name, installed):
    """The files of an installed package; of a large one only a line that makes it importable where it is."""
    files = {file: Path(file.locate()) for file in installed.files or () if ".." not in file.parts}
    files = {file: path for file, path in files.items() if path.is_file() and path.suffix != ".pyc"}
    if sum(path.stat().st_size for path in files.values()) <= SMALL:
        return {f"{PACKAGES}/{file}": path for file, path in files.items()}
    return {f"{PACKAGES}/{name}.pth": f"{sysconfig.get_path('purelib')}\n".encode()}


def write_package(folder, name, version, depends, files):
    """One package of the channel; its file name and its record for the index."""
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": list(depends)}
    index |= {"subdir": "linux-64", "arch": "x86_64", "platform": "linux", "constrains": []}
    paths = [described(path, content) for path, content in sorted(files.items())]
    facts = {
        "info/index.json": json.dumps(index),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
        "info/files": "".join(f"{path}\n" for path in sorted(files)),
        "info/about.json": "{}",
    }
    target = folder / "linux-64" / f"{name}-{version}-0.tar.bz2"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w:bz2", compresslevel=1) as archive:
        for path, content in [*((path, text.encode()) for path, text in facts.items()), *sorted(files.items())]:
            add(archive, path, content)
    data = target.read_bytes()
    sums = {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return target.name, index | sums


def described(path, content):
    """A file's entry in paths.json; `content` is bytes, the path of a file, or the target (str) of a link."""
    if isinstance(content, str):
        return {"_path": path, "path_type": "softlink", "sha256": hashlib.sha256(b"").hexdigest(), "size_in_bytes": 0}
    data = content if isinstance(content, bytes) else content.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    return {"_path": path, "path_type": "hardlink", "sha256": sha256, "size_in_bytes": len(data)}


def add(archive, path, content):
    entry = tarfile.TarInfo(path)
    if isinstance(content, str):
        entry.type, entry.linkname = tarfile.SYMTYPE, content
        archive.addfile(entry)
        return
    data = content if isinstance(content, bytes) else content.read_bytes()
    entry.size, entry.mode = len(data), 0o755 if re.match(r"bin/|.*\.so", path) else 0o644
    archive.addfile(entry, io.BytesIO(data))


def write_index(folder, records):
    folder.mkdir(parents=True, exist_ok=True)
    index = {"info": {"subdir": folder.name}, "packages": records, "packages.conda": {}, "repodata_version": 1}
    (folder / "repodata.json").write_text(json.dumps(index, indent=1))


if __name__ == "__main__":
    build(sys.argv[1], sys.argv[2:])
