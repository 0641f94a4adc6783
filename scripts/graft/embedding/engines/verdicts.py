"""In which numbers a network may be run: tried once on a few samples against float32, and kept in the store.

A verdict is a dict of precision (None: in none), network (digest of a converted network's files, or None), cosine and why (or None).
"""

import atexit
import logging
import shutil
import tempfile
from pathlib import Path

import numpy as np

from graft.common.outputs import read_json, to_json
from graft.store import NoRoom

logger = logging.getLogger("graft")

KIND, FILE = "networks", "verdict.json"  # of the store's folders, and in each of them
CLOSE = 0.999  # cosine with float32, at least
FEW = 8  # samples that are tried


def verdict_on(backbone, pixels, precision, store, make, **more):
    """What another job, or `make` now, has found of a backbone: its folder in the store, and the verdict.

    Parameters
    ----------
    backbone, pixels, precision : see engines.open_engine
    make : callable -> (files, verdict); files : dict, name -> bytes, of a converted network
    more : what else the verdict depends on
    """
    spec = {name: value for name, value in backbone.spec.items() if name not in ("name", "licence", "weights")}
    key = {"weights": backbone.weights, "spec": spec, "pixels": pixels, "precision": precision, **more}
    own, *shared = store.folders(KIND, key)
    for folder in (own, *shared):
        if (verdict := _read(folder)) is not None:
            return folder, verdict
    files, verdict = make()
    try:
        store.make_room(own, sum(map(len, files.values())))
    except NoRoom as error:
        logger.info("the store has no room for the converted network: every job converts it (%s)", error.what)
        return _of_this_process(files), verdict
    for name, data in files.items():
        store.write(own, key, name, data)
    if (first := _read(own)) is not None:  # of another job, which was faster: both must take the same
        return own, first
    store.write(own, key, FILE, to_json(verdict).encode())
    return own, verdict


def _read(folder):
    try:
        found = read_json(folder / FILE)
    except (OSError, ValueError):
        return None
    there = found["network"] is None or (folder / f"{found['network'][:32]}.bin").exists()
    return found if there else None


def _of_this_process(files):
    """A folder with files, which ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="graft-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def closeness(engine, inputs, few, exact):
    """The least cosine with `exact` of the outputs of a sample, in a batch and alone, and of all together; -1 if shapes differ."""
    found = [engine.run(inputs, few), engine.run(inputs, few[:1])]
    wanted = [exact, exact[:1]]
    if any(one.shape != other.shape or not np.isfinite(one).all() for one, other in zip(found, wanted, strict=True)):
        return -1.0
    a, b = np.concatenate(found).astype(np.float64), np.concatenate(wanted).astype(np.float64)
    return float(min(_cosine(a, b).min(), _cosine(a.ravel()[None], b.ravel()[None]).min()))


def _cosine(a, b):
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return (a * b).sum(1) / np.maximum(norms, 1e-12)
