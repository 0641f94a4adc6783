"""Depthwise convolutions with a float32 backward: the same gradients, to the rounding of bfloat16."""

import pytest
import torch
from torch import nn

from graft.depthwise import BackwardInFp32


def gradients(network, inputs, bf16):
    inputs = inputs.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16), BackwardInFp32():
        network(inputs).float().pow(2).sum().backward()
    found = [inputs.grad, *(parameter.grad for parameter in network.parameters())]
    network.zero_grad()
    return found


@pytest.mark.parametrize(("kernel", "stride", "bias"), [(3, 1, False), (3, 2, True), (5, 2, False)])
def test_gradients_agree_with_float32(kernel, stride, bias):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, kernel, stride, kernel // 2, groups=8, bias=bias))
    inputs = torch.randn(2, 3, 12, 12)
    exact = gradients(network, inputs, bf16=False)
    for got, wanted in zip(gradients(network, inputs, bf16=True), exact, strict=True):
        assert got.dtype == wanted.dtype
        assert nn.functional.cosine_similarity(got.flatten(), wanted.flatten(), 0) > 0.999


def test_without_autocast_nothing_changes():
    torch.manual_seed(0)
    network = nn.Conv2d(4, 4, 3, groups=4)
    inputs = torch.randn(1, 4, 6, 6)
    with BackwardInFp32():
        inside = network(inputs)
    assert inside.dtype == torch.float32 and torch.equal(inside, network(inputs))


def test_convolutions_of_every_library_are_seen():
    """timm's own classes with TensorFlow's padding too."""
    import timm

    network = timm.create_model("tf_efficientnet_lite0", num_classes=0).train()
    with torch.autocast("cpu", torch.bfloat16), BackwardInFp32():
        output = network(torch.randn(2, 3, 64, 64))
    seen, waiting = set(), [output.grad_fn]
    found = 0
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            found += "_Conv" in node.name() and "Convolution" not in node.name()
            waiting += [parent for parent, _ in node.next_functions]
    assert found == 16  # one depthwise convolution per block


def test_the_float32_backward_is_what_runs(monkeypatch):
    seen = []
    plain = torch.ops.aten.convolution_backward
    monkeypatch.setattr(torch.ops.aten, "convolution_backward", lambda g, *a: seen.append(g.dtype) or plain(g, *a))
    gradients(nn.Conv2d(4, 4, 3, groups=4), torch.randn(1, 4, 6, 6), bf16=True)
    assert seen == [torch.float32]
