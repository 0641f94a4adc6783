"""A checkpoint of a lab's own training is taken in every usual form, and what is left out of it is said."""

import io
import logging

import pytest
import timm
import torch
from safetensors.torch import load_file
from torchvision.models import resnet18
from transformers import BertModel

import assets
from graft.common.errors import UserError
from graft.common.outputs import read_json
from graft.fetch.backbones import fetch_backbone
from graft.networks import backbones
from loopback import serve

LITE0 = {"library": "timm", "architecture": "tf_efficientnet_lite0", "input_size": 64}


@pytest.fixture(scope="module")
def lite0():
    """The real EfficientNet-Lite0 under timm's names, with a head of seven classes of one's own."""
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=7)
    state = load_file(assets.backbone("effnet-lite0") / "model.safetensors")
    return state | {name: value for name, value in network.state_dict().items() if name.startswith("classifier.")}


def saved(content):
    data = io.BytesIO()
    torch.save(content, data)
    return data.getvalue()


def prefixed(state, *prefixes):
    for prefix in prefixes:
        state = {prefix + name: tensor for name, tensor in state.items()}
    return state


def fetched(tmp_path, data, name="mine.pt", **entry):
    (tmp_path / name).write_bytes(data)
    fetch_backbone("x", {**entry, "source": {"path": str(tmp_path / name)}}, tmp_path / "out/x", tmp_path / "lock.json")
    return load_file(tmp_path / "out/x/model.safetensors")


def under(name, state, head):
    """The backbone below `name`, a head of one's own beside it."""
    trunk = {key: one for key, one in state.items() if not key.startswith("classifier.")}
    return {**prefixed(trunk, name), **head}


HEAD = {"head.0.weight": torch.zeros(16, 1280), "head.2.bias": torch.zeros(7), "loss.weight": torch.zeros(7)}
FORMS = {
    "plain": lambda state: state,
    "module": lambda state: {"state_dict": prefixed(state, "module."), "epoch": 3},
    "compiled": lambda state: {"model": prefixed(state, "module.", "_orig_mod.")},
    "lightning": lambda state: {
        "state_dict": under("model.backbone.", state, prefixed(HEAD, "model.")),
        "pytorch-lightning_version": "2.4.0",
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
    },
    "nested": lambda state: {"model": {"model_state_dict": under("encoder.", state, HEAD)}, "step": torch.tensor(5)},
    "unknown wrapper": lambda state: {
        "net": under("trunk.", state, HEAD),
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}},
        "epoch": 9,
    },
    "own head in place": lambda state: {
        **under("", state, {}),
        "classifier.1.weight": torch.zeros(3, 1280),
        "classifier.1.bias": torch.zeros(3),
        "projector.weight": torch.zeros(4, 4),
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_checkpoint_gives_the_same_weights(tmp_path, lite0, form):
    found = fetched(tmp_path, saved(FORMS[form](lite0)), **LITE0)
    assert found.keys() == {name for name in lite0 if not name.startswith("classifier.")}
    assert all(torch.equal(tensor, lite0[name]) for name, tensor in found.items())


@pytest.mark.parametrize("name", ["last.ckpt", "model_best.pth.tar"])
def test_the_names_that_trainings_give_are_found_in_a_folder_and_at_a_url(tmp_path, lite0, name):
    with serve({f"/{name}": saved({"state_dict": prefixed(lite0, "module.")})}) as server:
        entry = {**LITE0, "source": {"url": f"{server.url}/{name}"}}
        fetch_backbone("x", entry, tmp_path / "out/x", tmp_path / "lock.json")
    assert torch.equal(load_file(tmp_path / "out/x/model.safetensors")["conv_stem.weight"], lite0["conv_stem.weight"])


def test_what_is_taken_off_and_left_out_is_said(tmp_path, lite0, caplog):
    with caplog.at_level(logging.INFO, logger="graft"):
        fetched(tmp_path, saved(FORMS["lightning"](lite0)), **LITE0)
    assert "the prefix 'model.backbone.' of the checkpoint's names is taken off" in caplog.text
    assert "left out of the checkpoint, as no part of the embedding: model.head.0.weight (16, 1280)" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="graft"):
        fetched(tmp_path / "..", saved(FORMS["plain"](lite0)), name=f"{tmp_path.name}.pt", **{**LITE0, "crop": 0.9})
    assert "prefix" not in caplog.text and "classifier.weight (7, 1280), classifier.bias (7,)" in caplog.text


