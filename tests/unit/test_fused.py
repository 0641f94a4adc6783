"""What a CPU does at once or in another way: the same outputs and the same gradients, to rounding."""

from contextlib import nullcontext

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional

from graft.training import cpu_kernels
from graft.training.cpu_kernels import fused
from graft.training.cpu_kernels.dropout import dropout, plain_attention
from processor import needs_bf16

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def same_networks():
    """Whatever ran before: of other weights, one in four has an activation so near its kink that rounding moves it across."""
    torch.manual_seed(0)


def with_statistics(network):
    """Random BatchNorm statistics and weights, so that folding them matters."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for values in (module.running_var, module.weight.data):
                values.uniform_(0.5, 1.5)
            for values in (module.running_mean, module.bias.data):
                values.normal_(0, 0.1)
    return network.eval().to(memory_format=torch.channels_last)


def run_forward(network, images, precision):
    """As between the epochs of a training."""
    running = cpu_kernels.training(network, images[:1], CPU, precision, True)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"), running():
        return network(images).float()


def gradients(network, images, precision, fuse):
    """Of every parameter and of the images, in the training mode of frozen BatchNorm."""
    images = images.clone().requires_grad_()
    network.zero_grad()
    running = cpu_kernels.training(network, images[:1].detach(), CPU, precision, True) if fuse else nullcontext
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"), running():
        network(images).float().pow(2).mean().backward()
    return [images.grad, *(parameter.grad for parameter in network.parameters())]


NETWORKS = {
    "lite0": lambda: timm.create_model("tf_efficientnet_lite0", num_classes=0),
    "convnext": lambda: timm.create_model("convnext_atto", num_classes=0),
    "resnet18": lambda: torchvision.models.resnet18(num_classes=3),
    "mobilenet": lambda: torchvision.models.mobilenet_v3_small(num_classes=3),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [64, 75])
def test_judging_gives_what_the_network_gives(name, size):
    network, images = with_statistics(NETWORKS[name]()), torch.randn(2, 3, size, size)
    with torch.inference_mode():
        exact = network(images)
    torch.testing.assert_close(run_forward(network, images, "fp32"), exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_fused_training_gives_the_same_gradients(name):
    network, images = with_statistics(NETWORKS[name]()), torch.randn(2, 3, 64, 64)
    exact = gradients(network, images, "fp32", fuse=False)
    for got, wanted in zip(gradients(network, images, "fp32", fuse=True), exact, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))


@needs_bf16
@pytest.mark.parametrize("name", NETWORKS)
def test_fused_training_in_bfloat16_gives_float32_gradients(name):
    network, images = with_statistics(NETWORKS[name]()), torch.randn(2, 3, 64, 64)
    assert all(got.dtype == torch.float32 for got in gradients(network, images, "bf16", fuse=True))


@needs_bf16
@pytest.mark.parametrize(
    ("kernel", "stride", "bias"), [(3, 1, False), (3, 2, True), (5, 1, True), (5, 2, False), (7, 1, 1)]
)
def test_depthwise_gradients_in_bfloat16_agree_with_float32(kernel, stride, bias):
    torch.manual_seed(0)
    depthwise = nn.Conv2d(8, 8, kernel, stride, kernel // 2, groups=8, bias=bool(bias))
    network = nn.Sequential(nn.Conv2d(3, 8, 1), depthwise)
    images = torch.randn(2, 3, 12, 12)
    exact = gradients(network, images, "fp32", fuse=False)
    for got, wanted in zip(gradients(network, images, "bf16", fuse=True), exact, strict=True):
        assert got.dtype == wanted.dtype
        assert functional.cosine_similarity(got.flatten(), wanted.flatten(), 0) > 0.999


def test_every_batchnorm_and_activation_of_a_network_is_found():
    network = NETWORKS["lite0"]()
    found = fused.trace(network, torch.randn(1, 3, 64, 64))
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert sum(step.norm is not None for step in found.values()) == norms == 49
    assert sum(step.activation == ("hardtanh", (0.0, 6.0)) for step in found.values()) == 33


class Branch(nn.Module):
    """The convolution's result is read twice: by BatchNorm, and by the sum."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, images):
        values = self.conv(images)
        return (values + functional.relu(self.norm(values))).flatten(1)


