"""Checkpoints that are damaged, hostile or of another network are refused with the names that are wrong."""

import io
import json
import pickle

import pytest
import timm
import torch
from safetensors.torch import save
from transformers import BertConfig, BertModel

from graft.common.errors import UserError
from graft.common.outputs import read_json, write_json
from graft.fetch.backbones import fetch_backbone
from graft.networks import backbones

ENTRY = {"library": "timm", "architecture": "test_resnet"}


def fetched(tmp_path, data, name="model.safetensors", **entry):
    """Fetch a backbone from a file of these bytes; the folder."""
    (tmp_path / name).write_bytes(data)
    entry = {**ENTRY, "source": {"path": str(tmp_path / name)}, **entry}
    fetch_backbone("x", entry, tmp_path / "out/x", tmp_path / "lock.json")
    return tmp_path / "out/x"


def refused(tmp_path, pattern, *arguments, **entry):
    with pytest.raises(UserError, match=pattern) as caught:
        fetched(tmp_path, *arguments, **entry)
    assert not (tmp_path / "out/x").exists()
    return str(caught.value)


def torch_bytes(value):
    data = io.BytesIO()
    torch.save(value, data)
    return data.getvalue()


@pytest.fixture
def state():
    torch.manual_seed(0)
    return timm.create_model("test_resnet", pretrained=False).state_dict()


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, state, form):
    content, trap = {"state_dict": state, "trap": Bomb(tmp_path / "trap")}, tmp_path / "trap"
    data = io.BytesIO()
    if form == "pickle":
        pickle.dump({"trap": Bomb(trap)}, data)
    else:
        torch.save(content, data, _use_new_zipfile_serialization=form == "zip")
    message = refused(tmp_path, "does not run code", data.getvalue(), "model.pth")
    assert "weights_only" in message
    assert not trap.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-100],
        lambda data: data[:50],
        lambda data: b"",
        lambda data: data + b"trailing",
        lambda data: (2**40).to_bytes(8, "little") + data[8:],
        lambda data: b"<!doctype html>" + data,
    ],
)
def test_a_damaged_safetensors_file_is_refused(tmp_path, state, damage):
    refused(tmp_path, "not a whole safetensors file", damage(save(state)))


@pytest.mark.parametrize("damage", [lambda data: data[:-5000], lambda data: b"", lambda data: b"text" * 100])
def test_a_damaged_torch_file_is_refused(tmp_path, state, damage):
    refused(tmp_path, "checkpoint|does not run code", damage(torch_bytes(state)), "model.pth")


def test_a_torch_file_without_tensors_is_refused(tmp_path):
    refused(tmp_path, "no state dict", torch_bytes({"epoch": 3}), "model.pth")


def test_missing_extra_and_misshapen_tensors_are_shown_together(tmp_path, state):
    state["conv1.0.weight" if "conv1.0.weight" in state else "conv1.weight"] = torch.zeros(3)
    state.pop("layer1.0.bn1.weight")
    state["layer9.weight"] = torch.zeros(1)
    message = refused(tmp_path, "3 problems", save(state))
    assert all(name in message for name in ("conv1", "layer1.0.bn1.weight", "layer9.weight", "(3,) instead of"))


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path):
    other = timm.create_model("test_vit", pretrained=False).state_dict()
    refused(tmp_path, "problems", save(other))


def test_another_number_of_classes_is_no_matter(tmp_path):
    fetched(tmp_path, save(timm.create_model("test_resnet", pretrained=False, num_classes=7).state_dict()))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, state, value):
    state["layer1.0.bn1.weight"][0] = value
    refused(tmp_path, "NaN or infinity: layer1.0.bn1.weight", save(state))


def test_order_refuses_a_wrong_shape_and_a_wrong_count(tmp_path, state):
    renamed = {f"x{i}": tensor for i, tensor in enumerate(state.values())}
    short = dict(list(renamed.items())[:-3])
    refused(tmp_path, "tensors, the architecture", torch_bytes(short), "model.pth", match="order")
    names = list(renamed)
    renamed[names[0]] = torch.zeros(5)
    assert "x0 (5,)" in refused(tmp_path, "other shapes", torch_bytes(renamed), "model.pth", match="order")