def test_a_torchvision_network_of_ones_own_gives_its_own_features(tmp_path):
    torch.manual_seed(0)
    network = resnet18(num_classes=4).eval()
    network.fc = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(512, 4))
    content = {"model_state_dict": prefixed(network.state_dict(), "backbone.", "module.")}
    fetched(tmp_path, saved(content), library="torchvision", architecture="resnet18", input_size=64)
    network.fc, images = torch.nn.Identity(), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(backbones.load(tmp_path / "out/x")(images), network.eval()(images), atol=1e-5)


@torch.no_grad()
def test_a_text_network_of_ones_own_gives_its_own_embedding(tmp_path, caplog):
    folder = assets.backbone("minilm")
    spec, words = read_json(folder / "backbone.json"), backbones.tokenizer(folder)
    trunk = load_file(folder / "model.safetensors")
    state = prefixed(trunk, "bert.", "encoder.", "model.") | {"model.classifier.weight": torch.zeros(3, 384)}
    (tmp_path / "mine").mkdir()
    words.save_pretrained(tmp_path / "mine")
    (tmp_path / "mine/config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save({"state_dict": state, "epoch": 2}, tmp_path / "mine/last.ckpt")
    entry = {"library": "transformers", "source": {"path": str(tmp_path / "mine")}, "max_length": 128}
    with caplog.at_level(logging.INFO, logger="graft"):
        fetch_backbone("x", entry, tmp_path / "out/x", tmp_path / "lock.json")
    assert "'model.encoder.bert.'" in caplog.text and "model.classifier.weight (3, 384)" in caplog.text
    inputs = {"input_ids": torch.tensor([[101, 7592, 102]]), "attention_mask": torch.ones(1, 3, dtype=torch.int64)}
    reference = BertModel(backbones.build(spec).network.config, add_pooling_layer=False).eval()
    reference.load_state_dict(trunk)
    expected = reference(**inputs).last_hidden_state.mean(dim=1)
    assert torch.allclose(backbones.load(tmp_path / "out/x")(inputs), expected, atol=1e-5)


def refused(tmp_path, content, pattern, **entry):
    with pytest.raises(UserError, match=pattern) as caught:
        fetched(tmp_path, saved(content), **entry)
    assert not (tmp_path / "out/x").exists()
    return str(caught.value)


def test_two_networks_in_one_checkpoint_are_not_guessed_between(tmp_path, lite0):
    trunk = under("backbone.", lite0, {})
    content = {"student": trunk, "teacher": trunk, "epoch": 1}
    refused(tmp_path, content, r"holds the network 2 times, under student.backbone., teacher.backbone.", **LITE0)


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_a_checkpoint_of_another_architecture_is_refused_with_its_names_and_the_one_that_fits(tmp_path, library):
    other = timm.create_model("resnet34", num_classes=5) if library == "timm" else resnet18(num_classes=5)
    state = prefixed(other.state_dict(), "module.backbone.")
    message = refused(
        tmp_path, {"state_dict": state}, "problems", library=library, architecture="resnet50", input_size=64
    )
    assert "lacks layer1.0.conv3.weight" in message
    assert "layer1.0.conv1.weight (64, 64, 3, 3) instead of (64, 64, 1, 1)" in message
    fits = "resnet34" if library == "timm" else "resnet18"
    assert f"its tensors are those of {fits}" in message and f"`architecture: {fits}`" in message


def test_a_checkpoint_that_fits_no_architecture_gets_no_proposal(tmp_path):
    state = resnet18().state_dict() | {"layer9.0.weight": torch.zeros(3)}
    message = refused(tmp_path, state, "lacks, layer9.0.weight", library="torchvision", architecture="resnet18")
    assert "its tensors are" not in message


def test_a_network_that_was_pickled_whole_is_refused_and_the_way_out_said(tmp_path):
    message = refused(
        tmp_path, resnet18(), "does not run code from data", library="torchvision", architecture="resnet18"
    )
    assert "save its state_dict as safetensors" in message
