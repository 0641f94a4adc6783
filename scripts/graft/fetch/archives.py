"""Taking files out of zip and tar archives, and nothing else: no links, no devices, nothing outside the folder."""

import fnmatch
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from graft.common.errors import UserError, raise_all

MAX_MEMBERS = 5_000_000
MAX_RATIO = 200  # text that repeats itself reaches 50; bombs begin at 1000
RATIO_FROM = 100 * 2**20  # bytes; below that any ratio is harmless
BLOCK = 2**20


def extract(path, folder, patterns=("*",), strip=None):
    """Take the files that match `patterns` out of a zip or tar archive.

    Parameters
    ----------
    path : path of the archive
    folder : path
    patterns : sequence of str
        As in the shell, where * matches anything, folders included.
    strip : str, optional
        Folder removed from the front of the names.

    Returns
    -------
    list of str, the names as written, relative to `folder`

    Raises
    ------
    UserError
        If the archive is damaged or encrypted, or a member is a link or a device, would land outside the folder, or
        unpacks to far more than the archive holds. Nothing is written then.
    """
    path = Path(path)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                members = [_from_zip(archive, info) for info in archive.infolist() if not info.is_dir()]
                return _take(path, members, Path(folder), patterns, strip)
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                members = [_from_tar(archive, info) for info in _bounded(archive, path) if not info.isdir()]
                return _take(path, members, Path(folder), patterns, strip)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError) as error:
        raise UserError(f"the archive is damaged ({error})", where=path.name, hint="fetch it again") from error
    raise UserError(
        "is neither a zip nor a tar archive", where=path.name, allowed=".zip, .tar, .tar.gz, .tar.bz2, .tar.xz"
    )


def _from_zip(archive, info):
    kind = stat.S_IFMT(info.external_attr >> 16)
    problem = None
    if info.flag_bits & 1:
        problem = "is encrypted"
    elif kind not in (0, stat.S_IFREG):
        problem = "is a link or a device"
    return info.filename, info.file_size, problem, lambda: archive.open(info)


def _from_tar(archive, info):
    problem = None if info.isreg() else "is a link or a device"
    return info.name, info.size, problem, lambda: archive.extractfile(info)


def _bounded(archive, path):
    """The tar's members; stops at a bomb before its content is read."""
    total = 0
    for count, info in enumerate(archive):
        total += info.size
        _refuse_bomb(total, count, path)
        yield info


def _refuse_bomb(total, count, path):
    size = path.stat().st_size
    if count > MAX_MEMBERS or (total > RATIO_FROM and total > MAX_RATIO * size):
        raise UserError(
            f"the archive of {size} bytes unpacks to more than {total} bytes in {count + 1} files: a bomb?",
            where=path.name,
            hint="where you trust it, unpack it yourself and give the folder as source.path",
        )


def _take(path, members, folder, patterns, strip):
    errors = [UserError(f"'{name}' {problem}", where=path.name) for name, _, problem, _ in members if problem]
    errors += [
        UserError(f"'{name}' would be written outside the folder", where=path.name)
        for name, *_ in members
        if not is_inside(name)
    ]
    raise_all(errors[:20])
    total = sum(size for _, size, _, _ in members)
    _refuse_bomb(total, len(members), path)
    chosen = [member for member in members if any(fnmatch.fnmatchcase(member[0], pattern) for pattern in patterns)]
    if members and not chosen:
        names = ", ".join(name for name, *_ in members[:10])
        raise UserError(f"no file matches {', '.join(patterns)}", where=path.name, allowed=f"files such as {names}")
    free = shutil.disk_usage(folder).free
    needed = sum(size for _, size, _, _ in chosen)
    if needed > free:
        raise UserError(f"the files need {needed} bytes, the disk has {free} left", where=str(folder))
    return [_write(member, folder, strip, path) for member in chosen]


def _write(member, folder, strip, path):
    name, size, _, opened = member
    name = name.removeprefix("./")
    if strip and name.startswith(f"{strip.strip('/')}/"):
        name = name[len(strip.strip("/")) + 1 :]
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    left = size
    with opened() as source, target.open("wb") as file:
        while block := source.read(BLOCK):
            left -= len(block)
            if left < 0:
                raise UserError(f"'{name}' is larger than the archive says", where=path.name)
            file.write(block)
    return name


def is_inside(name):
    """Whether a member's name stays inside the folder that it is written to, on any system."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return (
        bool(parts) and not name.startswith(("/", "\\")) and ".." not in parts and not re.match(r"[A-Za-z]:|.*\0", name)
    )
