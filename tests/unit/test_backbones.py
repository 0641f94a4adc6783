"""A backbone gives the embedding that its library's own network classifies."""

import json
from unittest.mock import patch

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save
from timm.models import load_pretrained
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import nn
from torchvision import models
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

import assets
from graft.common import plugins
from graft.common.errors import UserError
from graft.common.outputs import read_json
from graft.fetch.backbones import fetch_backbone
from graft.networks import backbones
from graft.networks.backbones import torchvision as vision
from graft.networks.backbones.transformers import _longest, make_config
from graft.networks.bands import take_bands
from graft.networks.pooling import KEYS, pool, said_beside

FAMILIES = [
    "resnet18",
    "densenet121",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "convnext_tiny",
    "swin_t",
    "squeezenet1_1",
    "shufflenet_v2_x0_5",
    "regnet_y_400mf",
    "mnasnet0_5",
    "googlenet",
]


def fetched(tmp_path, state=None, name="x", **entry):
    """Fetch a backbone from a checkpoint of `state`, or with random weights; its folder."""
    if state is not None:
        (tmp_path / f"{name}.safetensors").write_bytes(save(state))
        entry["source"] = {"path": str(tmp_path / f"{name}.safetensors")}
    fetch_backbone(name, entry, tmp_path / "out" / name, tmp_path / "lock.json")
    return tmp_path / "out" / name


def image_of(module, n=2):
    size = module.spec["preprocessing"]["size"]
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("architecture", FAMILIES)
@torch.no_grad()
def test_torchvisions_head_on_the_embedding_gives_its_logits(tmp_path, architecture):
    torch.manual_seed(0)
    spec = {"architecture": architecture}
    full = vision.build(spec, head=True).eval()
    folder = fetched(tmp_path, full.state_dict(), library="torchvision", architecture=architecture, input_size=64)
    module = backbones.load(folder)
    inputs = image_of(module)
    embedding = module(inputs)
    assert embedding.shape == (2, module.width)
    head = [layer for layer in full.modules() if isinstance(layer, nn.Linear | nn.Conv2d)][-1]
    if isinstance(head, nn.Conv2d):  # SqueezeNet classifies every position, then averages: no head for its embedding
        assert module.width == head.in_channels
    else:
        assert torch.allclose(head(embedding), full(inputs), atol=1e-4)


@pytest.mark.parametrize(
    "architecture", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet", "test_byobnet"]
)
@torch.no_grad()
def test_timms_head_on_the_embedding_gives_its_logits(tmp_path, architecture):
    torch.manual_seed(0)
    full = timm.create_model(architecture, pretrained=False).eval()
    module = backbones.load(fetched(tmp_path, full.state_dict(), library="timm", architecture=architecture))
    inputs = image_of(module)
    assert torch.allclose(full.get_classifier()(module(inputs)), full(inputs), atol=1e-4)
    assert module(inputs).shape == (2, module.width)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_of_training_wrappers_are_taken_off(tmp_path, prefix):
    state = timm.create_model("test_resnet", pretrained=False).state_dict()
    plain = fetched(tmp_path, state, library="timm", architecture="test_resnet", name="plain")
    wrapped = {f"{prefix}{key}": value for key, value in state.items()}
    folder = fetched(tmp_path, wrapped, library="timm", architecture="test_resnet", name="wrapped")
    assert (plain / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_widened(tmp_path, dtype):
    state = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in timm.create_model("test_resnet", pretrained=False).state_dict().items()
    }
    stored = load_file(fetched(tmp_path, state, library="timm", architecture="test_resnet") / "model.safetensors")
    assert {value.dtype for value in stored.values() if value.is_floating_point()} == {torch.float32}
    assert all(torch.equal(value, state[name].to(value.dtype)) for name, value in stored.items())


def test_order_gives_the_same_weights_as_names(tmp_path):
    state = timm.create_model("test_resnet", pretrained=False).state_dict()
    entry = {"library": "timm", "architecture": "test_resnet"}
    named = fetched(tmp_path, state, name="named", **entry)
    torch.save({f"net.{i}": value for i, value in enumerate(state.values())}, tmp_path / "other.pth")
    ordered = fetched(tmp_path, name="ordered", match="order", source={"path": str(tmp_path / "other.pth")}, **entry)
    assert (named / "model.safetensors").read_bytes() == (ordered / "model.safetensors").read_bytes()


