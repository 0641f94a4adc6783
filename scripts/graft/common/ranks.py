"""Several processes ("ranks") that train one network together, one per GPU of a job.

torch's launcher starts the rule's script once per rank. All ranks draw the same batches, each forwards its share, and
the loss is that of the whole batch. So a training does not depend on the number of ranks, except for rounding and
dropout. What a rule writes, rank 0 writes.
"""

import os
import signal
import sys
from contextlib import contextmanager
from datetime import timedelta

import numpy as np

OURS = "GRAFT_RANKS"  # marks our ranks: a site may have set WORLD_SIZE for other purposes
AGREE = 10  # steps between two looks at whether any rank was told to stop
PATIENCE = timedelta(days=2)  # others wait while rank 0 decodes images or asks a teacher


def wanted(gpus):
    """Whether this process is to start one rank per GPU of its job, and not to train itself."""
    return gpus > 1 and OURS not in os.environ


def launch(gpus):
    """Run this process's script once per GPU, and wait for all. Where one fails, this process ends with its exit code."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    os.environ[OURS] = str(gpus)
    # The ranks react to these, and this process waits for them. They inherit what is ignored, but not what is caught.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    os.environ.setdefault("TORCHELASTIC_SIGNALS_TO_HANDLE", "SIGTERM,SIGQUIT")
    try:
        torchrun(["--standalone", f"--nproc-per-node={gpus}", sys.argv[0]])
    except ChildFailedError as error:
        sys.exit(error.get_first_failure()[1].exitcode)


def count():
    return int(os.environ[OURS]) if OURS in os.environ else 1


def number():
    return int(os.environ["RANK"]) if OURS in os.environ else 0


def is_first():
    """Whether this process is rank 0, or alone."""
    return number() == 0


@contextmanager
def connected(gpus):
    """The ranks' connection: NCCL between GPUs, gloo between CPUs (`gpus` is 0)."""
    if count() == 1:
        yield
        return
    from accelerate import PartialState

    state = PartialState(cpu=not gpus, timeout=PATIENCE)
    try:
        yield
    finally:
        state.destroy_process_group()


@contextmanager
def first_alone():
    """Rank 0 goes through the block before the others, which find what it left in the store."""
    if count() == 1:
        yield
        return
    from accelerate import PartialState

    with PartialState().main_process_first():
        yield


def share(size):
    """Places of a batch of `size` samples that this rank forwards: every count()-th, equally many for all ranks.

    Where they do not divide evenly, the first sample is repeated; `gather` drops it again.
    """
    places = np.arange(number(), -(-size // count()) * count(), count())
    return np.where(places < size, places, 0)


def gather(outputs, size):
    """The outputs of a whole batch of `size` from each rank's `share`, in the batch's order; Tensor, (size, ...).

    Gradients flow to the rank's own outputs. Every rank has the same loss, and their gradients add up to its own.
    """
    if count() == 1:
        return outputs
    import torch

    parts = [torch.empty_like(outputs) for _ in range(count())]
    torch.distributed.all_gather(parts, outputs.detach().contiguous())
    parts[number()] = outputs
    return torch.stack(parts, 1).flatten(0, 1)[:size]


def agree(told, step, device):
    """Whether to stop after `step`: alone as soon as `told` (a signal's number, or 0), else where any rank was."""
    if count() == 1:
        return told
    if step % AGREE:
        return 0
    import torch

    most = torch.tensor(told, device=device)
    torch.distributed.all_reduce(most, torch.distributed.ReduceOp.MAX)
    return int(most)
