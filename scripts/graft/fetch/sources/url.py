"""One or several files on a web server, unpacked if they are archives."""

from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from graft.common.errors import UserError
from graft.common.outputs import sha256_of_file
from graft.fetch import archives
from graft.fetch.download import download

ARCHIVES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")


def asset(want):
    return f"url {' '.join(urls_of(want))}"


def fetch(want):
    """Download every URL; archives are unpacked unless the source says `extract: false`."""
    names = [file_name(url) for url in urls_of(want)]
    if len(set(names)) < len(names):
        raise UserError(
            f"two URLs end in the same file name: {', '.join(sorted(names))}",
            where=f"{want.kind}s.{want.name}.source.url",
        )
    paths = [download(url, want.cache / name) for url, name in zip(urls_of(want), names, strict=True)]
    known = {}
    for path in paths:
        if want.source.get("extract", True) and _should_unpack(path):
            known[path.name] = sha256_of_file(path)
            _unpack(path, want)
        else:
            path.rename(want.folder / path.name)
    return {"archives": known}


def _should_unpack(path):
    """By name, since a .npz, .xlsx or .pth file is a zip archive too; .pth.tar is what some trainings call a checkpoint."""
    name = path.name.lower()
    return name.endswith(ARCHIVES) and not name.endswith(".pth.tar")


def _unpack(path, want):
    try:
        archives.extract(path, want.folder, want.source.get("files") or ["*"], want.source.get("strip"))
    except UserError:
        path.unlink()  # so that a rerun asks the server again
        raise


def urls_of(want):
    urls = want.source["url"]
    return [urls] if isinstance(urls, str) else list(urls)


def file_name(url):
    """The last part of a URL's path, safe as a file's name."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name.replace("\\", "_").replace("\0", "")
    return name if name not in ("", ".", "..") else "download"
