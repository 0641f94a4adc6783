"""ft_model.pt: what is written is what is read, and nothing in it is executed."""

import pickle
import re
from copy import deepcopy

import pytest
import torch

from graft.common.errors import UserError
from graft.common.outputs import write_torch
from graft.config.schema import read_schema
from graft.networks import network
from graft.networks.backbones import build
from graft.training.loop import set_train

SPEC = {
    "library": "timm",
    "architecture": "tf_efficientnet_lite0",
    "modality": "image",
    "width": 1280,
    "weights_sha256": "0" * 64,
    "preprocessing": {"size": 32},
}
FACTS = {
    "name": "a.b.full",
    "seed": 0,
    "method": "full",
    "dataset": "d",
    "targets": {"t": {"kind": "classification", "classes": ["x", "y", "z"], "temperature": 1.5}},
    "fold_heads": {},
}


class Plain(torch.nn.Identity):
    width, modality, spec = 4, "vector", {"weights_sha256": "0"}


def model():
    torch.manual_seed(0)
    return network.Network(build(SPEC), {"t": 3}).eval()


def test_a_model_that_was_written_and_read_gives_the_same_logits(tmp_path):
    original = model()
    write_torch(tmp_path / "ft_model.pt", network.to_dict(original, **FACTS, frozen=False))
    again = network.from_dict(network.load(tmp_path / "ft_model.pt"))
    inputs = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(original(inputs)["t"], again(inputs)["t"])


def allowed_names():
    """What torch's containers have as attributes, and a config allows as the name of a target; and a few more."""
    pattern = read_schema()["$defs"]["name"]["pattern"]
    names = [name for name in dir(torch.nn.ModuleDict()) if re.search(pattern, name)]
    assert {"type", "train", "forward", "keys", "training", "items"} <= set(names)
    return [*names, "weight", "bias", "heads", "backbone", "0", "a-b", "class"]


def test_a_target_may_have_any_name_that_the_schema_allows(tmp_path):
    torch.manual_seed(0)
    names = allowed_names()
    original = network.Network(Plain(), {name: 1 + i % 3 for i, name in enumerate(names)})
    for i, name in enumerate(names):
        original.set_head(name, torch.full((1 + i % 3, 4), float(i)), torch.zeros(1 + i % 3))
    set_train(original, True)
    assert {f"heads.{name}.weight" for name in names} < set(original.state_dict())
    assert {p for p, _ in original.named_parameters()} == set(original.state_dict())
    again = network.Network(Plain(), network.heads_of(original.state_dict()))
    again.load_state_dict(original.state_dict(), strict=True)
    for model in (again, torch.compile(again, backend="eager"), deepcopy(again)):
        answers = model(torch.ones(1, 4))
        assert {name: answers[name].detach().unique().tolist() for name in names} == {
            name: [4.0 * i] for i, name in enumerate(names)
        }


def test_models_of_earlier_versions_still_load():
    """Their heads were in torch's own container."""
    old = model()
    state = {key: value for key, value in old.state_dict().items() if key.startswith("backbone.")}
    heads = torch.nn.ModuleDict({"heads": torch.nn.ModuleDict({"t": torch.nn.Linear(1280, 3)})}).state_dict()
    content = {"backbone": SPEC, "state_dict": state | heads}
    assert torch.equal(network.from_dict(content).heads["t"].weight, heads["heads.t.weight"])


def test_equal_models_are_equal_bytes_whatever_the_file_is_called(tmp_path):
    for name in ("one.pt", "another.pt"):
        write_torch(tmp_path / name, network.to_dict(model(), **FACTS, frozen=False))
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "another.pt").read_bytes()


def test_a_frozen_model_keeps_the_digest_of_its_pretrained_weights_and_a_trained_one_has_its_own():
    assert network.to_dict(model(), **FACTS, frozen=True)["digests"]["backbone"] == SPEC["weights_sha256"]
    assert network.to_dict(model(), **FACTS, frozen=False)["digests"]["backbone"] != SPEC["weights_sha256"]


def test_one_changed_weight_is_another_model():
    first, second = model(), model()
    with torch.no_grad():
        second.heads["t"].bias[0] += 1e-6
    digests = [network.to_dict(one, **FACTS, frozen=False)["digests"] for one in (first, second)]
    assert digests[0]["model"] != digests[1]["model"] and digests[0]["backbone"] == digests[1]["backbone"]


def test_heads_are_float32_where_the_rest_runs_in_bfloat16():
    torch.manual_seed(0)
    spec = {"library": "vectors", "architecture": "identity", "modality": "vector", "width": 32, "preprocessing": {}}
    regressor, rows = network.Network(build(spec), {"y": 1}).eval(), torch.randn(200, 32)
    wanted = rows.double() @ regressor.heads["y"].weight.double().T + regressor.heads["y"].bias.double()
    with torch.autocast("cpu", torch.bfloat16):
        found = regressor(rows)["y"]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), wanted, atol=1e-6, rtol=1e-6)


class Bomb:
    def __reduce__(self):
        return (exec, ("import pathlib; pathlib.Path('executed').touch()",))


def test_a_file_that_carries_code_is_refused_and_not_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": 1, "bomb": Bomb()}, tmp_path / "model.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Bomb()))
    for name in ("model.pt", "plain.pt"):
        with pytest.raises(UserError, match="cannot be read"):
            network.load(tmp_path / name)
    assert not (tmp_path / "executed").exists()


def test_another_format_is_refused(tmp_path):
    torch.save({"format": 99}, tmp_path / "model.pt")
    with pytest.raises(UserError, match="format"):
        network.load(tmp_path / "model.pt")


def test_the_head_that_was_solved_is_the_head_that_answers():
    one = model()
    one.set_head("t", torch.ones(3, 1280), torch.arange(3.0))
    with torch.no_grad():
        embedding = one.backbone(torch.zeros(1, 3, 32, 32))
        assert torch.allclose(one(torch.zeros(1, 3, 32, 32))["t"], embedding.sum() + torch.arange(3.0), atol=1e-3)


def test_dropout_of_the_embedding_is_for_training_only():
    torch.manual_seed(0)
    one = network.Network(Plain(), {"t": 2}, dropout=0.25)
    one.set_head("t", [[1, 0, 0, 0], [0, 1, 0, 0]], [0, 0])
    trained = one.train()(torch.ones(4000, 4))["t"]
    assert sorted(trained.unique().tolist()) == pytest.approx([0, 1 / 0.75])
    assert float((trained == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert (one.eval()(torch.ones(9, 4))["t"] == 1).all()
