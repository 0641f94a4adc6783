"""Weights that torchvision names, from the URL that it gives."""

import re
import shutil
from pathlib import Path

from graft.common.errors import UserError
from graft.common.outputs import sha256_of_file
from graft.fetch.download import download
from graft.fetch.sources.url import file_name


def asset(want):
    return f"torchvision {want.entry['architecture']} {want.source['torchvision']}"


def fetch(want):
    """Take the file from torch's own cache (TORCH_HOME) if it is there, else download it; check the name's hash."""
    import torch

    from graft.networks.backbones.torchvision import describe, weights_named

    describe(want.entry, want.folder)  # names an unknown architecture before anything is downloaded
    weights = weights_named(want.entry["architecture"], want.source["torchvision"])
    if weights is None:
        raise UserError(f"torchvision has no weights of {want.entry['architecture']}", where="source.torchvision")
    name = file_name(weights.url)
    cached = Path(torch.hub.get_dir()) / "checkpoints" / name
    if cached.is_file() and _hash_fits(cached):
        shutil.copyfile(cached, want.folder / name)
    else:
        download(weights.url, want.folder / name, parts=want.cache)
    if not _hash_fits(want.folder / name):
        found = sha256_of_file(want.folder / name)
        raise UserError(
            f"'{name}' is not the file of its name: its sha256 is {found}", where=weights.url, hint="fetch again"
        )
    return {"revision": weights.name}


def _hash_fits(path):
    """Whether a file named resnet50-11ad3fa6.pth has a sha256 that begins with 11ad3fa6."""
    said = re.search(r"-([0-9a-f]{8,64})\.", path.name)
    return said is None or sha256_of_file(path).startswith(said.group(1))
