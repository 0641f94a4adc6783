"""One convolution on a CPU: in which number format it runs, how its gradients are computed, what runs along with it.

Training in bfloat16 does so everywhere, except where oneDNN has no fast gradient for it: those of strided and of 5 x 5 depthwise
convolutions take up to ten times as long as in float32 (torch 2.15).
"""

import torch
import torch.nn.functional as functional

# What oneDNN applies to a result before writing it, and the same in two steps where it is missing.
AFTERWARDS = {
    "none": lambda values: values,
    "relu": functional.relu,
    "hardtanh": functional.hardtanh,
    "swish": functional.silu,
    "hardswish": functional.hardswish,
}


def convolve(inputs, weight, bias, stride, padding, dilation, groups, activation=("none", ())):
    """A convolution and what follows it, in the format of its arguments; no gradients.

    Parameters
    ----------
    activation : name in AFTERWARDS, and its numbers
    """
    name, numbers = activation
    if not _has_fused_op():
        return AFTERWARDS[name](functional.conv2d(inputs, weight, bias, stride, padding, dilation, groups), *numbers)
    return torch.ops.mkldnn._convolution_pointwise(
        inputs, weight, bias, list(padding), list(stride), list(dilation), groups, name, list(numbers), ""
    )


class Conv(torch.autograd.Function):
    """`convolve` in `dtype`, with gradients; the activation must be one whose gradient its output gives."""

    @staticmethod
    def forward(ctx, inputs, weight, bias, geometry, activation, dtype):
        inputs_as, weight_as = inputs.to(dtype), weight.to(dtype)
        output = convolve(inputs_as, weight_as, None if bias is None else bias.to(dtype), *geometry, activation)
        ctx.save_for_backward(inputs_as, weight_as, output if activation[0] != "none" else None)
        ctx.geometry, ctx.activation, ctx.biased = geometry, activation, bias is not None
        ctx.formats = inputs.dtype, weight.dtype
        return output

    @staticmethod
    def backward(ctx, gradient):
        inputs, weight, output = ctx.saved_tensors
        gradient = _before_activation(gradient.to(inputs.dtype), output, *ctx.activation)
        wanted = [*ctx.needs_input_grad[:2], ctx.biased and ctx.needs_input_grad[2]]
        to_inputs, to_weight, to_bias = gradients(gradient, inputs, weight, ctx.geometry, wanted)
        of_inputs, of_weight = ctx.formats
        return (
            to_inputs.to(of_inputs) if wanted[0] else None,
            to_weight.to(of_weight) if wanted[1] else None,
            to_bias.to(of_weight) if wanted[2] else None,
            *(None, None, None),
        )


def gradients(gradient, inputs, weight, geometry, wanted):
    """Gradients to inputs, weight and bias of a convolution, those that are `wanted` (three booleans)."""
    stride, padding, dilation, groups = geometry
    if groups == 1 or weight.shape[1] > 1 or gradient.dtype == torch.float32:
        return _plain_gradients(gradient, inputs, weight, geometry, wanted)
    to_inputs = None
    if wanted[0] and _keeps_size(weight, geometry):
        # The gradient of a depthwise convolution that keeps the size is the same with the kernel turned around.
        to_inputs = functional.conv2d(gradient, weight.flip(2, 3), None, stride, padding, dilation, groups)
    elif wanted[0]:
        to_inputs = _plain_gradients(gradient.float(), inputs.float(), weight.float(), geometry, [True, False, False])[
            0
        ]
    return to_inputs, *_in_windows(gradient, inputs, weight, geometry, wanted)


def _in_windows(gradient, inputs, weight, geometry, wanted):
    """Gradients to a depthwise weight and its bias, from windows of 3 x 3, for which oneDNN has fast bfloat16 code."""
    stride, padding, dilation, groups = geometry
    if max(weight.shape[2:]) <= 3 or dilation != (1, 1) or not wanted[1]:
        return _plain_gradients(gradient, inputs, weight, geometry, [False, *wanted[1:]])[1:]
    inputs = functional.pad(inputs, (padding[1], padding[1], padding[0], padding[0]))
    to_weight, to_bias = torch.zeros(weight.shape, dtype=torch.float32), None
    for top, height in _windows(weight.shape[2]):
        for left, width in _windows(weight.shape[3]):
            rows = slice(top, top + stride[0] * (gradient.shape[2] - 1) + height)
            columns = slice(left, left + stride[1] * (gradient.shape[3] - 1) + width)
            window = weight[:, :, top : top + height, left : left + width].contiguous()
            place, first = (stride, (0, 0), dilation, groups), wanted[2] and to_bias is None
            found = _plain_gradients(gradient, inputs[:, :, rows, columns], window, place, [False, True, first])
            to_weight[:, :, top : top + height, left : left + width] = found[1]
            to_bias = found[2] if first else to_bias
    return to_weight, to_bias


def _windows(size):
    """Starts and sizes, at most 3, of windows over a kernel's side; the last ones may overlap."""
    return [(start, min(3, size - start)) for start in range(0, max(1, size - 1), 2)]


def _plain_gradients(gradient, inputs, weight, geometry, wanted):
    stride, padding, dilation, groups = geometry
    sizes = [weight.shape[0]] if wanted[2] else None
    return torch.ops.aten.convolution_backward(
        gradient, inputs, weight, sizes, stride, padding, dilation, False, [0, 0], groups, wanted
    )


def _keeps_size(weight, geometry):
    stride, padding, dilation, groups = geometry
    same = all(2 * p == d * (k - 1) for p, d, k in zip(padding, dilation, weight.shape[2:], strict=True))
    return same and set(stride) == {1} and weight.shape[0] == groups


def _before_activation(gradient, output, name, numbers):
    if name == "relu":
        return torch.ops.aten.threshold_backward(gradient, output, 0)
    if name == "hardtanh":
        return torch.ops.aten.hardtanh_backward(gradient, output, *numbers)
    return gradient


def _has_fused_op():
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