def test_the_heads_tensors_are_not_kept(tmp_path):
    state = timm.create_model("test_resnet", pretrained=False).state_dict()
    stored = load_file(fetched(tmp_path, state, library="timm", architecture="test_resnet") / "model.safetensors")
    assert state.keys() - stored.keys() == {"fc.weight", "fc.bias"}


def test_a_vision_transformer_takes_another_input_size(tmp_path):
    full = timm.create_model("test_vit", pretrained=False)
    trained_at = full.patch_embed.img_size[0]
    folder = fetched(tmp_path, full.state_dict(), library="timm", architecture="test_vit", input_size=trained_at // 2)
    module = backbones.load(folder)
    assert module.pos_embed.shape[1] < full.pos_embed.shape[1]
    assert module(image_of(module)).shape == (2, module.width)


def test_random_weights_follow_their_seed(tmp_path):
    bytes_of = {
        name: (
            fetched(
                tmp_path, library="timm", architecture="test_resnet", source={"random": True, "seed": seed}, name=name
            )
            / "model.safetensors"
        ).read_bytes()
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    }
    assert bytes_of["a"] == bytes_of["b"] != bytes_of["c"]


def test_a_network_whose_layers_share_weights_can_be_stored(tmp_path):
    folder = fetched(tmp_path, library="timm", architecture="coat_tiny", source={"random": True})
    module = backbones.load(folder)
    assert module.cpe1.proj.weight is module.serial_blocks1[0].cpe.proj.weight


def test_random_weights_leave_the_global_generator_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fetched(tmp_path, library="timm", architecture="test_resnet", source={"random": True, "seed": 1})
    assert torch.equal(torch.rand(1), expected)


def test_the_config_goes_before_the_librarys_preprocessing(tmp_path):
    entry = {"library": "torchvision", "architecture": "resnet18", "source": {"random": True}}
    default = read_json(fetched(tmp_path, name="a", **entry) / "backbone.json")["preprocessing"]
    transforms = models.ResNet18_Weights.DEFAULT.transforms()
    assert default["mean"] == transforms.mean and default["std"] == transforms.std
    assert (default["size"], default["interpolation"], default["fit"]) == (224, "bilinear", "crop")
    own = {"input_size": 64, "mean": 0.5, "std": [0.1, 0.2, 0.3], "interpolation": "bicubic", "fit": "pad", "crop": 1.0}
    changed = read_json(fetched(tmp_path, name="b", **entry, **own) / "backbone.json")["preprocessing"]
    wanted = {"size": 64, **{key: value for key, value in own.items() if key != "input_size"}, "mean": [0.5] * 3}
    assert changed == wanted


def test_vectors_are_their_own_embedding(tmp_path):
    module = backbones.load(fetched(tmp_path, library="vectors"))
    inputs = torch.randn(3, 5)
    assert torch.equal(module(inputs), inputs)
    assert module.modality == "vector"


@pytest.mark.parametrize("pooling", [*KEYS, ["lasttoken", "cls"]])
def test_padding_never_reaches_the_embedding(pooling):
    hidden = torch.randn(2, 6, 4)
    mask = torch.tensor([[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1]])
    pooled = pool(hidden, mask, pooling)
    assert torch.equal(pooled[:1], pool(hidden[:1, :3], mask[:1, :3], pooling))
    hidden[0, 3:] = 100.0
    assert torch.equal(pooled, pool(hidden, mask, pooling))


def by_hand(vectors, pooling):
    """The formulas of sentence-transformers' Pooling for the vectors of one text's tokens, shape (tokens, width)."""
    places = np.arange(1, len(vectors) + 1)
    return {
        "cls": vectors[0],
        "max": vectors.max(0),
        "mean": vectors.sum(0) / len(vectors),
        "mean_sqrt_len": vectors.sum(0) / np.sqrt(len(vectors)),
        "weightedmean": (vectors * places[:, None]).sum(0) / places.sum(),
        "lasttoken": vectors[-1],
    }[pooling]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("pooling", KEYS)
def test_pooling_is_that_of_sentence_transformers(pooling, side):
    hidden, lengths = np.random.default_rng(0).normal(size=(3, 6, 4)).astype(np.float32), [6, 3, 1]
    texts = [row[:n] if side == "right" else row[6 - n :] for row, n in zip(hidden, lengths, strict=True)]
    real = np.arange(6) < np.array(lengths)[:, None]
    mask = torch.from_numpy((real if side == "right" else real[:, ::-1].copy()).astype(np.int64))
    wanted = np.stack([by_hand(text, pooling) for text in texts])
    np.testing.assert_allclose(pool(torch.from_numpy(hidden), mask, pooling), wanted, rtol=1e-5, atol=1e-6)
    several = pool(torch.from_numpy(hidden), mask, ["max", pooling]).numpy()
    np.testing.assert_allclose(several, np.hstack([hidden_max(texts), wanted]), rtol=1e-5, atol=1e-6)


def hidden_max(texts):
    return np.stack([text.max(0) for text in texts])


def saved(folder, facts, modules=("Transformer", "Pooling"), below=""):
    """Write what sentence-transformers writes beside weights; the network's folder."""
    (folder / below).mkdir(parents=True, exist_ok=True)
    paths = [below, *(f"{i}_{kind}" for i, kind in enumerate(modules) if i)]
    steps = [{"type": f"sentence_transformers.models.{k}", "path": p} for k, p in zip(modules, paths, strict=True)]
    if len(modules) > 1:
        (folder / "modules.json").write_text(json.dumps(steps))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": 16, **facts}))
    return folder / below


OLD = dict.fromkeys(KEYS.values(), False)


@pytest.mark.parametrize("pooling", KEYS)
def test_the_pooling_beside_the_weights_is_read_in_either_form(tmp_path, pooling):
    for name, facts in {
        "old": OLD | {KEYS[pooling]: True},
        "new": {
            "pooling_mode": "mean_sqrt_len_tokens" if pooling == "mean_sqrt_len" else pooling,
            "include_prompt": True,
        },
        "list": {"pooling_mode": [pooling]},
    }.items():
        assert said_beside(saved(tmp_path / name, facts)) == {"pooling": pooling, "normalize": False}
    assert said_beside(saved(tmp_path / "bare", {"pooling_mode": pooling}, ("Transformer",)))["pooling"] == pooling
    inner = saved(
        tmp_path / "inner", {"pooling_mode": pooling}, ("Transformer", "Pooling", "Normalize"), "0_Transformer"
    )
    assert said_beside(inner) == {"pooling": pooling, "normalize": True}


def test_several_poolings_stand_one_after_the_other_as_the_files_say(tmp_path):
    both = OLD | {KEYS["mean"]: True, KEYS["cls"]: True}
    assert said_beside(saved(tmp_path / "old", both))["pooling"] == ["cls", "mean"]
    assert said_beside(saved(tmp_path / "new", {"pooling_mode": ["mean", "cls"]}))["pooling"] == ["mean", "cls"]


def test_what_graft_cannot_pool_is_refused_by_name_and_left_out_where_the_config_says_how(tmp_path):
    dense = saved(tmp_path / "dense", {"pooling_mode": "cls"}, ("Transformer", "Pooling", "Dense", "Normalize"))
    with pytest.raises(UserError, match="Dense, which graft does not have(.|\n)*`pooling: mean`"):
        said_beside(dense)
    assert said_beside(dense, "mean") == {"pooling": "mean", "normalize": True}
    for name, facts in {"new": {"pooling_mode": "attention"}, "old": OLD | {"pooling_mode_attention": True}}.items():
        with pytest.raises(UserError, match="attention, which graft does not know"):
            said_beside(saved(tmp_path / name, facts))
        assert said_beside(tmp_path / name, "max")["pooling"] == "max"
    assert said_beside(saved(tmp_path / "drop", OLD, ("Transformer", "Pooling", "Dropout")))["pooling"] == "mean"


def gpt2(folder, **facts):
    """A tiny decoder as sentence-transformers saves one."""
    torch.manual_seed(0)
    network = AutoModel.from_config(AutoConfig.for_model("gpt2", vocab_size=27, n_embd=16, n_layer=1, n_head=2))
    network.save_pretrained(folder)
    vocabulary = {"<eos>": 0, **{word: i + 1 for i, word in enumerate("abcdefghijklmnopqrstuvwxyz")}}
    words = Tokenizer(WordLevel(vocabulary, unk_token="<eos>"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<eos>").save_pretrained(folder)
    saved(folder, facts)
    return {"library": "transformers", "source": {"path": str(folder)}}


@torch.no_grad()
def test_a_decoder_that_pools_by_its_last_token_is_fetched_and_answers_so(tmp_path):
    entry = gpt2(tmp_path / "gpt2", **OLD | {"pooling_mode_lasttoken": True})
    module = backbones.load(fetched(tmp_path, **entry))
    ids = torch.tensor([[3, 4, 5], [6, 7, 0]])
    found = module({"input_ids": ids, "attention_mask": torch.tensor([[1, 1, 1], [1, 1, 0]])})
    hidden = AutoModel.from_pretrained(tmp_path / "gpt2")(input_ids=ids[1:, :2]).last_hidden_state
    torch.testing.assert_close(found[1], hidden[0, 1])
    several = gpt2(tmp_path / "several", pooling_mode=["mean", "lasttoken"])
    assert backbones.load(fetched(tmp_path, name="y", **several)).width == 32


def test_a_decoder_is_not_pooled_by_its_first_token_which_sees_no_other(tmp_path):
    entry = gpt2(tmp_path / "gpt2", pooling_mode="cls")
    with pytest.raises(UserError, match="in gpt2 it sees none of the others(.|\n)*`pooling: lasttoken`"):
        fetched(tmp_path, **entry)
    folder = fetched(tmp_path, **entry, pooling="lasttoken")
    assert read_json(folder / "backbone.json")["preprocessing"]["pooling"] == "lasttoken"


@torch.no_grad()
def test_minilm_puts_like_sentences_together():
    folder = assets.backbone("minilm")
    module, words = backbones.load(folder), backbones.tokenizer(folder)
    assert (module.width, module.spec["preprocessing"]["pooling"]) == (384, "mean")
    texts = ["the solar cell has a crack", "a fissure runs through the photovoltaic module", "we ate soup for dinner"]
    inputs = words(texts, padding=True, return_tensors="pt")
    embedding = module({key: inputs[key] for key in ("input_ids", "attention_mask")})
    assert torch.allclose(embedding.norm(dim=1), torch.ones(3), atol=1e-5)
    like, unlike, other = embedding[0] @ embedding[1], embedding[0] @ embedding[2], embedding[1] @ embedding[2]
    assert like > 0.4 > 0.2 > max(unlike, other)


@torch.no_grad()
def test_a_text_backbone_is_rebuilt_from_its_description_alone():
    folder = assets.backbone("minilm")
    module = backbones.load(folder)
    rebuilt = backbones.build(read_json(folder / "backbone.json"))
    rebuilt.load_state_dict(module.state_dict())
    inputs = {"input_ids": torch.tensor([[101, 7592, 102]]), "attention_mask": torch.ones(1, 3, dtype=torch.int64)}
    assert torch.equal(module(inputs), rebuilt(inputs))
    stored = load_file(folder / "model.safetensors")
    assert backbones.library_module(module).state_dict().keys() == stored.keys()


@pytest.mark.parametrize(("name", "parameters"), [("effnet-lite0", 3_370_000), ("effnet-lite2", 4_810_000)])
@torch.no_grad()
def test_the_real_efficientnets_load_by_order(name, parameters):
    module = backbones.load(assets.backbone(name))
    assert module.width == 1280
    assert abs(module.spec["parameters"] / parameters - 1) < 0.05
    assert module.spec["preprocessing"]["mean"] == [0.5] * 3
    noise, flat = image_of(module, 1), torch.zeros_like(image_of(module, 1))
    assert torch.isfinite(module(noise)).all()
    assert not torch.allclose(module(noise), module(flat), atol=0.1)


@pytest.mark.parametrize(("kind", "longest"), [("bert", 32), ("roberta", 30), ("gpt2", 32), ("t5", None)])
def test_the_longest_input_is_what_the_network_has_positions_for(kind, longest):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = AutoConfig.for_model(kind, vocab_size=9, max_position_embeddings=32, **sizes)
    if kind == "t5":
        with pytest.raises(UserError, match="encoder with a decoder"):
            make_config(config.to_dict())
    else:
        assert _longest(config) == longest


@pytest.mark.parametrize("kind", ["bert", "gpt2", "distilbert", "llama", "deberta-v2"])
def test_attention_weights_are_dropped_in_training_only_where_asked_for(kind):
    """Whatever the architecture calls the probability, and whichever kernel computes its attention."""
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = AutoConfig.for_model(kind, vocab_size=9, max_position_embeddings=32, **sizes)
    facts = config.to_dict()
    facts |= {name: 0.0 for name, value in facts.items() if "drop" in name and isinstance(value, float)}
    facts |= {"dim": 8, "n_heads": 2, "n_layers": 1, "hidden_dim": 8} if kind == "distilbert" else {}
    named = {"bert": "attention_probs_dropout_prob", "deberta-v2": "attention_probs_dropout_prob", "gpt2": "attn_pdrop"}
    facts[named.get(kind, "attention_dropout")] = 0.5
    spec = {"library": "transformers", "modality": "text", "config": facts | {"model_type": kind}}
    spec["preprocessing"] = {"pooling": "mean", "normalize": False}
    inputs = {"input_ids": torch.arange(8)[None], "attention_mask": torch.ones(1, 8, dtype=torch.int64)}
    for asked in (False, True):
        network, found = backbones.build(spec, attention_dropout=asked).train(), []
        for seed in (0, 1):
            torch.manual_seed(seed)
            found.append(network(inputs))
        assert torch.equal(*found) != asked


@pytest.mark.parametrize("name", ["effnet-lite0", "minilm"])
def test_weights_are_had_without_the_architecture(name):
    folder = assets.backbone(name)
    expected = backbones.load(folder).state_dict()
    with patch.object(plugins, "load", side_effect=AssertionError("a library was imported")):
        module = backbones.Stored(folder)
    found = module.state_dict()
    assert found.keys() == expected.keys()
    assert all(found[key].dtype == value.dtype and torch.equal(found[key], value) for key, value in expected.items())
    assert [key.removeprefix("b.") for key in nn.ModuleDict({"b": module}).state_dict()] == list(found)


def test_weights_of_16_bits_are_widened_without_the_architecture_too(tmp_path):
    full = models.resnet18().half()
    folder = fetched(tmp_path, full.state_dict(), library="torchvision", architecture="resnet18", input_size=64)
    found, expected = backbones.Stored(folder).state_dict(), backbones.load(folder).state_dict()
    assert {key: value.dtype for key, value in found.items()} == {key: value.dtype for key, value in expected.items()}


@pytest.mark.parametrize("bands", [2, 4, 7])
def test_a_network_for_other_bands_has_the_weights_that_timm_gives_it(tmp_path, bands):
    """timm's own loader, with in_chans, of the same checkpoint."""
    state = timm.create_model("test_efficientnet", num_classes=0).state_dict()
    facts = {
        "state_dict": dict(state),
        "first_conv": "conv_stem",
        "num_classes": 0,
        "url": "",
        "file": "",
        "hf_hub_id": None,
    }
    reference = timm.create_model("test_efficientnet", num_classes=0, in_chans=bands).eval()
    load_pretrained(reference, pretrained_cfg=facts, num_classes=0, in_chans=bands)
    module = backbones.load(fetched(tmp_path, state, library="timm", architecture="test_efficientnet"))
    pixels = torch.randn(2, bands, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(take_bands(module, bands)(pixels), reference(pixels))


def test_a_network_without_a_first_convolution_of_three_channels_takes_no_bands(tmp_path):
    module = backbones.load(fetched(tmp_path, library="convnet", architecture="grey-4-8", source={"random": True}))
    with pytest.raises(UserError, match="could take 5 bands"):
        take_bands(module, 5)


@pytest.mark.parametrize("architecture", ["repvgg_a0", "fastvit_t8", "test_convnext"])
def test_every_branch_that_reads_the_image_takes_the_bands(architecture):
    module = backbones.build(
        {
            "library": "timm",
            "architecture": architecture,
            "modality": "image",
            "preprocessing": {"size": 64},
            "bands": 5,
        }
    )
    with torch.inference_mode():
        assert module(torch.zeros(1, 5, 64, 64)).shape[0] == 1
