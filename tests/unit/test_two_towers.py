"""CLIP, SigLIP and classifiers of pairs of texts, fetched as from the hub, say what transformers' own models say of them."""

import json
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from safetensors.torch import save
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import tiny_data
from graft.common.errors import UserError
from graft.common.outputs import read_json, sha256_of_file
from graft.embedding.features import embed, pretrained
from graft.fetch.backbones import fetch_backbone
from graft.networks import backbones
from graft.store import Store
from graft.zero_shot.methods import nli, reranker, similarity
from graft.zero_shot.task import Task
from loopback import add_repository, serve

WORDS = [
    "a",
    "photo",
    "of",
    "cat",
    "dog",
    "crack",
    "cell",
    "the",
    "sky",
    "is",
    "blue",
    "this",
    "example",
    "text",
    "med",
]
TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
CPU = torch.device("cpu")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A server as the Hugging Face hub, with an empty cache."""
    with serve() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        yield server


def words(folder, end, pairs=False):
    """A tokenizer of a few words: CLIP and SigLIP end a text with `end`, BERT sets [CLS] and [SEP] around one or two."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "<start>", "<end>"]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate([*special, *WORDS])}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    if pairs:
        ends = [("[CLS]", 2), ("[SEP]", 3)]
        core.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ends)
    else:
        core.post_processor = processors.TemplateProcessing(end, special_tokens=[("<start>", 4), ("<end>", 5)])
    limit = 64 if pairs else 12
    found = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]", model_max_length=limit, sep_token="[SEP]"
    )
    found.save_pretrained(folder)
    return found


def two_towers(kind):
    """A small CLIP or SigLIP with random weights, whose scale and bias are not those of any other."""
    text = {**TOWER, "vocab_size": 6 + len(WORDS), "max_position_embeddings": 12, "pad_token_id": 0}
    vision = {**TOWER, "image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    if kind == "clip":
        text |= {"bos_token_id": 4, "eos_token_id": 5}
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
        model = transformers.CLIPModel(config).eval()
    else:
        model = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision)).eval()
        model.logit_bias.data.fill_(-1.3)
    model.logit_scale.data.fill_(1.7)
    for tensor in model.parameters():
        if tensor.ndim > 1:  # transformers' own start makes all texts nearly alike
            tensor.data.mul_(4)
    return model


