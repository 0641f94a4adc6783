"""The one training loop: images, texts and vectors, from labels or from a teacher.

It owns precision, devices, the order of samples, resume, best weights, early stopping and the finite check. What is
trained comes from outside, as a Problem: a network, the batches of an epoch, a loss, an evaluation.

Everything random is a function of (seed, epoch, step), so a run that was killed anywhere and continues from its last
state does exactly what the undisturbed run would have done: on the same CPU it ends with the same bytes.
"""

import logging
import math
import signal
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from graft.common import ranks
from graft.common.errors import UserError
from graft.common.job import Progress
from graft.training.batch_order import read_ahead
from graft.training.optimizer import parameter_groups, warmup_and_cosine

logger = logging.getLogger("graft")


@dataclass
class Problem:
    """What is trained.

    network : Network
    batches : callable, epoch -> list of steps, each a list of index arrays, one per forward; every epoch has as many
        samples and steps
    read : callable, (indices, epoch) -> what the loss needs of these samples, as it is on the CPU; a thread reads a batch
        ahead of the device
    loss : callable, (network, what was read, progress) -> Tensor: the mean over the samples of the batch; of shape (parts,)
        where the loss has several, which `weights` makes one of. `progress` is the share of the steps that are done
    evaluate : callable, network -> dict with "val_loss", and what else the history should show. Which epoch is the best
        "criterion" decides (lower is better), without one "val_loss_calibrated", without that "val_loss"
    start : whether the network as it is given (with a solved head) is a candidate for the best: epoch 0 of the history
    weights : Module with backward(losses, share, backward, network), see task_weights; None: there is one loss
    begin : callable, network -> None, called before each epoch with the network in eval mode
    """

    network: torch.nn.Module
    batches: Callable
    read: Callable
    loss: Callable
    evaluate: Callable
    start: bool = False
    weights: torch.nn.Module | None = None
    begin: Callable | None = None


@dataclass
class Mode:
    """Where, and in which number format, a network is trained.

    running : callable that gives the context of a forward pass, see cpu_kernels.training
    prepare : callable, network -> what is called instead of it, such as its compiled form
    """

    device: torch.device
    precision: str
    running: Callable = nullcontext
    prepare: Callable | None = None


def fit(problem, settings, seed, states, mode):
    """Train a Problem's network and leave its best weights in it.

    Parameters
    ----------
    settings : dict with epochs, lr, head_lr, weight_decay, warmup, clip_norm, patience, freeze_batchnorm, save_every
    seed : int
    states : StateFiles, from which a training that was stopped continues
    mode : Mode

    Returns
    -------
    list of dict, one per epoch: the history

    Raises
    ------
    UserError
        When the loss is not finite.
    """
    loop = _Loop(problem, settings, seed, states, mode)
    with termination() as told:
        while loop.goes_on():
            loop.train_epoch(told)
    return loop.keep_best()


