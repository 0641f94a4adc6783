"""What electricity a job took, where the machine counts it: the whole processors' by RAPL, the whole GPUs' by NVML.

Such a counter does not know whose work it was: what runs beside a job on the same processor or GPU is in the job's number, too. The
seconds before, in which a script loads its libraries, are not. Where nothing is counted, or only root may read it, nothing is said.
"""

import json
import logging
import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from graft.common import ranks

SAID = "energy in joules, with what else ran there:"  # before it, as JSON, in a job's log
POWERCAP = "GRAFT_POWERCAP"  # a variable: where the counters of the processors are, if not where Linux has them
EVERY = 60.0  # seconds: a processor's counter of 262 kJ begins again after 9 minutes at 500 W
logger = logging.getLogger("graft")


@contextmanager
def measured(powercap=None, nvml=None):
    """Log what the processors, and the GPUs if torch has computed on any, took while the body ran."""
    counters = [*processors(powercap or os.environ.get(POWERCAP, "/sys/class/powercap")), *gpus(nvml or pynvml())]
    if not counters or not ranks.is_first():
        yield
        return
    ended = threading.Event()

    def watch():
        while not ended.wait(EVERY):
            for one in counters:
                one.update()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
        for one in counters:
            one.update()
    if found := totals(counters, ("processor", "gpu") if computes_on_gpu() else ("processor",)):
        logger.info("%s %s", SAID, json.dumps(found))


class Counter:
    """Joules since it was made, out of a count that only grows; or that begins again beyond `largest`, if that is given."""

    def __init__(self, kind, read, unit, largest=None):
        self.kind, self.read, self.unit, self.largest = kind, read, unit, largest
        self.last, self.joules = read(), 0.0  # None from when it cannot be read any more

    def update(self):
        try:
            now = self.read()
        except Exception:  # NVML's errors are classes of its own, and no number is worth a job
            self.joules = None
            return
        grown = now - self.last + (self.largest if now < self.last and self.largest else 0)
        self.joules = None if self.joules is None or grown < 0 else self.joules + grown * self.unit
        self.last = now


def totals(counters, kinds):
    """dict, kind -> joules of all its counters, of those kinds of which every counter has a value."""
    each = {kind: [one.joules for one in counters if one.kind == kind] for kind in kinds}
    return {kind: round(sum(found), 3) for kind, found in each.items() if found and None not in found}


def processors(folder):
    """A counter of each processor: the zones called package-0 and so on, in whose counts those of cores are."""
    found = []
    try:
        for zone in sorted(Path(folder).glob("intel-rapl:*")):
            if (zone / "name").read_text().startswith("package"):
                largest = int((zone / "max_energy_range_uj").read_text())
                count = zone / "energy_uj"
                found.append(Counter("processor", lambda count=count: int(count.read_text()), 1e-6, largest))
    except (OSError, ValueError):  # only root may read it
        return []
    return found


def pynvml():
    """The module of the package nvidia-ml-py, or None."""
    try:
        import pynvml as module
    except ImportError:
        return None
    return module


def gpus(nvml):
    """A counter of each GPU that this process may see; without CUDA_VISIBLE_DEVICES, of the first ones, one per rank."""
    if nvml is None:
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(ranks.count()))))
    try:
        nvml.nvmlInit()
        found = []
        for name in filter(None, named.split(",")):
            handle = (
                nvml.nvmlDeviceGetHandleByIndex(int(name)) if name.isdigit() else nvml.nvmlDeviceGetHandleByUUID(name)
            )
            found.append(Counter("gpu", lambda handle=handle: nvml.nvmlDeviceGetTotalEnergyConsumption(handle), 1e-3))
        return found
    except nvml.NVMLError:  # no GPU, or one that does not count
        return []


def computes_on_gpu():
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_initialized()
