"""What runs a network forward: OpenVINO's outputs are those of torch, a network is converted once, and no connection is opened."""

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from assets import backbone
from graft.common.device import processor
from graft.common.errors import UserError
from graft.common.outputs import read_json, sha256_of_file, write_json
from graft.data.prepare import write
from graft.data.readers import complete
from graft.embedding import engines, features
from graft.embedding.engines import openvino, verdicts
from graft.embedding.input_batches import open_inputs, open_source
from graft.embedding.texts import embed_texts
from graft.networks import words
from graft.networks.augment import draw_views
from graft.networks.backbones import tokenizer
from graft.serving.new_predictions import embed_new
from graft.store import Store
from processor import needs_bf16
from tiny_data import THREE_WAY, prepared, text_table

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SIDE = 64
TEXTS = [
    "a cell",
    "the cells of a solar panel are cracked in many places",
    "spectra",
    "one two three four five six seven",
]


def card(dtype="uint8", high=255, channels=1):
    image = {"dtype": dtype, "channels": channels, "range": [0, high]}
    return {"dataset": "d", "reader": "folder", "modality": "image", "image": image}


def pictures(folder, count=12, mode="L", scale=1):
    """Smooth pictures, their rows, and where they are."""
    (folder / "root").mkdir(parents=True)
    rows = []
    for i in range(count):
        shape = (6, 6, 3) if mode == "RGB" else (6, 6)
        coarse = np.random.default_rng(i).integers(0, 255, shape, dtype=np.uint8)
        image = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        path = folder / "root" / f"{i}.png"
        (image if scale == 1 else Image.fromarray(np.asarray(image, np.uint16) * scale)).save(path)
        rows.append({"sample_id": path.name, "path": path.name, "row": -1, "content_sha256": sha256_of_file(path)})
    write_json(folder / "dataset.json", {"root": "root"})
    form = card("uint16", 255 * scale) if scale > 1 else card(channels=3 if mode == "RGB" else 1)
    return pd.DataFrame(rows), open_source(folder / "dataset.json", {}, form)


def lite0():
    """The real EfficientNet-Lite0, at a small input size so that the test is fast."""
    one = features.pretrained(backbone("effnet-lite0"), card())
    one.spec["preprocessing"] |= {"size": SIDE}
    return one


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Pictures, and a store that has EfficientNet-Lite0 converted, in float32 and in bfloat16."""
    folder = tmp_path_factory.mktemp("engines")
    made = pictures(folder)
    store = Store(folder / "store")
    exact, _ = features.embed(*made, lite0(), store, "fp32", engine="torch")
    for precision in ("fp32", "bf16"):
        features.embed(*made, lite0(), store, precision, engine="auto")
    return made, store, exact


def cosine(first, second):
    return (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)


def kinds_of(store):
    """The keys of the store's embeddings and converted networks."""
    return [read_json(folder / "key.json") | {"kind": folder.parent.name} for folder in store.tables()]


@pytest.mark.parametrize(("mode", "scale"), [("L", 1), ("RGB", 1), ("L", 257)])
def test_a_converted_network_gives_the_embeddings_of_torch(tmp_path, mode, scale):
    made = pictures(tmp_path, mode=mode, scale=scale)
    exact, _ = features.embed(*made, lite0(), Store(tmp_path / "one"), "fp32", engine="torch")
    found, counts = features.embed(*made, lite0(), Store(tmp_path / "two"), "fp32", engine="openvino")
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-4)
    assert counts["forwards"] == 12


def test_bfloat16_is_within_cosine_0_999_of_float32(lab):
    made, store, exact = lab
    rounded, _ = features.embed(*made, lite0(), store, "bf16", engine="auto")
    assert cosine(rounded, exact).min() > 0.999


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
def test_an_image_has_the_same_embedding_to_the_bit_in_any_batch_and_with_any_threads(lab, precision):
    made, store, _ = lab
    inputs = open_inputs(*made, lite0(), store)
    runs = []
    for threads, sizes in ((1, 12), (2, 5), (2, 1)):
        engine = features.engine_for(*made, lite0(), store, precision, threads=threads, engine="openvino")
        parts = [np.arange(start, min(start + sizes, 12)) for start in range(0, 12, sizes)]
        runs.append(np.concatenate([engine.run(inputs, part) for part in parts]))
    assert np.array_equal(runs[0], runs[1]) and np.array_equal(runs[0], runs[2])


def test_what_is_padded_is_neither_attended_to_nor_pooled(tmp_path):
    encoder = features.pretrained(backbone("minilm"), {})
    exact, _ = embed_texts(TEXTS, encoder, Store(tmp_path / "torch"), "fp32")
    together, forwards = embed_texts(TEXTS, encoder, Store(tmp_path / "one"), "fp32", engine="openvino")
    np.testing.assert_allclose(together, exact, atol=1e-5)
    alone, _ = embed_texts(TEXTS[:1], encoder, Store(tmp_path / "two"), "fp32", engine="openvino")
    np.testing.assert_allclose(alone[0], together[0], atol=1e-5)
    assert forwards == len(TEXTS)


