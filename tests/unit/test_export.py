"""Exported models: plain files that load into the same network, with a card that tells the truth."""

import re
import runpy

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

import export_model
import report_tables
from graft.common.errors import UserError
from graft.common.outputs import read_json, write_json, write_text, write_torch
from graft.networks import backbones
from graft.networks import network as networks
from graft.serving.exported import load_exported, predict
from graft.serving.model_card import licence_of

CLASSES = ["intact", "defective", "half | broken"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cell", "crack", "good", "##s"]
IMAGE = {"size": 32, "mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic", "fit": "crop", "crop": 0.875}
BERT = {
    "model_type": "bert",
    "vocab_size": len(WORDS),
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 16,
}
SPECS = {
    "image": {"library": "timm", "architecture": "test_vit", "preprocessing": IMAGE | {"size": 160}},
    "text": {
        "library": "transformers",
        "architecture": "bert",
        "config": BERT,
        "preprocessing": {"max_length": 12, "pooling": "mean", "normalize": True, "tokenizer": "BertTokenizer 1"},
    },
    "vector": {"library": "vectors", "architecture": "identity", "preprocessing": {}},
}
WIDTHS = {"image": 64, "text": 8, "vector": 5}
CARD = {"dataset": "elpv", "counts": {"train": 60, "validation": 20, "test": 20}}


def trained(folder, modality, kind="classification", licence="Apache-2.0", source="hub"):
    """Every input of the rule for a small untrained network, as the stages before it write them."""
    spec = {
        "name": "tiny",
        "modality": modality,
        "width": WIDTHS[modality],
        "parameters": 1000,
        "licence": licence,
        "source": {"path": "/lab/me/weights"} if source == "path" else {"huggingface": "someone/tiny"},
        "revision": "0" * 40,
        "weights_sha256": "1" * 64,
        **SPECS[modality],
    }
    torch.manual_seed(0)
    network = networks.Network(
        backbones.build(spec), {"defect": len(CLASSES) if kind == "classification" else 1}
    ).eval()
    facts = {
        "classification": {"kind": "classification", "classes": CLASSES, "temperature": 1.7},
        "regression": {"kind": "regression", "mean": 10.0, "std": 2.0, "residual_std": 0.5},
    }[kind]
    folds = {"defect": {"weight": torch.zeros(2, 3, 5), "bias": torch.zeros(2, 3)}}
    content = networks.to_dict(
        network,
        name="solar.tiny.full",
        seed=0,
        method="full",
        dataset="elpv",
        targets={"defect": facts},
        fold_heads=folds,
        frozen=False,
    )
    write_torch(folder / "run/ft_model.pt", content)
    report_tables.metrics(folder / "run/defect/metrics.json", kind, value=0.812)
    write_json(folder / "backbone/backbone.json", spec)
    write_text(folder / "backbone/vocab.txt", "\n".join(WORDS) + "\n")
    write_json(folder / "backbone/tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    image = {"dtype": "uint8", "range": [0, 255], "channels": 3}
    write_json(folder / "card.json", CARD | {"modality": modality, "image": image})
    write_json(folder / "dataset.json", {"name": "elpv", "source": {"path": "/lab/me/cells"}, "licence": "CC-BY-4.0"})
    return network


def export(folder, *arguments, **settings):
    """Export a small network; the network and the exported folder."""
    network = trained(folder, *arguments, **settings)
    run(folder)
    return network, folder / "export"


def run(folder):
    export_model.main(
        model=folder / "run/ft_model.pt",
        metrics=[folder / "run/defect/metrics.json"],
        backbone=folder / "backbone/backbone.json",
        card=folder / "card.json",
        dataset=folder / "dataset.json",
        folder=folder / "export",
    )


def example(modality):
    torch.manual_seed(1)
    if modality == "image":
        return torch.randn(2, 3, 160, 160)
    if modality == "text":
        ids = torch.randint(5, len(WORDS), (2, 6))
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return torch.randn(2, WIDTHS["vector"])


def samples(folder, modality):
    if modality == "image":
        paths = [folder / f"{i}.png" for i in range(2)]
        for i, path in enumerate(paths):
            noise = np.random.default_rng(i).integers(0, 255, (200, 170, 3), dtype=np.uint8)
            Image.fromarray(noise).save(path)
        return paths
    return ["good cells", "crack [SEP] crack"] if modality == "text" else np.eye(2, WIDTHS["vector"])


def front_matter(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    return yaml.safe_load(text.split("---\n")[1]), text


@pytest.mark.parametrize("modality", SPECS)
def test_the_loaded_model_gives_identical_logits(modality, tmp_path):
    network, folder = export(tmp_path, modality)
    with torch.inference_mode():
        wanted = network(example(modality))["defect"]
        found = load_exported(folder)(example(modality))["defect"]
    assert torch.equal(wanted, found)


@pytest.mark.parametrize("modality", SPECS)
def test_equal_models_give_equal_bytes(modality, tmp_path):
    files = []
    for name in ("one", "two"):
        _, folder = export(tmp_path / name, modality)
        files.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert files[0] == files[1]


def test_every_tensor_is_in_the_weights_and_no_fold_head_is(tmp_path):
    network, folder = export(tmp_path, "image")
    assert set(load_file(folder / "model.safetensors")) == set(network.state_dict())


def test_tensors_that_share_memory_are_written_whole():
    tied = torch.arange(4.0)
    found = export_model.weights({"a": tied, "b": tied[:2], "c": tied.view(2, 2).T})
    from safetensors.torch import load

    assert {name: tensor.tolist() for name, tensor in load(found).items()} == {
        "a": [0, 1, 2, 3],
        "b": [0, 1],
        "c": [[0, 2], [1, 3]],
    }


def test_probabilities_are_calibrated_and_images_are_preprocessed_as_in_training(tmp_path):
    from graft.data import images

    network, folder = export(tmp_path, "image")
    paths = samples(tmp_path, "image")
    settings = SPECS["image"]["preprocessing"]
    pixels = [images.fit(images.decode(path.read_bytes()), 160, "crop", 0.875, "bicubic") for path in paths]
    batch = torch.from_numpy(np.stack(pixels)).float().permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        logits = network((batch - settings["mean"][0]) / settings["std"][0])["defect"]
    table = predict(load_exported(folder), paths)["defect"]
    chances = table[[f"prob_{name}" for name in CLASSES]].to_numpy()
    assert chances == pytest.approx(torch.softmax(logits.double() / 1.7, 1).numpy(), abs=1e-5)
    assert list(table["predicted"]) == [CLASSES[i] for i in chances.argmax(1)]


def test_texts_that_spell_a_special_token_are_text(tmp_path):
    network, folder = export(tmp_path, "text")
    table = predict(load_exported(folder), ["crack", "crack [SEP]", "crack"])["defect"]
    columns = [name for name in table if name.startswith("prob_")]
    assert table.loc[0, columns].to_numpy(float) == pytest.approx(table.loc[2, columns].to_numpy(float))
    spelled = {"input_ids": torch.tensor([[2, 6, 3, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.int64)}
    with torch.inference_mode():
        special = torch.softmax(network(spelled)["defect"].double() / 1.7, 1)[0].numpy()
    assert not np.allclose(table.loc[1, columns].to_numpy(float), special, atol=1e-6)


def test_values_come_back_in_the_unit_of_the_target(tmp_path):
    network, folder = export(tmp_path, "vector", "regression")
    rows = samples(tmp_path, "vector")
    with torch.inference_mode():
        outputs = network(torch.tensor(rows, dtype=torch.float32))["defect"][:, 0]
    table = predict(load_exported(folder), rows)["defect"]
    assert table["predicted"].to_numpy() == pytest.approx((outputs * 2 + 10).numpy(), abs=1e-5)
    assert set(table["std"]) == {0.5}


def test_no_samples_give_no_answers(tmp_path):
    _, folder = export(tmp_path, "vector")
    assert len(predict(load_exported(folder), [])["defect"]) == 0


@pytest.mark.parametrize("modality", SPECS)
def test_the_lines_of_the_card_run_as_they_stand(modality, tmp_path, monkeypatch, capsys):
    _, folder = export(tmp_path, modality)
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL).group(1)
    assert len([line for line in code.splitlines() if line]) <= 6
    write_text(tmp_path / "lines.py", code)
    monkeypatch.chdir(folder)
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save("image.png")
    runpy.run_path(str(tmp_path / "lines.py"))
    assert "predicted" in capsys.readouterr().out


def test_the_card_states_the_test_results_and_the_classes_in_order(tmp_path):
    _, folder = export(tmp_path, "image")
    facts, text = front_matter(folder)
    assert (facts["license"], facts["library_name"], facts["pipeline_tag"]) == (
        "apache-2.0",
        "graft",
        "image-classification",
    )
    (entry,) = facts["model-index"]
    values = {metric["type"]: metric["value"] for one in entry["results"] for metric in one["metrics"]}
    assert values["accuracy"] == 0.812 and values["roc_auc"] == 0.812
    assert "| accuracy | 0.812 (0.762 to 0.852) |" in text
    assert [text.index(f"`{name}`") for name in CLASSES] == sorted(text.index(f"`{name}`") for name in CLASSES)
    assert "60 train, 20 validation, 20 test" in text


def test_no_path_of_this_machine_is_exported(tmp_path):
    _, folder = export(tmp_path, "image", source="path")
    assert read_json(folder / "config.json")["backbone"]["source"] == {"path": "weights"}
    for path in folder.iterdir():
        assert b"/lab/me" not in path.read_bytes() and str(tmp_path).encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("licence", "written"),
    [
        ("MIT", {"license": "mit"}),
        ("Our Own, v2", {"license": "other", "license_name": "our-own-v2"}),
        (None, {}),
        (" ", {}),
    ],
)
def test_licences_are_spelled_as_hubs_know_them(licence, written):
    assert licence_of({"licence": licence}) == written


def test_labels_and_preprocessing_stand_beside_the_weights(tmp_path):
    _, folder = export(tmp_path, "image")
    assert read_json(folder / "labels.json")["targets"]["defect"] == {"kind": "classification", "classes": CLASSES}
    facts = read_json(folder / "preprocessor_config.json")
    assert facts["image_mean"] == [0.5] * 3 and facts["resample"] == 3
    assert facts["size"] == {"shortest_edge": 183} and facts["crop_size"] == {"height": 160, "width": 160}
    assert facts["rescale_factor"] == pytest.approx(1 / 255)


def smooth(low, high):
    """An image in which the place of every pixel can be told by its value, from `low` to `high`."""
    y, x = np.mgrid[0:1:200j, 0:1:170j]
    return low + (high - low) * np.stack([y, x, (x + y) / 2], axis=2)


@pytest.mark.parametrize("fit", ["crop", "squash"])
@pytest.mark.parametrize(("dtype", "ends"), [("uint8", [0, 255]), ("uint16", [300, 40300]), ("float32", [-2.0, 3.0])])
def test_the_hubs_image_processor_makes_the_same_input_of_what_is_stated(fit, dtype, ends, tmp_path):
    """The hub resizes and then cuts: less than a pixel beside what graft does, and all values are those of the text."""
    from transformers import CLIPImageProcessor

    from graft.embedding.input_batches import ImageInputs, images, pixel_scale

    transform = {**IMAGE, "size": 64, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3], "fit": fit}
    form = {"dtype": dtype, "range": ends, "channels": 3, "frames": "error"}
    image = smooth(*ends).astype(dtype)
    found = CLIPImageProcessor(**export_model.preprocessor(transform, form))(
        images=image.astype(np.float32), return_tensors="pt", input_data_format="channels_last", do_convert_rgb=False
    )["pixel_values"]
    ours = ImageInputs.__new__(ImageInputs)
    ours.scale, ours._on_device = pixel_scale(transform, form), {}
    wanted = ours.prepare(torch.from_numpy(images.to_input(image, form, transform))[None], "cpu")
    pixel = 1 / 64 / 0.2  # how much a pixel differs from its neighbour
    assert found.shape == wanted.shape and (found - wanted).abs().max() < pixel


def test_what_the_hub_cannot_say_is_said_in_words(tmp_path):
    form = {"dtype": "uint16", "range": [300, 40300], "channels": 3, "bands": [4, 3, 2], "frames": "error"}
    facts = export_model.preprocessor({**IMAGE, "fit": "pad"}, form)
    assert (facts["size"], facts["do_pad"], facts["do_center_crop"]) == ({"longest_edge": 32}, True, False)
    said = " ".join(facts["unsaid"])
    for words in ("16 bits", "300 is black and 40300 is white", "bands 4, 3, 2", "not measured", "black square (300)"):
        assert words in said
    _, folder = export(tmp_path, "image")
    assert "## How samples are read" in (folder / "README.md").read_text()


def test_a_bad_sample_is_said_beside_the_answers_to_the_others(tmp_path):
    _, folder = export(tmp_path / "images", "image")
    good, other = samples(tmp_path, "image")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:200])
    Image.fromarray(np.full((9, 9), 40000, np.uint16)).save(tmp_path / "deep.png")
    (tmp_path / "link.png").symlink_to(other)
    paths = [good, tmp_path / "cut.png", tmp_path / "none.png", tmp_path / "deep.png", tmp_path / "link.png"]
    table = predict(load_exported(folder), paths)["defect"]
    assert table["predicted"].notna().tolist() == [True, False, False, False, True]
    for place, words in ((1, "truncated"), (2, "no such file"), (3, "16-bit pixels, and the model learned from 8-bit")):
        assert words in table["problem"][place]
    alone = predict(load_exported(folder), [other])["defect"]
    assert table["confidence"][4] == pytest.approx(alone["confidence"][0], abs=1e-5)