def serve_model(hub, folder, model, name):
    """The checkpoint as the hub serves it, beside its tokenizer in `folder`."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    said = model.config.to_dict() | {"architectures": [type(model).__name__]}  # as save_pretrained writes it
    files["config.json"] = json.dumps(said).encode()
    files["model.safetensors"] = save({key: one.contiguous() for key, one in model.state_dict().items()})
    add_repository(hub, name, files)


def fetched(folder, library, name):
    fetch_backbone("own", {"library": library, "source": {"huggingface": name}}, folder / "own", folder / "lock.json")
    return folder / "own"


def task(folder, rows, prompts, store, **more):
    card = {"vector": None}
    facts = {"modality": "image", "text_backbone": None, "embeddings": None, "source": None, "precision": "fp32"} | more
    return Task(
        settings={"entry": "e"},
        rows=rows,
        prompts=prompts,
        backbone=pretrained(folder, card),
        store=store,
        device=CPU,
        **facts,
    )


@pytest.mark.parametrize(
    ("kind", "engine"), [("clip", "torch"), ("siglip", "torch"), ("clip", "openvino"), ("siglip", "auto")]
)
def test_images_and_descriptions_fit_as_transformers_own_model_says(kind, engine, hub, tmp_path):
    (tmp_path / "words").mkdir()
    tokens = words(tmp_path / "words", "<start> $A <end>" if kind == "clip" else "$A <end>")
    model = two_towers(kind)
    serve_model(hub, tmp_path / "words", model, "lab/towers")
    folder = fetched(tmp_path, "clip", "lab/towers")
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        vectors = backbones.load(folder)(images).numpy()
    classes = {"cat": ["a photo of a cat"], "dog": ["dog"], "crack": ["the sky is blue this example text"]}
    store = Store(tmp_path / "store")
    one = task(folder, pd.DataFrame(index=range(5)), classes, store, embeddings=vectors, engine=engine)
    scores = similarity.score(one)
    texts = [text for (text,) in classes.values()]
    padding = "max_length" if kind == "siglip" else True
    batch = tokens(texts, padding=padding, return_tensors="pt")
    batch = {key: batch[key] for key in ("input_ids", *(("attention_mask",) if kind == "clip" else ()))}
    with torch.no_grad():
        wanted = model(pixel_values=images, **batch).logits_per_image
    assert wanted.std() > 0.1  # the texts differ
    if kind == "clip":
        np.testing.assert_allclose(scores, wanted, atol=1e-4)
    else:
        np.testing.assert_allclose(np.exp(scores), wanted.sigmoid(), atol=1e-5)
    assert one.counts["forwards"] == 3
    again = task(folder, one.rows, classes, store, embeddings=vectors, engine=engine)
    np.testing.assert_array_equal(similarity.score(again), scores)
    assert again.counts["forwards"] == 0  # the store has the descriptions


def test_images_of_a_data_set_are_embedded_by_the_tower_for_images(hub, tmp_path):
    (tmp_path / "words").mkdir()
    words(tmp_path / "words", "<start> $A <end>")
    model = two_towers("clip")
    serve_model(hub, tmp_path / "words", model, "lab/towers")
    folder = fetched(tmp_path, "clip", "lab/towers")
    root = tiny_data.image_folder(tmp_path / "data", height=32, width=32)
    data = tiny_data.prepared(root)
    rows, source = data.frame, SimpleNamespace(entry={}, root=root, card=data.card)
    found, counts = embed(rows, source, pretrained(folder, data.card), Store(tmp_path / "store"), "fp32")
    assert counts["forwards"] == len(rows)
    spec = read_json(folder / "backbone.json")["preprocessing"]
    assert (spec["size"], spec["fit"]) == (32, "crop")
    mean, std = (torch.tensor(spec[key])[:, None, None] for key in ("mean", "std"))
    from PIL import Image

    pixels = [np.asarray(Image.open(root / path)) for path in rows["path"]]
    batch = torch.stack([(torch.tensor(one).permute(2, 0, 1) / 255 - mean) / std for one in pixels])
    with torch.no_grad():
        wanted = model.get_image_features(pixel_values=batch)
        wanted = getattr(wanted, "pooler_output", wanted)
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_a_checkpoint_of_two_towers_that_lacks_a_tensor_is_refused(hub, tmp_path):
    (tmp_path / "words").mkdir()
    words(tmp_path / "words", "$A <end>")
    model = two_towers("siglip")
    serve_model(hub, tmp_path / "words", model, "lab/towers")
    state = {key: one.contiguous() for key, one in model.state_dict().items() if key != "logit_bias"}
    hub.files["/lab/towers/resolve/" + "a" * 40 + "/model.safetensors"] = save(state)
    with pytest.raises(UserError, match="the checkpoint lacks logit_bias"):
        fetched(tmp_path, "clip", "lab/towers")


def pair_model(kind, labels):
    sizes = {**TOWER, "vocab_size": 6 + len(WORDS), "max_position_embeddings": 66, "pad_token_id": 0}
    names = {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
    torch.manual_seed(0)
    if kind == "bert":
        model = transformers.BertForSequenceClassification(transformers.BertConfig(**sizes, **names))
    else:
        config = transformers.RobertaConfig(**sizes, **names, type_vocab_size=2)
        model = transformers.RobertaForSequenceClassification(config)
    for tensor in model.parameters():
        if tensor.ndim > 1:
            tensor.data.mul_(6)
    return model.eval()


TEXTS = ["the sky is blue", "a cat", "crack of a cell this is a text of the cell the crack is blue", "dog dog dog"]


@pytest.fixture
def texts(tmp_path):
    """The rows of a table of TEXTS, and where their contents are."""
    entry = tiny_data.text_table(tmp_path / "texts", rows=1) | {"targets": {"label": {"classes": ["a", "b"]}}}
    parts = ["train"] * 4 + ["validation", "test"] * 2
    lines = [f"s{i},{text},{'aabb'[i % 4]},{parts[i]}" for i, text in enumerate([*TEXTS, *"1234"])]
    tiny_data.write_lines(tmp_path / "texts", "id,text,label,part", *lines)
    entry["columns"]["split"] = "part"
    data = tiny_data.prepared(tmp_path / "texts", **entry)
    rows = data.frame.sort_values("sample_id").head(len(TEXTS)).reset_index(drop=True)
    return rows, SimpleNamespace(entry=entry, root=tmp_path / "texts", card=data.card)


def sequence_model(hub, tmp_path, kind, labels):
    """A fetched classifier of pairs: transformers' own model, its tokenizer, and graft's folder of it."""
    (tmp_path / "words").mkdir()
    tokens, model = words(tmp_path / "words", None, pairs=True), pair_model(kind, labels)
    serve_model(hub, tmp_path / "words", model, "lab/pairs")
    return model, tokens, fetched(tmp_path, "transformers", "lab/pairs")


@pytest.mark.parametrize(("kind", "engine"), [("bert", "torch"), ("roberta", "torch"), ("bert", "openvino")])
def test_entailment_is_that_of_transformers_own_pipeline(kind, engine, hub, tmp_path, texts):
    rows, source = texts
    model, tokens, folder = sequence_model(hub, tmp_path, kind, ["contradiction", "ENTAILMENT", "neutral"])
    template, names = nli.NAMED["text"][0], ["cat", "crack of a cell", "med"]
    prompts = {name: [template.replace("{}", name)] for name in names}
    store = Store(tmp_path / "store")
    one = task(folder, rows, prompts, store, modality="text", source=source, engine=engine)
    scores = nli.score(one)
    assert engine in {read_json(path)["engine"] for path in store.root.glob("pairs/*/key.json")}
    pipeline = transformers.pipeline("zero-shot-classification", model=model, tokenizer=tokens, device="cpu")
    for text, row in zip(TEXTS, torch.tensor(scores).softmax(1), strict=True):
        said = pipeline(text, names, hypothesis_template=template)
        wanted = [said["scores"][said["labels"].index(name)] for name in names]
        np.testing.assert_allclose(row, wanted, atol=1e-5)
    assert np.ptp(scores, axis=1).min() > 1e-3
    assert one.counts["forwards"] == 12
    assert one.counts["padded_tokens"] <= 1.6 * one.counts["tokens"]


def test_no_pair_is_forwarded_twice_and_a_new_description_costs_itself_alone(hub, tmp_path, texts):
    rows, source = texts
    folder = sequence_model(hub, tmp_path, "bert", ["entailment", "neutral"])[2]
    store, made = Store(tmp_path / "store"), []
    for names in (["cat", "dog"], ["cat", "dog"], ["cat", "crack"]):
        made.append(task(folder, rows, {name: [name] for name in names}, store, modality="text", source=source))
        nli.score(made[-1])
    assert [one.counts["forwards"] for one in made] == [8, 0, 4]


def test_a_reranker_reads_the_description_first_and_its_one_logit_is_the_score(hub, tmp_path, texts):
    rows, source = texts
    model, tokens, folder = sequence_model(hub, tmp_path, "bert", ["relevance"])
    prompts = {"a": ["cat", "dog"], "b": ["the sky"]}
    scores = reranker.score(task(folder, rows, prompts, Store(tmp_path / "store"), modality="text", source=source))
    for i, text in enumerate(TEXTS):
        with torch.no_grad():
            said = {
                query: model(**tokens(query, text, return_tensors="pt")).logits.item()
                for query in ("cat", "dog", "the sky")
            }
        np.testing.assert_allclose(scores[i], [(said["cat"] + said["dog"]) / 2, said["the sky"]], atol=1e-4)


def test_networks_without_the_labels_that_a_method_needs_are_refused(hub, tmp_path, texts):
    rows, source = texts
    folder = sequence_model(hub, tmp_path, "bert", ["angry", "happy", "sad"])[2]
    one = task(folder, rows, {"a": ["cat"]}, Store(tmp_path / "store"), modality="text", source=source)
    with pytest.raises(UserError, match="the network's labels are angry, happy, sad: which one means entailment"):
        nli.score(one)
    with pytest.raises(UserError, match="the network has 3 labels"):
        reranker.score(one)


def test_an_encoder_without_a_classifier_is_refused_by_methods_that_ask_one(hub, tmp_path, texts):
    rows, source = texts
    (tmp_path / "words").mkdir()
    words(tmp_path / "words", None, pairs=True)
    encoder = pair_model("bert", ["entailment", "other"]).bert
    serve_model(hub, tmp_path / "words", encoder, "lab/encoder")
    folder = fetched(tmp_path, "transformers", "lab/encoder")
    assert "head_sha256" not in read_json(folder / "backbone.json")
    with pytest.raises(UserError, match="'own' has no classifier of pairs of texts"):
        nli.score(task(folder, rows, {"a": ["cat"]}, Store(tmp_path / "s"), modality="text", source=source))


def test_a_head_that_was_changed_on_the_disk_is_refused(hub, tmp_path, texts):
    folder = sequence_model(hub, tmp_path, "bert", ["entailment", "other"])[2]
    assert sha256_of_file(folder / backbones.HEAD) == read_json(folder / "backbone.json")["head_sha256"]
    (folder / backbones.HEAD).write_bytes((folder / backbones.HEAD).read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="is not the file that was fetched"):
        backbones.load_pair_classifier(folder)