class Twice(nn.Module):
    """One convolution used twice, with a BatchNorm after its second use alone."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, images):
        return self.norm(self.conv(self.conv(images))).flatten(1)


class NormAfterNorm(nn.Module):
    """A block that ends with BatchNorm and ReLU before one that begins with them, as in pre-activation networks."""

    def __init__(self):
        super().__init__()
        self.conv, self.norms = nn.Conv2d(3, 3, 3, padding=1), nn.ModuleList(nn.BatchNorm2d(3) for _ in range(2))

    def forward(self, images):
        values = functional.silu(self.norms[0](self.conv(images)))
        return functional.silu(self.norms[1](values)).flatten(1)


def test_what_a_convolution_has_done_is_passed_over_once():
    network, images = with_statistics(NormAfterNorm()), torch.randn(2, 3, 8, 8)
    wanted = network(images).detach()
    torch.testing.assert_close(run_forward(network, images, "fp32"), wanted, rtol=1e-4, atol=1e-5)
    with cpu_kernels.training(network, images[:1], CPU, "fp32", True)():
        torch.testing.assert_close(network(images).detach(), wanted, rtol=1e-4, atol=1e-5)


def test_other_devices_train_in_torchs_own_way():
    assert cpu_kernels.training(NETWORKS["resnet18"](), None, torch.device("meta"), "bf16", True) is nullcontext


@pytest.mark.parametrize("kind", [Branch, Twice])
def test_what_is_read_elsewhere_or_shared_is_left_alone(kind):
    network, images = with_statistics(kind()), torch.randn(2, 3, 8, 8)
    assert all(step == fused.Step() for step in fused.trace(network, images[:1]).values())
    torch.testing.assert_close(run_forward(network, images, "fp32"), network(images).detach(), rtol=1e-4, atol=1e-5)


def test_a_trace_changes_nothing_in_the_network():
    network = NETWORKS["resnet18"]().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fused.trace(network, torch.randn(1, 3, 64, 64))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(module.training for module in network.modules())


def test_a_batchnorm_that_is_not_frozen_keeps_its_batch_statistics():
    network, images = NETWORKS["resnet18"]().train(), torch.randn(4, 3, 64, 64)
    wanted = network(images).detach()
    moved = network.bn1.running_mean.clone()
    network.bn1.reset_running_stats()
    with cpu_kernels.training(network, images[:1], CPU, "fp32", False)():
        found = network(images).detach()
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(network.bn1.running_mean, moved)


def test_dropout_drops_the_share_it_is_asked_for_and_keeps_the_mean():
    """26/256, as a byte per element gave for 0.1, is seven standard deviations away."""
    torch.manual_seed(0)
    ones = torch.ones(3000, 1001, requires_grad=True)
    dropped, deviation = dropout(ones, 0.1), (0.1 * 0.9 / ones.numel()) ** 0.5
    assert abs(float((dropped == 0).double().mean()) - 0.1) < 3 * deviation
    assert abs(float(dropped.detach().double().mean()) - 1) < 3 * deviation / 0.9
    assert dropped.detach().unique().tolist() == pytest.approx([0, 1 / 0.9], abs=1e-4)
    dropped.sum().backward()
    assert torch.equal(ones.grad, dropped.detach())
    assert dropout(ones, 0.1, training=False) is ones


def test_dropout_is_a_function_of_torchs_seed():
    def drawn():
        torch.manual_seed(3)
        return dropout(torch.ones(50, 7), 0.5)

    assert torch.equal(drawn(), drawn())
    assert not torch.equal(dropout(torch.ones(50, 7), 0.5), drawn())


@pytest.mark.parametrize("mask", ["none", "boolean", "added"])
def test_plain_attention_is_torchs_attention(mask):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 9, 8).unbind(0)
    seen = torch.arange(9) < torch.tensor([9, 5])[:, None, None, None]
    masks = {"none": None, "boolean": seen, "added": torch.zeros(seen.shape).masked_fill(~seen, -torch.inf)}
    wanted = functional.scaled_dot_product_attention(query, key, value, masks[mask])
    torch.testing.assert_close(plain_attention(query, key, value, masks[mask]), wanted)
    scaled = functional.scaled_dot_product_attention(query, key, value, masks[mask], scale=0.7)
    torch.testing.assert_close(plain_attention(query, key, value, masks[mask], scale=0.7), scaled)
    causal = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(plain_attention(query, key, value, is_causal=True), causal)
    torch.manual_seed(1)
    dropped = functional.scaled_dot_product_attention(query, key, value, masks[mask], dropout_p=0.5)
    torch.manual_seed(1)
    assert torch.equal(plain_attention(query, key, value, masks[mask], dropout_p=0.5), dropped)
