"""Convolutions that bfloat16 serves badly, and in what they run instead.

Depthwise ones are thin: each output sums a handful of products, so that rounding does not average out. Embeddings of
EfficientNet-Lite0 come within cosine 0.995 of float32 when everything is rounded, within 0.9993 when thin convolutions
(the stem too) stay in float32 (20 ELPV images at 224 px). So they do, whenever a network is only run forward.

For training the noise does no harm, and their forward is in bfloat16, but not their backward.
The bfloat16 backward of strided and 5 x 5 depthwise convolutions takes up to ten times as long as the float32 one on a
CPU (torch 2.15: 331 against 32 ms for 144 channels at 56 x 56, batch 32). All other layers gain from bfloat16, so
training EfficientNet-Lite0 at 224 px goes at 45-50 instead of 18-20 images per second on two cores.
"""

from contextlib import nullcontext

import torch
from torch.overrides import TorchFunctionMode

THIN = 4  # input channels per group: 1 in a depthwise convolution, 3 in the stem of a colour network


class _Conv(torch.autograd.Function):
    """A convolution in bfloat16 whose gradients are computed in float32."""

    @staticmethod
    def forward(ctx, inputs, weight, bias, stride, padding, dilation, groups):
        ctx.save_for_backward(inputs, weight)
        ctx.geometry, ctx.biased = (stride, padding, dilation, groups), bias is not None
        return torch.conv2d(*_to(torch.bfloat16, inputs, weight, bias), stride, padding, dilation, groups)

    @staticmethod
    def backward(ctx, gradient):
        inputs, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.geometry
        wanted = [*ctx.needs_input_grad[:2], ctx.biased]
        gradients = torch.ops.aten.convolution_backward(
            *_to(torch.float32, gradient, inputs, weight),
            [weight.shape[0]] if ctx.biased else None,
            *(stride, padding, dilation, False, [0, 0], groups, wanted),
        )
        to_inputs = gradients[0].to(inputs.dtype) if wanted[0] else None
        return to_inputs, gradients[1], gradients[2], None, None, None, None


class ForwardInFp32(TorchFunctionMode):
    """While this is on, thin convolutions run in float32 though autocast is on."""

    def __init__(self, device_type):
        super().__init__()
        self.device_type = device_type

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.conv2d and torch.is_autocast_enabled(self.device_type):
            inputs, weight, bias, *geometry = _conv2d(*args, **(kwargs or {}))
            if weight.shape[1] <= THIN:
                with torch.autocast(self.device_type, enabled=False):
                    return func(*_to(torch.float32, inputs, weight, bias), *geometry)
        return func(*args, **(kwargs or {}))


class BackwardInFp32(TorchFunctionMode):
    """While this is on, depthwise convolutions that autocast would run in bfloat16 get their gradients in float32."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.conv2d and torch.is_autocast_enabled("cpu"):
            inputs, weight, bias, stride, padding, dilation, groups = _conv2d(*args, **(kwargs or {}))
            if groups == inputs.shape[1] > 1 and not isinstance(padding, str):
                return _Conv.apply(inputs, weight, bias, *map(_pair, (stride, padding, dilation)), groups)
        return func(*args, **(kwargs or {}))


def fast_depthwise(device, precision):
    """The context for training in `precision` on `device`."""
    return BackwardInFp32() if device.type == "cpu" and precision == "bf16" else nullcontext()


def _conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return input, weight, bias, stride, padding, dilation, groups


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def _to(dtype, *tensors):
    return [None if tensor is None else tensor.to(dtype) for tensor in tensors]