class _Loop:
    """The epochs and steps of one training; `at` says how far it is."""

    def __init__(self, problem, settings, seed, states, mode):
        # Here, since a linear probe has no loop and need not wait for it.
        from accelerate import Accelerator, DistributedDataParallelKwargs

        self.problem, self.settings, self.seed, self.states, self.mode = problem, settings, seed, states, mode
        self.accelerator = Accelerator(
            mixed_precision="bf16" if mode.precision == "bf16" else "no",
            cpu=mode.device.type == "cpu",
            # A network may have weights that its embedding does not use, such as the pooler of BERT.
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        network = problem.network
        groups = parameter_groups(network, settings)
        if own := list(problem.weights.to(mode.device).parameters()) if problem.weights else []:
            groups.append({"params": own, "lr": settings["head_lr"], "weight_decay": 0.0})
        optimizer = torch.optim.AdamW(groups, fused=True)
        first = problem.batches(0)
        self.steps, self.samples = len(first), sum(len(indices) for step in first for indices in step)
        total = self.steps * settings["epochs"]
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_and_cosine(total, settings["warmup"]))
        model, self.optimizer = self.accelerator.prepare(network, optimizer)
        set_train(network, settings["freeze_batchnorm"])
        self.model = mode.prepare(model) if mode.prepare else model
        self.at = TrainingState(network, self.optimizer, schedule, problem.weights)
        self.at.restore(states.load())
        if problem.start and not self.at.history:
            network.eval()
            self.at.begin(problem.evaluate(network))
        self.saved = time.monotonic()
        self.progress = Progress("training", total, "steps")
        self.progress.done = self.at.epoch * self.steps + self.at.step

    def goes_on(self):
        epochs = self.settings["epochs"]
        return self.at.epoch < epochs and self.at.waited < (self.settings["patience"] or epochs)

    def train_epoch(self, told):
        """Train an epoch, or the rest of it, and judge the network."""
        at, problem = self.at, self.problem
        if problem.begin and not at.step:
            problem.network.eval()
            problem.begin(problem.network)
        set_train(problem.network, self.settings["freeze_batchnorm"])
        groups = problem.batches(at.epoch)[at.step :]
        ready = read_ahead(partial(problem.read, epoch=at.epoch), [indices for group in groups for indices in group])
        for group in groups:
            self._step(group, ready)
            self._save_if_due(told)
        check_finite(at.loss_sum, at.epoch)
        problem.network.eval()
        at.end_epoch(problem.evaluate(problem.network), self.samples)
        numbers = {key: value for key, value in at.history[-1].items() if isinstance(value, float)}
        logger.info("epoch %d: %s", at.epoch, ", ".join(f"{key} {value:.4g}" for key, value in numbers.items()))

    def keep_best(self):
        """Leave the best weights in the network; the history."""
        at, network = self.at, self.problem.network
        if self.problem.start and decisive(at.history[0]) <= at.lowest:
            logger.info("no epoch was better on validation than the solved head; the network stays as it was (epoch 0)")
        network.load_state_dict(at.best)
        network.eval()
        return at.history

    def _step(self, group, ready):
        """One step of the optimizer, over the batches of a group."""
        at, network = self.at, self.problem.network
        own = () if ranks.is_first() else (ranks.number(),)  # each rank drops other units
        torch.manual_seed(_mix(self.seed, at.epoch, at.step, *own))
        progress = (at.epoch + at.step / self.steps) / self.settings["epochs"]
        for indices in group:
            with self.accelerator.autocast(), self.mode.running():
                loss = self.problem.loss(self.model, next(ready), progress)
            # Over the samples of a step on average, so that each weighs the same in every batch. The mean over
            # the ranks divides by their number.
            self._backward(loss, len(indices) * (self.steps / self.samples) * ranks.count())
            at.loss_sum = at.loss_sum + (loss.detach() * len(indices)).double().mean()
        if self.settings["clip_norm"]:
            self.accelerator.clip_grad_norm_(network.parameters(), self.settings["clip_norm"])
        self.optimizer.step()
        at.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        at.step += 1
        self.progress.add(1)

    def _backward(self, losses, share):
        backward, weights = self.accelerator.backward, self.problem.weights
        if weights:
            weights.backward(losses, share, backward, self.problem.network)
        else:
            backward(losses * share)

    def _save_if_due(self, told):
        """Save the state from time to time, and before this process ends because a signal told it to."""
        at, stop = self.at, ranks.agree(told(), self.at.step, self.mode.device)
        if stop or time.monotonic() - self.saved >= self.settings["save_every"]:
            check_finite(at.loss_sum, at.epoch)
            if ranks.is_first():
                self.states.save(at.capture())
            self.saved = time.monotonic()
        if stop:
            logger.info("stopped by a signal at epoch %d, step %d; the next run continues here", at.epoch + 1, at.step)
            raise SystemExit(128 + stop)


