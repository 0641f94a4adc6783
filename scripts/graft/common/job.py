"""What every script does around its work: log to the rule's file, pin threads, show user errors as messages."""

import ctypes
import logging
import os
import signal
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

from graft.common import energy, ranks
from graft.common.errors import REASON, UserError

logger = logging.getLogger("graft")


@contextmanager
def job(log, threads=1, gpus=0):
    """Run a script's body: messages go to the file `log` and to the terminal, mistakes end without a traceback.

    Of several ranks, which share the threads and GPUs, the first says what happens; the others speak up when something goes
    wrong.
    """
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    mode, level = ("w", logging.INFO) if ranks.is_first() else ("a", logging.ERROR)
    logging.basicConfig(
        level=level,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[logging.FileHandler(path, mode=mode, encoding="utf-8"), logging.StreamHandler(sys.stderr)],
        force=True,
    )
    for chatty in (
        "httpx",
        "httpcore",
        "urllib3",
        "filelock",
        "datasets",
        "huggingface_hub",
        "timm",
        "PIL",
        "matplotlib",
    ):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if "SLURM_JOB_ID" in os.environ:
        place = os.environ.get("SLURMD_NODENAME"), os.environ.get("CUDA_VISIBLE_DEVICES", "none")
        logger.info("Slurm job %s on node %s, GPUs: %s", os.environ["SLURM_JOB_ID"], *place)
    pin_threads(threads // ranks.count())
    keep_freed_memory()
    try:
        with ranks.connected(gpus), energy.measured():
            yield
    except UserError as error:
        logger.error("%s%s\nThe whole log: %s", REASON, error, path)
        sys.exit(1)
    except KeyboardInterrupt:
        logger.error("stopped by Ctrl-C; the next run does this step again")
        sys.exit(128 + signal.SIGINT)
    except Exception:
        logger.info(traceback.format_exc())
        logger.error("This is a fault in graft, not in your data or config. The whole log: %s", path)
        raise


def gpus_of(asked, rehearsal):
    """The GPUs that a job computes on: those that its rule asks for; in a rehearsal none (config's device.rehearsal)."""
    return 0 if rehearsal else asked


def pin_threads(threads):
    """Give torch exactly the rule's threads, if this script uses torch at all."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(max(1, threads))


def keep_freed_memory():
    """Let glibc keep what torch frees instead of giving it back to the kernel after every layer.

    A network frees and asks for the same large blocks at every step, and each fresh page costs a fault. With this,
    EfficientNet-Lite0 embeds 1.6 times as many images per second on a CPU (71 -> 118 at 224 px on one core). Elsewhere
    than on glibc nothing happens.
    """
    trim_threshold, mmap_max = -1, -4  # parameters of mallopt(3)
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)


class Progress:
    """Log done / total, rate and time left, at most every `every` seconds."""

    def __init__(self, what, total, unit="samples", every=10.0):
        self.what, self.total, self.unit, self.every = what, total, unit, every
        self.done, self.start = 0, time.monotonic()
        self.shown = self.start

    def add(self, count):
        self.done += count
        now = time.monotonic()
        if now - self.shown >= self.every or (self.done >= self.total and self.shown != self.start):
            self.shown = now
            rate = self.done / max(now - self.start, 1e-9)
            left = (self.total - self.done) / max(rate, 1e-9)
            logger.info("%s: %d / %d %s, %.1f/s, %.0f s left", self.what, self.done, self.total, self.unit, rate, left)
