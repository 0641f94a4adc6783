"""Resumable state of a training: undeclared, checked, refused when it belongs to another run.

Snakemake deletes the declared outputs of a job that was killed, so what a rerun continues from is beside them in
`.state/`. Each save replaces the older of two files, so that one that was cut off or garbled leaves the other.
"""

import hashlib
import io
import logging
import shutil
from pathlib import Path

import torch

from graft.common.outputs import write_bytes

logger = logging.getLogger("graft")
SLOTS = ("a.pt", "b.pt")


class StateFiles:
    """State under `folder` for the run that `fingerprint` (hex) names."""

    def __init__(self, folder, fingerprint):
        self.folder, self.fingerprint = Path(folder), fingerprint
        self._count = 0

    def save(self, value):
        """Keep `value` (what torch.save takes), in place of the state before the last."""
        self._count += 1
        buffer = io.BytesIO()
        torch.save({"fingerprint": self.fingerprint, "count": self._count, "value": value}, buffer)
        data = buffer.getvalue()
        write_bytes(self.folder / SLOTS[self._count % 2], hashlib.sha256(data).digest() + data)

    def load(self):
        """The newest whole state of this run, or None."""
        found = [state for state in map(self._read, SLOTS) if state]
        if not found:
            return None
        newest = max(found, key=lambda state: state["count"])
        self._count = newest["count"]
        return newest["value"]

    def clear(self):
        """Forget everything: the outputs are written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, slot):
        path = self.folder / slot
        if not path.exists():
            return None
        data = path.read_bytes()
        if hashlib.sha256(data[32:]).digest() != data[:32]:
            logger.info("state: %s is damaged and is not used", path)
            return None
        state = torch.load(io.BytesIO(data[32:]), weights_only=True, map_location="cpu")
        if state["fingerprint"] != self.fingerprint:
            logger.info("state: %s belongs to other data, settings or code and is not used", path)
            return None
        return state