class TrainingState:
    """How far a training is: all that must be kept to continue it."""

    def __init__(self, network, optimizer, schedule, weights=None):
        self.network, self.optimizer, self.schedule, self.weights = network, optimizer, schedule, weights
        self.epoch, self.step, self.waited = 0, 0, 0
        self.loss_sum = torch.zeros((), dtype=torch.float64)
        self.history, self.best, self.best_loss = [], None, math.inf
        self.lowest = math.inf  # the lowest loss of a trained epoch: patience does not count from the start

    def begin(self, numbers):
        """Note the network before training, as epoch 0."""
        self.history.append({"epoch": 0, "train_loss": math.nan, **numbers, "stage": "train"})
        self._keep_if_best(decisive(numbers))

    def end_epoch(self, numbers, samples):
        """Note an epoch; keep its weights if it is the best so far by the number that decides."""
        self.history.append(
            {
                "epoch": self.epoch + 1,
                "train_loss": float(self.loss_sum) / samples,
                **numbers,
                "lr": self.schedule.get_last_lr()[0],
                "stage": "train",
            }
        )
        loss = decisive(numbers)
        self.waited = 0 if loss < self.lowest else self.waited + 1
        self.lowest = min(loss, self.lowest)
        self._keep_if_best(loss)
        self.epoch, self.step, self.loss_sum = self.epoch + 1, 0, torch.zeros((), dtype=torch.float64)

    def _keep_if_best(self, loss):
        if loss < self.best_loss or self.best is None:
            self.best_loss = loss
            self.best = {key: value.detach().cpu().clone() for key, value in self.network.state_dict().items()}

    def capture(self):
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "weights": self.weights.state_dict() if self.weights else {},
            "counters": [self.epoch, self.step, self.waited],
            "loss_sum": float(self.loss_sum),
            "history": self.history,
            "best": self.best,
            "losses": [self.best_loss, self.lowest],
        }

    def restore(self, captured):
        if captured is None:
            return
        self.network.load_state_dict(captured["network"])
        self.optimizer.load_state_dict(captured["optimizer"])
        self.schedule.load_state_dict(captured["schedule"])
        if self.weights:
            self.weights.load_state_dict(captured["weights"])
        self.epoch, self.step, self.waited = captured["counters"]
        self.loss_sum = torch.tensor(captured["loss_sum"], dtype=torch.float64)
        self.history, self.best = captured["history"], captured["best"]
        self.best_loss, self.lowest = captured["losses"]
        logger.info("continuing at epoch %d, step %d", self.epoch + 1, self.step)


def decisive(numbers):
    """The number that decides which epoch is the best."""
    return numbers.get("criterion", numbers.get("val_loss_calibrated", numbers["val_loss"]))


def set_train(network, freeze_batchnorm):
    """Training mode, except for frozen parts and, if asked, BatchNorm, whose statistics small data would spoil."""
    network.train()
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        frozen = own and not any(parameter.requires_grad for parameter in own)
        if frozen or (freeze_batchnorm and isinstance(module, torch.nn.modules.batchnorm._BatchNorm)):
            module.eval()


def check_finite(loss, epoch):
    if not math.isfinite(float(loss)):
        raise UserError(
            f"the training loss became {float(loss)} in epoch {epoch + 1}",
            hint="lower lr and head_lr, or set device.precision: fp32; look for extreme values in the data",
        )


@contextmanager
def termination():
    """A function that says which signal has told this training to end (0: none), so that it saves its state before.

    Schedulers send SIGTERM or SIGUSR1 ahead of the end, a terminal SIGINT (Ctrl-C) or, when its connection is lost,
    SIGHUP. A second Ctrl-C ends the training at once. What a shell has set aside (`nohup`, `&` in a script) stays so.
    """
    received = []

    def note(number, frame):
        received.append(number)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    terminal = [number for number in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGUSR1, *terminal)}
    try:
        yield lambda: received[0] if received else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _mix(*numbers):
    """One seed for torch from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
