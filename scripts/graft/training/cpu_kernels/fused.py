"""Convolution, frozen BatchNorm and activation in one operation when training on a CPU, forward and backward.

A small network on a CPU waits for memory rather than for arithmetic. A BatchNorm whose statistics are fixed is a factor
and a shift per channel, and goes into the weights; oneDNN applies the activation before it writes. The results are the same
up to rounding, and so are the gradients.

What follows what is found by running the network once, on one sample (`trace`), from any library.
"""

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as functional
from torch.overrides import TorchFunctionMode

from graft.training.cpu_kernels.convolution import Conv

NOTHING = ("none", ())
ACTIVATIONS = {
    functional.relu: lambda inputs, inplace=False: ("relu", ()),
    functional.relu6: lambda inputs, inplace=False: ("hardtanh", (0.0, 6.0)),
    functional.hardtanh: lambda inputs, min_val=-1.0, max_val=1.0, inplace=False: ("hardtanh", (min_val, max_val)),
    functional.silu: lambda inputs, inplace=False: ("swish", ()),
    functional.hardswish: lambda inputs, inplace=False: ("hardswish", ()),
}
TOLD_BY_OUTPUT = ("none", "relu", "hardtanh")  # activations whose gradient can be computed from their output


@dataclass
class Step:
    """What follows one convolution: a BatchNorm (its arguments, or None) and an activation."""

    norm: dict | None = None
    activation: tuple = NOTHING


@torch.no_grad()
def trace(network, example):
    """What can be fused in `network`, found by running it on `example`, the inputs of one sample: {id of a weight: Step}."""
    if not any(isinstance(module, torch.nn.Conv2d) for module in network.modules()):
        return {}
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    with _Recorder() as recorder:
        network(example)
    for module, training in modes:
        module.training = training
    return recorder.steps()


class _Recorder(TorchFunctionMode):
    """Notes every function of a forward pass, what it read and what it gave; all tensors stay alive, so that ids do."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        if isinstance(output, torch.Tensor):
            self.calls.append((func, args, kwargs or {}, output))
        return output

    def steps(self):
        found, twice = {}, set()
        for place, (func, args, kwargs, _) in enumerate(self.calls):
            if func is torch.conv2d:
                weight = _conv2d(*args, **kwargs)[1]
                twice |= {id(weight)} & found.keys()
                found[id(weight)] = self._step(place)
        return {weight: step for weight, step in found.items() if weight not in twice}

    def _step(self, place):
        step, reader = Step(), self._only_reader(place)
        if reader is not None and self.calls[reader][0] is functional.batch_norm:
            _, args, kwargs, _ = self.calls[reader]
            norm = _batch_norm(*args, **kwargs)
            if norm["running_mean"] is not None:
                step.norm, reader = norm, self._only_reader(reader)
        if reader is not None and self.calls[reader][0] in ACTIVATIONS:
            func, args, kwargs, _ = self.calls[reader]
            step.activation = ACTIVATIONS[func](*args, **kwargs)
        return step

    def _only_reader(self, place):
        """The one later call that reads the result of call `place`; None if several or none do."""
        output, readers = self.calls[place][3], []
        for later in range(place + 1, len(self.calls)):
            _, args, kwargs, result = self.calls[later]
            if any(value is output for value in _tensors((args, kwargs))):
                readers.append(later)
                if result is output:  # done in place: what comes later reads the new value
                    break
        return readers[0] if len(readers) == 1 else None


class Replacing(TorchFunctionMode):
    """While this is on, other functions replace some of torch's: `table`, function -> function."""

    def __init__(self, table):
        super().__init__()
        self.table = table

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return self.table.get(func, func)(*args, **(kwargs or {}))


class Training:
    """The functions that replace torch's during a training step; gradients go to all that takes part."""

    def __init__(self, steps, precision, frozen_batchnorm):
        self.steps, self.frozen = steps, frozen_batchnorm
        self.dtype = torch.bfloat16 if precision == "bf16" else torch.float32

    def start(self):
        skipped = {func: partial(_skip, func) for func in (functional.batch_norm, *ACTIVATIONS)}
        return {torch.conv2d: self.convolution, **skipped}

    def convolution(self, *args, **kwargs):
        inputs, weight, bias, stride, padding, dilation, groups = _conv2d(*args, **kwargs)
        step = self.steps.get(id(weight), Step())
        if step.norm and not self.frozen:
            step = Step()
        if isinstance(padding, str):
            return torch.conv2d(inputs, weight, bias, stride, padding, dilation, groups)
        if step.activation[0] not in TOLD_BY_OUTPUT:
            step = Step(step.norm)
        geometry = [*map(_pair, (stride, padding, dilation)), groups]
        weight, bias = fuse_batchnorm(weight, bias, step.norm)
        return _marked(Conv.apply(inputs, weight, bias, geometry, step.activation, self.dtype), step)


def fuse_batchnorm(weight, bias, norm):
    """Weight and bias of a convolution with the BatchNorm after it (its arguments) folded in; differentiable."""
    if norm is None:
        return weight, bias
    scale = torch.rsqrt(norm["running_var"] + norm["eps"])
    scale = scale if norm["weight"] is None else scale * norm["weight"]
    shift = -norm["running_mean"] * scale
    shift = shift if norm["bias"] is None else shift + norm["bias"]
    shift = shift if bias is None else shift + bias * scale
    return weight * scale[:, None, None, None], shift


def _skip(func, inputs, *args, **kwargs):
    """`func`, unless it is the next thing that the convolution before has done; each thing is passed over once."""
    kind = "norm" if func is functional.batch_norm else "activation"
    done = getattr(inputs, "done", [])
    if done[:1] != [kind]:
        return func(inputs, *args, **kwargs)
    done.pop(0)
    return inputs


def _marked(output, step):
    output.done = ["norm"] * bool(step.norm) + ["activation"] * (step.activation != NOTHING)
    return output


def _tensors(values):
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, dict):
        yield from _tensors(list(values.values()))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)


def _conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return input, weight, bias, stride, padding, dilation, groups


def _batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    return {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias, "eps": eps}


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)