def test_several_weight_files_are_not_guessed_between(tmp_path, state):
    (tmp_path / "mine").mkdir()
    for name in ("first.safetensors", "second.safetensors"):
        (tmp_path / "mine" / name).write_bytes(save(state))
    entry = {**ENTRY, "source": {"path": str(tmp_path / "mine")}}
    with pytest.raises(UserError, match="several weight files: first.safetensors, second.safetensors"):
        fetch_backbone("x", entry, tmp_path / "out/x", tmp_path / "lock.json")


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-10], lambda data: data[:5], lambda data: data[:-1] + bytes([data[-1] ^ 1])]
)
def test_weights_damaged_after_the_fetch_are_refused(tmp_path, state, damage):
    folder = fetched(tmp_path, save(state))
    path = folder / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="not the file that was fetched.*\n.*cut off or changed"):
        backbones.load(folder)


def test_weights_that_do_not_fit_the_description_are_refused(tmp_path, state):
    folder = fetched(tmp_path, save(state))
    spec = read_json(folder / "backbone.json")
    write_json(folder / "backbone.json", {**spec, "architecture": "test_vit"})
    with pytest.raises(UserError, match="does not fit test_vit"):
        backbones.load(folder)


def bert_folder(folder, state=None, config=None, **files):
    """A tiny BERT on disk, with parts replaced or (None) left out."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cell"]
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    tiny = BertConfig(vocab_size=6, max_position_embeddings=16, **sizes)
    content = {
        "config.json": json.dumps({**tiny.to_dict(), **(config or {})}),
        "vocab.txt": "\n".join(words),
        "tokenizer_config.json": json.dumps({"tokenizer_class": "BertTokenizer"}),
        **{name.replace("__", "."): value for name, value in files.items()},
    }
    folder.mkdir()
    for name, text in content.items():
        if text is not None:
            (folder / name).write_text(text)
    weights = {**BertModel(tiny).state_dict(), **(state or {})}
    (folder / "model.safetensors").write_bytes(
        save({name: value for name, value in weights.items() if value is not None})
    )
    return folder


def text(tmp_path, folder, **entry):
    entry = {"library": "transformers", "source": {"path": str(folder)}, **entry}
    fetch_backbone("x", entry, tmp_path / "out/x", tmp_path / "lock.json")
    return tmp_path / "out/x"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"config__json": None}, "no config.json"),
        ({"config": {"auto_map": {"AutoModel": "modeling.Evil"}}}, "auto_map"),
        ({"tokenizer_config__json": json.dumps({"auto_map": {"AutoTokenizer": ["x.Evil", None]}})}, "auto_map"),
        ({"config": {"model_type": None}}, "names no model_type"),
        ({"config": {"model_type": "burt"}}, "no architecture 'burt'"),
        (
            {"vocab__txt": "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"])},
            "13 tokens, the network 6",
        ),
        ({"state": {"encoder.layer.0.output.dense.bias": None}}, "lacks encoder.layer.0.output.dense.bias"),
        ({"state": {"encoder.layer.0.output.dense.bias": torch.zeros(3)}}, r"\(3,\).* instead of"),
        ({"state": {"encoder.layer.7.output.dense.bias": torch.zeros(8)}}, "lacks, encoder.layer.7"),
        ({"state": {"embeddings.LayerNorm.bias": torch.full((8,), torch.nan)}}, "NaN"),
    ],
)
def test_a_text_model_that_is_not_whole_is_refused(tmp_path, changes, says):
    with pytest.raises(UserError, match=says):
        text(tmp_path, bert_folder(tmp_path / "bert", **changes))
    assert not (tmp_path / "out/x").exists()


def test_the_config_may_say_the_model_type_that_the_file_lacks(tmp_path):
    folder = text(tmp_path, bert_folder(tmp_path / "bert", config={"model_type": None}), architecture="bert")
    assert read_json(folder / "config.json")["model_type"] == "bert"


def test_a_tokenizer_without_a_pad_token_takes_the_end_token_or_is_refused(tmp_path):
    folder = text(tmp_path, bert_folder(tmp_path / "bert"))
    for name, tokens in (("with", {"eos_token": "[SEP]"}), ("without", {})):
        words = json.loads((folder / "tokenizer_config.json").read_text())
        (folder / "tokenizer_config.json").write_text(json.dumps({**words, "pad_token": None, **tokens}))
        if name == "with":
            assert backbones.tokenizer(folder).pad_token == "[SEP]"
        else:
            (folder / "tokenizer_config.json").write_text(json.dumps({**words, "pad_token": None, "eos_token": None}))
            with pytest.raises(UserError, match="neither a pad token"):
                backbones.tokenizer(folder)


def test_a_length_that_the_network_cannot_take_is_refused(tmp_path):
    with pytest.raises(UserError, match="max_length.*cannot take inputs of 17"):
        text(tmp_path, bert_folder(tmp_path / "bert"), max_length=17)