def test_vectors_and_texts_that_cannot_be_taken_are_said_beside_the_others(tmp_path):
    _, folder = export(tmp_path / "vectors", "vector")
    table = predict(load_exported(folder), [[0.1] * 5, [0.1] * 4, [0.1, 0.2, np.nan, 0.4, 0.5]])["defect"]
    assert table["problem"][1] == "4 features, and the model learned from 5" and "feature 3" in table["problem"][2]
    assert table["predicted"].notna().tolist() == [True, False, False]
    _, folder = export(tmp_path / "texts", "text")
    table = predict(load_exported(folder), ["crack", None, " "])["defect"]
    assert table["predicted"].notna().tolist() == [True, False, False]
    assert table["problem"][2] == "the text is empty"


def test_what_is_no_list_of_samples_is_refused(tmp_path):
    _, folder = export(tmp_path, "vector")
    model = load_exported(folder)
    with pytest.raises(UserError, match="not in a list"):
        predict(model, "a.png")
    with pytest.raises(UserError, match="no vectors of numbers"):
        predict(model, [["a"] * 5])
    with pytest.raises(UserError, match="2 features, and the model learned from 5"):
        predict(model, np.zeros((1, 2)))


def test_a_tokenizer_goes_with_texts_alone(tmp_path):
    _, text = export(tmp_path / "text", "text")
    _, image = export(tmp_path / "image", "image")
    assert (text / "vocab.txt").is_file() and not (image / "vocab.txt").exists()


def test_files_of_an_earlier_export_do_not_stay(tmp_path):
    trained(tmp_path, "vector")
    write_text(tmp_path / "export/old.bin", "x")
    run(tmp_path)
    assert not (tmp_path / "export/old.bin").exists()


def test_damaged_exports_are_refused_with_a_message(tmp_path):
    _, folder = export(tmp_path, "vector")
    whole = (folder / "model.safetensors").read_bytes()
    for damaged in (whole[:-4], b"", b"\xff" * 100):
        (folder / "model.safetensors").write_bytes(damaged)
        with pytest.raises(UserError, match="exported graft model"):
            load_exported(folder)
    (folder / "model.safetensors").write_bytes(whole)
    write_json(folder / "config.json", {"format": 1})
    with pytest.raises(UserError, match="exported graft model"):
        load_exported(folder)


def test_an_image_that_is_not_there_is_named(tmp_path):
    _, folder = export(tmp_path, "image")
    with pytest.raises(UserError, match="missing.png"):
        predict(load_exported(folder), [tmp_path / "missing.png"])
