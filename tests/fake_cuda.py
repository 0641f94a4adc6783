"""A CUDA device that is not there: what would make a GPU wait, seen on a machine without one.

Inside `on_fake_cuda()` tensors on "cuda" have shapes, types and a device, and no values (torch's FakeTensorMode). So a tensor that was
left on the CPU is an error at the line where it meets one on the GPU, and so is `.item()`. `Watch` counts what waits for the GPU, by
the line that asked: copies without `non_blocking`, copies from or to memory that is not pinned, and indices on the CPU into tensors on
the GPU (each is copied there, waiting).

The backward pass does not run (autograd's engine asks the driver): a test of the loop replaces it. Parameters must be made on the
device: `module.to("cuda")` swaps tensors.
"""

import collections
import traceback
from contextlib import contextmanager

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

NUMPY = torch.Tensor.numpy
PINNED = []  # what was pinned; kept alive, so that ids stay


@contextmanager
def on_fake_cuda(monkeypatch):
    """The mode, with torch.cuda told that there is one device of compute capability 9.0."""
    torch._C._ensureCUDADeviceGuardSet()  # a guard that does nothing stands in for the driver's
    monkeypatch.setattr(FakeTensorMode, "avoid_device_init", property(lambda self: True))
    mode = FakeTensorMode(allow_non_fake_inputs=True)  # made before torch.cuda is told
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (9, 0))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    monkeypatch.setattr(torch.cuda, "Event", _Event)
    monkeypatch.setattr(torch.Tensor, "pin_memory", _pinned)
    monkeypatch.setattr(torch.Tensor, "numpy", _values)
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size, pin_memory=False, **kinds: _pinned(empty(*size, **kinds)) if pin_memory else empty(*size, **kinds))  # fmt: skip
    PINNED.clear()
    with mode:
        yield mode


class _Event:
    """What a GPU has done; here nothing is ever done."""

    waited = 0

    def record(self):
        pass

    def synchronize(self):
        _Event.waited += 1


def _values(tensor, **_):
    """Of a tensor without values zeros."""
    return np.zeros(tensor.shape, np.float32) if isinstance(tensor, FakeTensor) else NUMPY(tensor)


def _pinned(tensor, *_, **__):
    PINNED.append(tensor.view(tensor.shape) if isinstance(tensor, FakeTensor) else torch.from_numpy(NUMPY(tensor)))
    return PINNED[-1]


def _is_pinned(tensor):
    return any(tensor is one for one in PINNED)


class Watch(TorchDispatchMode):
    """Counts waiting copies between devices: `copies`, by (from -> to, file:line of the innermost line under `root`)."""

    def __init__(self, root):
        super().__init__()
        self.root, self.copies = str(root), collections.Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if isinstance(out, torch.Tensor) and args and isinstance(args[0], torch.Tensor):
            self._look(func, args, kwargs, out)
        return out

    def _look(self, func, args, kwargs, out):
        source, target, asked = None, out, False
        if func is torch.ops.aten._to_copy.default:
            source, asked = args[0], kwargs.get("non_blocking")
        elif func is torch.ops.aten.copy_.default:
            source, target, asked = args[1], args[0], kwargs.get("non_blocking") or (len(args) > 2 and args[2])
        elif func is torch.ops.aten.index.Tensor and args[0].device.type == "cuda":
            on_cpu = [index for index in args[1] if index is not None and index.device.type == "cpu"]
            source, target = (on_cpu or [None])[0], args[0]
        if source is None or source.device.type == target.device.type:
            return
        here = source if source.device.type == "cpu" else target
        if not asked or not _is_pinned(here):
            frames = [one for one in traceback.extract_stack() if self.root in one.filename]
            where = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else "?"
            self.copies[f"{source.device.type} -> {target.device.type}", where] += 1


def to_fake_cuda(module):
    """Replace a module's parameters and buffers by ones without values on the device (inside the mode); the module."""
    for part in module.modules():
        for name, value in list(part._parameters.items()):
            if value is not None:
                part._parameters[name] = torch.nn.Parameter(torch.empty(value.shape, dtype=value.dtype, device="cuda"))
        for name, value in list(part._buffers.items()):
            if value is not None:
                part._buffers[name] = torch.empty(value.shape, dtype=value.dtype, device="cuda")
    return module
