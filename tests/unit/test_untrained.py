"""The untrained twin of a backbone: the same network in everything but its weights."""

import pytest
import torch

from assets import backbone
from graft.common.outputs import read_json
from graft.config.plan import UNTRAINED, make_plan, untrained_twins
from graft.fetch.untrained import write_twin
from graft.networks import backbones

ENTRY = {"library": "any", "source": {"untrained": "base"}}


def twin(name, folder):
    base = backbone(name)
    write_twin(f"{name}{UNTRAINED}", base / "backbone.json", ENTRY, folder)
    return base, folder


@pytest.mark.parametrize("name", ["effnet-lite0", "minilm"])
def test_it_has_the_architecture_and_inputs_of_its_base_and_other_weights(name, tmp_path):
    base, made = twin(name, tmp_path / "twin")
    own, other = (read_json(folder / "backbone.json") for folder in (base, made))
    same = {key for key in own if own[key] == other.get(key)}
    assert {"library", "architecture", "width", "preprocessing", "modality", "parameters"} <= same
    assert other["source"] == {"untrained": name} and own["weights_sha256"] != other["weights_sha256"]
    trained, random = (backbones.load(folder).state_dict() for folder in (base, made))
    assert trained.keys() == random.keys()
    matrices = [key for key in trained if trained[key].ndim > 1]
    assert not any(torch.equal(trained[key], random[key]) for key in matrices)
    assert all(torch.isfinite(tensor).all() for tensor in random.values() if tensor.is_floating_point())


def test_it_is_the_same_every_time_and_made_once(tmp_path):
    _, one = twin("effnet-lite0", tmp_path / "one")
    torch.manual_seed(7)
    _, other = twin("effnet-lite0", tmp_path / "other")
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    before = (one / "backbone.json").stat().st_mtime_ns
    twin("effnet-lite0", tmp_path / "one")
    assert (one / "backbone.json").stat().st_mtime_ns == before


def test_its_tokenizer_is_that_of_its_base(tmp_path):
    base, made = twin("minilm", tmp_path / "twin")
    text = "Transfer learning on scientific data"
    assert backbones.tokenizer(made)(text)["input_ids"] == backbones.tokenizer(base)(text)["input_ids"]
    assert (made / "words.json").read_bytes() == (base / "words.json").read_bytes()


def test_only_networks_that_were_trained_have_one_and_a_users_own_of_that_name_stays():
    own = {"library": "timm", "source": {"hub": "x"}}
    found = untrained_twins(
        {"vectors": {"library": "vectors"}, "random": {"library": "timm", "source": {"random": True}}, "a": own}
    )
    assert found == {"a-untrained": {**own, "source": {"untrained": "a"}}}
    config = {"datasets": {}, "backbones": {"a": own, "a-untrained": own}}
    assert make_plan(config).backbones["a-untrained"]["source"] == {"hub": "x"}