def test_views_are_those_that_torch_sees(lab):
    made, store, _ = lab
    inputs, contents = open_inputs(*made, lite0(), store), list(made[0]["content_sha256"])
    views = draw_views("dihedral", contents, (0, 1))
    found = [
        features.forward(features.engine_for(*made, lite0(), store, "fp32", engine=name), inputs, views=views)[0]
        for name in ("torch", "openvino")
    ]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-3, atol=1e-3)
    plain, _ = features.forward(features.engine_for(*made, lite0(), store, "fp32", engine="openvino"), inputs)
    assert not np.allclose(found[1], plain, atol=1e-2)


def test_a_network_is_converted_once_and_the_key_says_what_made_a_value(lab, monkeypatch, tmp_path):
    made, store, _ = lab
    monkeypatch.setattr(openvino, "convert", lambda *_: pytest.fail("converted again"))
    again, counts = features.embed(*made, lite0(), store, "fp32", engine="openvino")
    assert counts["forwards"] == 0
    shared, counts = features.embed(*made, lite0(), Store(tmp_path / "own", shared=store.root), "fp32", engine="auto")
    assert counts["forwards"] == 0 and np.array_equal(shared, again)
    keys = kinds_of(store)
    assert {(key["engine"], key["precision"]) for key in keys if key["kind"] == "embeddings"} >= {
        ("torch", "fp32"),
        ("openvino", "fp32"),
    }
    converted = [key for key in keys if key["kind"] == "networks"]
    assert {key["precision"] for key in converted} == {"fp32", "bf16"}
    assert {key["processor"] for key in converted} == {processor()}


