"""Networks of the sciences come from the hub as their authors keep them there: small ones of the same kind stand in."""

import io
import json

import huggingface_hub
import pytest
import timm
import torch
import yaml
from safetensors.torch import save
from transformers import (
    BertConfig,
    BertForPreTraining,
    ConvNextConfig,
    ConvNextModel,
    Dinov2Config,
    Dinov2Model,
    EsmConfig,
    EsmForMaskedLM,
    EsmTokenizer,
    SwinConfig,
    SwinModel,
    ViTConfig,
    ViTModel,
)

from graft.common.outputs import read_json
from graft.config import load
from graft.config.plan import known_backbones
from graft.fetch.backbones import fetch_backbone
from graft.networks import backbones
from loopback import add_repository, serve
from running import ROOT

EXAMPLE = ROOT / "config/examples/sciences.yaml"
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cell", "wall", "the", "##s"]
ESM = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>"]


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A server as the Hugging Face hub, with an empty cache."""
    with serve() as state:
        monkeypatch.setenv("HF_ENDPOINT", state.url)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        yield state


def entries():
    """The backbones of the example, as the config gives them to the rules."""
    return load(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")), [EXAMPLE])["backbones"]


def fetched(hub, tmp_path, name, files, entry=None):
    entry = entry or entries()[name]
    add_repository(hub, entry["source"]["huggingface"], files)
    fetch_backbone(name, entry, tmp_path / "out" / name, tmp_path / "lock.json")
    return tmp_path / "out" / name


def torch_bytes(state):
    data = io.BytesIO()
    torch.save(state, data)
    return data.getvalue()


def as_json(content):
    return json.dumps(content).encode()


@pytest.mark.parametrize("name", ["biobert", "scibert"])
@torch.no_grad()
def test_bert_of_a_science_comes_from_a_pickle_of_tensors_with_its_pretraining_heads(hub, tmp_path, name):
    torch.manual_seed(0)
    full = BertForPreTraining(BertConfig(vocab_size=len(BERT), max_position_embeddings=512, **SMALL)).eval()
    files = {"config.json": as_json(full.config.to_dict()), "vocab.txt": "\n".join(BERT).encode()}
    files["pytorch_model.bin"] = torch_bytes(full.state_dict())
    folder = fetched(hub, tmp_path, name, files)
    words, module = backbones.tokenizer(folder), backbones.load(folder)
    inputs = words(["the cells", "the wall of the cell"], padding=True, return_tensors="pt")
    assert words.tokenize("the cells") == ["the", "cell", "##s"]
    for row, text in enumerate(["the cells", "the wall of the cell"]):
        ids = torch.tensor([[2, *(BERT.index(word) if word in BERT else 1 for word in words.tokenize(text)), 3]])
        expected = full.bert(input_ids=ids).last_hidden_state[0].mean(dim=0)
        found = module({key: inputs[key] for key in ("input_ids", "attention_mask")})[row]
        assert torch.allclose(found, expected, atol=1e-5)


@torch.no_grad()
def test_esm2_reads_a_protein_as_its_own_tokenizer_does_and_no_special_token_that_a_text_spells(hub, tmp_path):
    torch.manual_seed(0)
    sizes = {"position_embedding_type": "rotary", "token_dropout": True, "mask_token_id": 32, "pad_token_id": 1}
    full = EsmForMaskedLM(EsmConfig(vocab_size=33, max_position_embeddings=1026, **SMALL, **sizes)).eval()
    files = {
        "config.json": as_json(full.config.to_dict()),
        "vocab.txt": "\n".join(ESM).encode(),
        "tokenizer_config.json": as_json({"tokenizer_class": "EsmTokenizer"}),
        "special_tokens_map.json": as_json(
            {
                "cls_token": "<cls>",
                "eos_token": "<eos>",
                "mask_token": "<mask>",
                "pad_token": "<pad>",
                "unk_token": "<unk>",
            }
        ),
        "model.safetensors": save({name: one.clone() for name, one in full.state_dict().items()}),
    }
    folder = fetched(hub, tmp_path, "esm2", files)
    spec, words, module = read_json(folder / "backbone.json"), backbones.tokenizer(folder), backbones.load(folder)
    assert spec["preprocessing"]["max_length"] == 512 and spec["preprocessing"]["tokenizer"].startswith("residues ")
    proteins = ["MKTAYIAK", "EVQLVESGGGLV"]
    (tmp_path / "vocab.txt").write_bytes(files["vocab.txt"])
    reference = EsmTokenizer(str(tmp_path / "vocab.txt"))
    assert words(proteins)["input_ids"] == reference(proteins)["input_ids"]
    assert words("M<mask>", split_special_tokens=True)["input_ids"] == [0, 20, *[3] * 6, 2]
    inputs = words(proteins, padding=True, return_tensors="pt", split_special_tokens=True)
    embedding = module({key: inputs[key] for key in ("input_ids", "attention_mask")})
    for row, protein in enumerate(proteins):
        ids = torch.tensor([[0, *map(ESM.index, protein), 2]])
        expected = full.esm(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].mean(dim=0)
        assert torch.allclose(embedding[row], expected, atol=1e-5)


IMAGES = {"image_size": 32, "patch_size": 16}
VIT_STEPS = {"size": {"height": 32, "width": 32}, "resample": 2, "image_mean": [0.7, 0.5, 0.6], "image_std": [0.2] * 3}
DINO_STEPS = {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True}
DINO_STEPS |= {"resample": 3, "image_mean": [0.53] * 3, "image_std": [0.25] * 3}


@pytest.mark.parametrize(
    ("name", "network", "steps", "wanted", "reference"),
    [
        (
            "phikon",
            lambda: ViTModel(ViTConfig(**SMALL, **IMAGES)),
            VIT_STEPS,
            {
                "size": 32,
                "fit": "squash",
                "crop": 1.0,
                "interpolation": "bilinear",
                "mean": [0.7, 0.5, 0.6],
                "std": [0.2] * 3,
            },
            lambda found: found.last_hidden_state[:, 0],
        ),
        (
            "rad-dino",
            lambda: Dinov2Model(Dinov2Config(**SMALL, **IMAGES)),
            DINO_STEPS,
            {"size": 32, "fit": "crop", "crop": 0.8, "interpolation": "bicubic", "mean": [0.53] * 3, "std": [0.25] * 3},
            lambda found: found.pooler_output,
        ),
        (
            "rad-dino",
            lambda: SwinModel(
                SwinConfig(image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4)
            ),
            {},
            {"size": 32, "fit": "squash", "crop": 1.0, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3},
            lambda found: found.pooler_output,  # the mean over all places
        ),
        (
            "rad-dino",
            lambda: ConvNextModel(ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], image_size=64)),
            {"size": 64, "do_normalize": False},
            {"size": 64, "fit": "squash", "crop": 1.0, "interpolation": "bicubic", "mean": [0.0] * 3, "std": [1.0] * 3},
            lambda found: found.pooler_output,
        ),
    ],
    ids=["phikon, ViT", "rad-dino, DINOv2", "Swin", "ConvNeXt"],
)
@torch.no_grad()
def test_an_image_network_of_transformers_gives_its_own_embedding(
    hub, tmp_path, name, network, steps, wanted, reference
):
    torch.manual_seed(0)
    full = network().eval()
    files = {"config.json": as_json(full.config.to_dict()), "model.safetensors": save(full.state_dict())}
    files |= {"preprocessor_config.json": as_json(steps)} if steps else {}
    folder = fetched(hub, tmp_path, name, files)
    assert read_json(folder / "backbone.json")["preprocessing"] == wanted
    images, module = torch.randn(2, 3, wanted["size"], wanted["size"]), backbones.load(folder)
    expected = reference(full(pixel_values=images))
    assert torch.allclose(module(images), expected, atol=1e-5)
    assert module.width == expected.shape[1]
    spec = read_json(folder / "backbone.json")
    rebuilt = backbones.build(spec)  # as of a saved model
    rebuilt.load_state_dict(backbones.Stored(folder).state_dict())
    assert torch.equal(rebuilt(images), module(images))


def test_an_image_network_of_transformers_takes_another_size(hub, tmp_path):
    full = ViTModel(ViTConfig(**SMALL, **IMAGES))
    files = {"config.json": as_json(full.config.to_dict()), "model.safetensors": save(full.state_dict())}
    folder = fetched(hub, tmp_path, "phikon", files, {**entries()["phikon"], "input_size": 64})
    assert backbones.load(folder)(torch.randn(1, 3, 64, 64)).shape == (1, 16)


@torch.no_grad()
def test_a_pathology_network_of_timm_is_built_and_fed_as_its_repository_says(hub, tmp_path):
    torch.manual_seed(0)
    arguments = {"init_values": 1e-5, "img_size": 224, "num_classes": 0, "checkpoint_path": "/etc/passwd"}
    full = timm.create_model("vit_small_patch16_224", num_classes=0, init_values=1e-5).eval()
    for name, one in full.named_parameters():
        one.data.mul_(2 if "ls" in name else 1)
    said = {"mean": [0.7, 0.53, 0.66], "std": [0.21, 0.26, 0.2], "input_size": [3, 224, 224], "crop_pct": 1.0}
    config = {
        "architecture": "vit_small_patch16_224",
        "num_classes": 0,
        "pretrained_cfg": said,
        "model_args": arguments,
    }
    files = {"config.json": as_json(config), "model.safetensors": save(full.state_dict())}
    folder = fetched(hub, tmp_path, "lunit-dino", files)
    spec, images = read_json(folder / "backbone.json"), torch.randn(1, 3, 224, 224)
    assert (spec["preprocessing"]["mean"], spec["preprocessing"]["std"], spec["preprocessing"]["crop"]) == (
        said["mean"],
        said["std"],
        1.0,
    )
    assert spec["options"] == {"init_values": 1e-5}
    assert torch.allclose(backbones.load(folder)(images), full(images), atol=1e-5)


def test_every_backbone_of_the_example_is_tried_here():
    own = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["backbones"]
    assert set(entries()) == {*own, "biobert", "scibert", "esm2", "antiberty"}  # antiberty: test_symbols
    assert {"biobert", "scibert", "esm2", "antiberty"} <= set(known_backbones())