class Rounding(torch.nn.Module):
    """What bfloat16 cannot tell: differences of numbers that are far larger."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 1, bias=False)

    def forward(self, pixels):
        return (self.conv(pixels + 1000) - self.conv(torch.full_like(pixels, 1000))).mean((2, 3))


@needs_bf16
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_network_that_bfloat16_spoils_is_run_in_float32_and_tried_once(tmp_path, engine, caplog):
    caplog.set_level(logging.INFO, logger="graft")
    torch.manual_seed(0)
    made, one, network, store = pictures(tmp_path), lite0(), Rounding(), Store(tmp_path / "store")
    one.spec["width"], one.network = 4, lambda: network
    found, counts = features.embed(*made, one, store, "bf16", engine=engine)
    exact, _ = features.embed(*made, one, Store(tmp_path / "exact"), "fp32", engine="torch")
    assert counts["forwards"] == 12 and cosine(found, exact).min() > 0.999
    (key,) = (key for key in kinds_of(store) if key["kind"] == "embeddings")
    assert (key["engine"], key["precision"]) == (engine, "fp32")
    one.network = lambda: pytest.fail("tried again")
    _, counts = features.embed(*made, one, store, "bf16", engine=engine)
    assert counts["forwards"] == 0 and caplog.text.count("cosine") == 1


def test_a_network_that_is_not_close_to_float32_runs_in_torch_and_is_tried_once(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger="graft")
    made, store = pictures(tmp_path), Store(tmp_path / "store")
    monkeypatch.setattr(openvino, "CLOSE", 1.1)
    features.embed(*made, lite0(), store, "fp32", engine="auto")
    assert "torch runs the network, since its cosine with float32 is below 1.1 (fp32 1.00000)" in caplog.text
    monkeypatch.setattr(openvino, "convert", lambda *_: pytest.fail("converted again"))
    _, counts = features.embed(*made, lite0(), store, "fp32", engine="auto")
    assert counts["forwards"] == 0
    assert [key["engine"] for key in kinds_of(store) if key["kind"] == "embeddings"] == ["torch"]


class Sorting(torch.nn.Module):
    """What tracing cannot follow: the numbers decide what is computed."""

    def forward(self, pixels):
        bright = [pixels[i].mean() > 0 for i in range(len(pixels))]
        return torch.stack([one.mean((1, 2)) * (1 if up else -1) for one, up in zip(pixels, bright, strict=True)])


def test_a_network_that_cannot_be_converted_runs_in_torch(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="graft")
    made, one = pictures(tmp_path), lite0()
    one.spec["width"], one.network = 3, Sorting
    found, _ = features.embed(*made, one, Store(tmp_path / "store"), "fp32", engine="auto")
    exact, _ = features.embed(*made, one, Store(tmp_path / "other"), "fp32", engine="torch")
    assert "torch runs the network, since" in caplog.text and np.array_equal(found, exact)


def test_without_room_for_the_converted_form_each_job_converts_the_network_and_finds_the_same(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="graft")
    made, small = pictures(tmp_path), Store(tmp_path / "store", max_gb=1e-3)
    found, counts = features.embed(*made, lite0(), small, "fp32", engine="auto")
    assert counts["forwards"] == 12 and "no room for the converted network" in caplog.text and small.size() < 1e6
    wanted, _ = features.embed(*made, lite0(), Store(tmp_path / "other"), "fp32", engine="auto")
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_job_whose_share_is_empty_tries_no_network(tmp_path, engine):
    rows, source = pictures(tmp_path)
    one = lite0()
    one.network = lambda: pytest.fail("a network was loaded")
    found, counts = features.embed(rows[:0], source, one, Store(tmp_path / "store"), "bf16", engine=engine)
    assert found.shape == (0, 1280) and counts["forwards"] == 0


def test_a_sample_that_is_gone_is_an_error_and_no_verdict_on_the_network(tmp_path):
    rows, source = pictures(tmp_path)
    store = Store(tmp_path / "store")
    (source.root / "3.png").rename(tmp_path / "3.png")
    with pytest.raises(Exception, match="no such file"):
        features.embed(rows, source, lite0(), store, "fp32", engine="auto")
    (tmp_path / "3.png").rename(source.root / "3.png")
    made_by, _ = features.embed_missing(rows, source, lite0(), store, "fp32", engine="auto")
    assert made_by["engine"] == "openvino"


def test_a_converted_network_that_was_damaged_is_named(tmp_path):
    made, store = pictures(tmp_path), Store(tmp_path / "store")
    features.embed(made[0][:2], made[1], lite0(), store, "fp32", engine="openvino")
    (weights,) = store.root.glob("networks/*/*.bin")
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match="is not the network that was converted"):
        features.embed(*made, lite0(), store, "fp32", engine="openvino")
    engine = features.engine_for(*made, lite0(), store, "fp32", engine="openvino")
    weights.unlink()
    with pytest.raises(UserError, match="was cleared from the store"):
        engine.run(open_inputs(*made, lite0(), store), np.arange(2))


def test_of_two_jobs_that_convert_at_once_both_take_what_the_first_found(lab, tmp_path, monkeypatch):
    made, _, _ = lab
    store, convert, found = Store(tmp_path), openvino.convert, []

    def slower(*arguments):
        files, verdict = convert(*arguments)
        if not found:
            found.append(verdict | {"precision": None, "network": None, "why": "the other job said so"})
            (folder,) = store.root.glob("networks/*")
            write_json(folder / verdicts.FILE, found[0])
        return files, verdict

    monkeypatch.setattr(openvino, "convert", slower)
    engine = features.engine_for(*made, lite0(), store, "fp32", engine="openvino")
    assert engine.made_by["engine"] == "torch"


@pytest.mark.parametrize(
    ("engine", "device", "converts_from", "samples", "expected"),
    [
        ("auto", None, 0, 1, "openvino"),
        ("auto", torch.device("cpu"), 0, 1, "openvino"),
        ("auto", torch.device("cuda"), 0, 10**6, "torch"),
        ("openvino", torch.device("cuda"), 0, 10**6, "torch"),
        ("auto", None, 500, 499, "torch"),
        ("auto", None, 500, 500, "openvino"),
        ("openvino", None, 500, 1, "openvino"),
        ("torch", None, 0, 10**6, "torch"),
    ],
)
def test_the_rule_takes_the_number_of_samples_and_the_kind_of_network(engine, device, converts_from, samples, expected):
    assert engines.wanted(engine, device, converts_from, samples) == expected


def test_converting_a_trained_network_pays_sooner_with_depthwise_convolutions():
    convolutions = [torch.nn.Conv2d(8, 8, 3, groups=8), torch.nn.Conv2d(8, 8, 3), torch.nn.Conv2d(1, 1, 3)]
    found = [engines.converts_from(one.state_dict()) for one in convolutions]
    assert found == [500, 2000, 2000]


def run(code, *arguments, **env):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env={"PYTHONPATH": str(SCRIPTS), **env})


EMBED = """
import pandas as pd
from pathlib import Path
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.store import Store
folder, weights, store = map(Path, sys.argv[1:4])
rows, card = pd.read_json(folder / "rows.json"), json.loads((folder / "card.json").read_text())
one = features.pretrained(weights, card)
one.spec["preprocessing"] |= {"size": 64}
made_by, counts = features.embed_missing(
    rows, open_source(folder / "dataset.json", {}, card), one, Store(store), "fp32", engine="auto"
)
print(json.dumps([made_by["engine"], counts["forwards"], "torch" in sys.modules]))
"""


def written(folder):
    rows, source = pictures(folder)
    rows.to_json(folder / "rows.json")
    write_json(folder / "card.json", source.card)
    return folder, backbone("effnet-lite0")


def test_a_job_whose_network_is_converted_imports_no_torch(lab, tmp_path):
    _, store, _ = lab
    made = written(tmp_path)
    rows = pd.read_json(tmp_path / "rows.json")
    Image.new("L", (SIDE, SIDE)).save(tmp_path / "root" / "0.png")  # a sample that the store lacks
    rows.loc[0, "content_sha256"] = sha256_of_file(tmp_path / "root" / "0.png")
    rows.to_json(tmp_path / "rows.json")
    done = run("import json, sys\n" + EMBED, *made, store.root)
    assert done.stdout.strip() == '["openvino", 1, false]', done.stderr[-2000:]


EMBED_TEXTS = """
import json, sys
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.data.samples import read_manifest
from graft.store import Store
folder, weights, store = sys.argv[1:4]
manifest = read_manifest(folder + "/samples.parquet")
made_by, counts = features.embed_missing(
    manifest.frame.head(int(sys.argv[4])),
    open_source(folder + "/dataset.json", json.loads(open(folder + "/entry.json").read()), manifest.card),
    features.pretrained(weights, manifest.card), Store(store), "fp32", engine="auto",
)
print(json.dumps([made_by["engine"], counts["forwards"], "torch" in sys.modules]))
"""


def test_a_job_whose_text_network_is_converted_imports_no_torch(tmp_path):
    entry, folder = (
        {**THREE_WAY, **text_table(tmp_path / "root")},
        shutil.copytree(backbone("minilm"), tmp_path / "minilm"),
    )
    (folder / words.FILE).write_bytes(words.facts_of(tokenizer(folder)))
    names = {"samples": "samples.parquet", "labels": "labels.json", "card": "data_card.json"}
    write(prepared(tmp_path / "root", **entry), {key: tmp_path / name for key, name in names.items()})
    write_json(tmp_path / "dataset.json", {"root": "root"})
    write_json(tmp_path / "entry.json", complete(entry))
    for count, forwards, torch_is_there in ((6, 6, True), (12, 6, False)):  # first the network is converted
        done = run(EMBED_TEXTS, tmp_path, folder, tmp_path / "store", count)
        assert json.loads(done.stdout) == ["openvino", forwards, torch_is_there], done.stderr[-2000:]


REFUSING = """
import json, sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        print("CONNECTION", event, arguments)
sys.addaudithook(refuse)
"""


def test_converting_and_running_open_no_connection_and_leave_nothing_in_the_home_folder(tmp_path):
    (tmp_path / "home").mkdir()
    made = written(tmp_path / "data")
    done = run(REFUSING + EMBED, *made, tmp_path / "store", HOME=str(tmp_path / "home"), TORCH_HOME=str(tmp_path))
    assert done.stdout.strip() == '["openvino", 12, true]', done.stderr[-2000:]
    assert not list((tmp_path / "home").rglob("*telemetry*"))


MISSING = """
import json, sys
from importlib.machinery import PathFinder
there = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more, **named: None if name == "openvino" else there(name, *more, **named)
"""


def test_where_openvino_is_not_installed_torch_serves(tmp_path):
    made = written(tmp_path / "data")
    done = run(MISSING + EMBED, *made, tmp_path / "store")
    assert done.stdout.strip() == '["torch", 12, true]', done.stderr[-2000:]


def test_new_samples_are_embedded_by_the_network_that_the_labs_store_has_converted(lab, monkeypatch):
    """That of a linear head is the pretrained one: no library builds it, and nothing is written into the lab's store."""
    (rows, source), store, _ = lab
    pretrained, before = lite0(), sorted(store.root.rglob("*"))
    digests = {"backbone": pretrained.weights}
    content = {
        "backbone": pretrained.spec,
        "digests": digests,
        "frozen": True,
        "state_dict": pretrained.network().state_dict(),
    }
    trained = features.trained(content, None)
    trained.network = None  # would fail, were it called
    found, reasons = embed_new(rows, source, trained, "bf16", store=store.root)
    wanted, _ = features.embed(rows, source, pretrained, store, "bf16", engine="auto")
    assert np.array_equal(found, wanted) and reasons == [None] * len(rows)
    assert sorted(store.root.rglob("*")) == before


def test_a_trained_network_is_converted_from_more_samples_on_than_the_pretrained_one(lab):
    pretrained = lite0()
    content = {
        "backbone": pretrained.spec,
        "digests": {"backbone": "1"},
        "state_dict": pretrained.network().state_dict(),
    }
    froms = [features.trained({**content, "frozen": frozen}, None).converts_from for frozen in (True, False)]
    assert froms == [0, engines.CONVERTS_FROM["depthwise"]]
