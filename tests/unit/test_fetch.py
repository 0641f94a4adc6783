"""What graft fetches is what the source holds, whatever the network does, and it stays that."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import requests
import timm
import torch
from safetensors.torch import save
from torchvision.models import ResNet18_Weights, resnet18
from transformers import BertConfig, BertModel

import assets
from graft.common.errors import UserError
from graft.common.outputs import digest_of, read_json, sha256_of_file
from graft.fetch import download as downloads
from graft.fetch import lock_file
from graft.fetch.backbones import fetch_backbone
from graft.fetch.datasets import fetch_dataset
from graft.fetch.download import download
from graft.networks import backbones
from loopback import add_repository, serve

CONTENT = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def server():
    with serve({"/data.bin": CONTENT}) as state:
        yield state


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE", 0.01)


@pytest.fixture
def hub(server, monkeypatch, tmp_path):
    """The server as the Hugging Face hub, with an empty cache."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return server


def digest_file(data):
    return hashlib.sha256(data).hexdigest()


def ranges(server):
    return [headers.get("Range") for method, _, headers in server.seen if method == "GET"]


def zip_of(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return data.getvalue()


def tiny_bert():
    """Files of a tiny BERT checkpoint with a masked-language head, as the hub holds them."""
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cell", "crack", "light"]
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(words), max_position_embeddings=32, **sizes)
    state = {f"bert.{name}": tensor for name, tensor in BertModel(config).state_dict().items()}
    state["cls.predictions.bias"] = torch.zeros(len(words))
    files = {
        "config.json": json.dumps(config.to_dict()).encode(),
        "vocab.txt": "\n".join(words).encode(),
        "tokenizer_config.json": json.dumps({"tokenizer_class": "BertTokenizer", "model_max_length": 32}).encode(),
        "modeling_bert.py": b"raise SystemExit('this must never be downloaded')",
    }
    return files, state


def torch_bytes(value):
    data = io.BytesIO()
    torch.save(value, data)
    return data.getvalue()


def test_a_dropped_download_goes_on_where_it_stopped(server, tmp_path):
    server.faults["/data.bin"] = [("drop", 300_000), ("drop", 200_000)]
    path = download(f"{server.url}/data.bin", tmp_path / "data.bin")
    assert path.read_bytes() == CONTENT
    first, second, third = ranges(server)
    assert first is None
    assert 0 < int(second[6:-1]) <= 300_000
    assert int(second[6:-1]) < int(third[6:-1]) <= 500_000
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == ["data.bin"]


def test_a_later_run_goes_on_where_an_earlier_one_gave_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)
    server.faults["/data.bin"] = [("drop", 300_000)]
    with pytest.raises(UserError, match="attempts"):
        download(f"{server.url}/data.bin", tmp_path / "data.bin")
    download(f"{server.url}/data.bin", tmp_path / "data.bin")
    assert ranges(server)[1] is not None
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_file_that_changed_on_the_server_is_not_stitched_together(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)
    server.faults["/data.bin"] = [("drop", 300_000)]
    with pytest.raises(UserError):
        download(f"{server.url}/data.bin", tmp_path / "data.bin")
    server.files["/data.bin"] = CONTENT[::-1]
    assert download(f"{server.url}/data.bin", tmp_path / "data.bin").read_bytes() == CONTENT[::-1]


def test_a_file_that_shrank_on_the_server_is_fetched_anew(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "ATTEMPTS", 2)
    server.faults["/data.bin"] = [("drop", 300_000), ("drop", 1), "ignore if-range"]
    with pytest.raises(UserError):
        download(f"{server.url}/data.bin", tmp_path / "data.bin")
    server.files["/data.bin"] = b"short"
    assert download(f"{server.url}/data.bin", tmp_path / "data.bin").read_bytes() == b"short"


def test_a_body_that_ends_early_is_not_taken_for_the_file(tmp_path):
    response = SimpleNamespace(raw=io.BytesIO(b"half"))
    with pytest.raises(downloads.Dropped, match="4 of 8"):
        downloads._save(response, tmp_path / "x.part", 0, 8, "http://x/y")


def test_a_server_without_ranges_is_asked_for_the_whole_file_again(server, tmp_path):
    server.faults["/data.bin"] = [("drop", 300_000), "ignore range"]
    assert download(f"{server.url}/data.bin", tmp_path / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(server, tmp_path, status):
    server.faults["/data.bin"] = [("status", status), ("status", status)]
    assert download(f"{server.url}/data.bin", tmp_path / "data.bin").read_bytes() == CONTENT
    assert len(server.seen) == 3


def test_a_busy_server_is_left_alone_as_long_as_it_asks(server, tmp_path):
    server.faults["/data.bin"] = [("status", 429, {"Retry-After": "1"})]
    begun = time.monotonic()
    download(f"{server.url}/data.bin", tmp_path / "data.bin")
    assert time.monotonic() - begun >= 1


def test_a_creeping_connection_counts_as_dropped(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "SLOWEST", (0.3, 1000))
    server.faults["/data.bin"] = [("creep", 0.05)]  # all of it would take hours
    assert download(f"{server.url}/data.bin", tmp_path / "data.bin").read_bytes() == CONTENT
    assert len(server.seen) > 1


def test_a_silent_connection_counts_as_dropped(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", (1, 0.3))
    server.faults["/data.bin"] = [("creep", 5)]
    assert download(f"{server.url}/data.bin", tmp_path / "data.bin").read_bytes() == CONTENT


def test_two_processes_may_download_the_same_file_at_once(server, tmp_path):
    server.faults["/data.bin"] = [("pause", 2), ("pause", 2), ("pause", 2)]
    code = "import sys; from graft.fetch.download import download; download(sys.argv[1], sys.argv[2])"
    command = [sys.executable, "-c", code, f"{server.url}/data.bin", str(tmp_path / "data.bin")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert len(server.seen) == 1


def test_https_that_leads_to_http_is_refused(server, tmp_path, monkeypatch):
    class Redirect(requests.adapters.BaseAdapter):
        def send(self, request, **_):
            response = requests.Response()
            response.status_code, response.url, response.request = 302, request.url, request
            response.headers["Location"] = f"{server.url}/data.bin"
            response.raw = io.BytesIO()
            return response

        def close(self):
            pass

    session = requests.Session()
    session.mount("https://", Redirect())
    monkeypatch.setattr(downloads.requests, "Session", lambda: session)
    with pytest.raises(UserError, match="plain http"):
        download("https://weights.test/data.bin", tmp_path / "data.bin")
    assert server.seen == []


def test_a_url_source_unpacks_archives_and_keeps_other_files(server, tmp_path):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        info = tarfile.TarInfo("b/two.txt")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"two"))
    server.files |= {"/one.zip": zip_of(a__one="1"), "/two.tar.gz": tar.getvalue(), "/array.npz": zip_of(x="3")}
    entry = {"source": {"url": [f"{server.url}/{name}" for name in ("one.zip", "two.tar.gz", "array.npz", "data.bin")]}}
    fetch_dataset("d", entry, tmp_path / "out/d", tmp_path / "lock.json")
    root = tmp_path / "out/d/root"
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    assert files == ["a/one", "array.npz", "b/two.txt", "data.bin"]
    assert list(read_json(tmp_path / "out/d/dataset.json")["files"]) == files
    assert set(read_json(tmp_path / "lock.json").popitem()[1]) == {*files, "one.zip", "two.tar.gz"}
    assert not (tmp_path / "out/.downloads").exists()


def test_a_path_source_copies_nothing(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/a.csv").write_text("x")
    fetch_dataset("d", {"source": {"path": str(tmp_path / "mine")}}, tmp_path / "out/d", tmp_path / "lock.json")
    assert read_json(tmp_path / "out/d/dataset.json")["root"] == str(tmp_path / "mine")
    assert list((tmp_path / "out/d/root").iterdir()) == []
    assert not (tmp_path / "lock.json").exists()


def test_the_first_download_is_locked_and_a_changed_file_refused_from_then_on(server, tmp_path):
    entry = {"source": {"url": f"{server.url}/data.bin"}}
    fetch_dataset("d", entry, tmp_path / "out/d", tmp_path / "lock.json")
    before = (tmp_path / "lock.json").read_bytes()
    server.files["/data.bin"] = b"other"
    (tmp_path / "out/d/dataset.json").unlink()
    with pytest.raises(UserError, match="data.bin.*changed") as caught:
        fetch_dataset("d", entry, tmp_path / "out/d", tmp_path / "lock.json")
    for part in (
        sha256_of_file(tmp_path / "out/d/root/data.bin"),
        "d9298a10d1b0735837dc4bd85dac641b",
        "lock.json",
        "delete",
    ):
        assert part in str(caught.value)
    assert (tmp_path / "lock.json").read_bytes() == before
    assert (tmp_path / "out/d/root/data.bin").read_bytes() == CONTENT  # what was there is left as it was


def test_a_checksum_in_the_config_goes_before_the_lock_file(server, tmp_path):
    wrong = {"source": {"url": f"{server.url}/data.bin", "sha256": {"data.bin": "0" * 64}}}
    with pytest.raises(UserError, match="expected file"):
        fetch_dataset("d", wrong, tmp_path / "out/d", tmp_path / "lock.json")
    assert not (tmp_path / "out/d").exists()
    right = {"source": {"url": f"{server.url}/data.bin", "sha256": {"data.bin": digest_file(CONTENT).upper()}}}
    fetch_dataset("d", right, tmp_path / "out/d", tmp_path / "lock.json")
    assert not (tmp_path / "lock.json").exists()


def test_many_files_are_one_line_in_the_lock_file_and_still_checked(server, tmp_path):
    members = {f"f{i}": str(i) for i in range(300)}
    server.files["/many.zip"] = zip_of(**members)
    entry = {"source": {"url": f"{server.url}/many.zip"}}
    fetch_dataset("d", entry, tmp_path / "out/d", tmp_path / "lock.json")
    assert len(read_json(tmp_path / "lock.json").popitem()[1]) == 1
    server.files["/many.zip"] = zip_of(**(members | {"f7": "changed"}))
    with pytest.raises(UserError, match="changed"):
        fetch_dataset("d", entry, tmp_path / "out2/d", tmp_path / "lock.json")


def test_an_interrupted_fetch_leaves_the_old_folder_and_the_next_one_cleans_up(server, tmp_path):
    entry = {"source": {"url": f"{server.url}/data.bin"}}
    (tmp_path / "out/.d.partial/root").mkdir(parents=True)
    (tmp_path / "out/.d.partial/root/half.bin").write_text("half")
    (tmp_path / "out/d").mkdir()
    (tmp_path / "out/d/stale.txt").write_text("old")
    fetch_dataset("d", entry, tmp_path / "out/d", tmp_path / "lock.json")
    assert sorted(path.name for path in (tmp_path / "out/d").rglob("*")) == ["data.bin", "dataset.json", "root"]
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()] == ["d"]


def test_a_process_that_waited_takes_what_the_other_fetched(server, tmp_path):
    entry = {"source": {"url": f"{server.url}/data.bin"}}
    for _ in range(2):
        fetch_dataset("d", entry, tmp_path / "out/d", tmp_path / "lock.json")
    assert len(server.seen) == 1
    fetch_dataset("d", {**entry, "licence": "MIT"}, tmp_path / "out/d", tmp_path / "lock.json")
    assert len(server.seen) == 2


def test_a_full_disk_is_said_and_leaves_nothing_behind(server, tmp_path, monkeypatch):
    from graft.fetch import datasets

    def full(path, value):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(datasets, "write_json", full)
    with pytest.raises(UserError, match="the disk is full"):
        fetch_dataset("d", {"source": {"url": f"{server.url}/data.bin"}}, tmp_path / "out/d", tmp_path / "lock.json")
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()] == []


def test_a_wheel_is_opened_and_never_installed(tmp_path):
    folder = assets.dataset("solubility")
    assert sorted(path.name for path in (folder / "root").iterdir()) == [
        "solubility.test.sdf",
        "solubility.train.sdf",
    ]
    content = read_json(folder / "dataset.json")
    assert content["licence"].startswith("Apache")
    assert content["source"]["version"] == "0.13.0"


@pytest.mark.parametrize("format", ["safetensors", "bin", "shards"])
def test_a_hub_model_comes_at_one_commit_without_code(hub, tmp_path, format):
    files, state = tiny_bert()
    half = len(state) // 2
    parts = [dict(list(state.items())[:half]), dict(list(state.items())[half:])]
    names = [f"model-0000{i + 1}-of-00002.safetensors" for i in range(2)]
    index = {"weight_map": {key: names[i] for i, part in enumerate(parts) for key in part}}
    files |= {
        "safetensors": {"model.safetensors": save(state), "pytorch_model.bin": b"never read"},
        "bin": {"pytorch_model.bin": torch_bytes(state)},
        "shards": {
            "model.safetensors.index.json": json.dumps(index).encode(),
            **{name: save(part) for name, part in zip(names, parts, strict=True)},
        },
    }[format]
    add_repository(hub, "lab/tiny", files, commit="b" * 40)
    entry = {"library": "transformers", "source": {"huggingface": "lab/tiny", "revision": "main"}}
    fetch_backbone("t", entry, tmp_path / "out/t", tmp_path / "lock.json")
    spec = read_json(tmp_path / "out/t/backbone.json")
    assert spec["revision"] == "b" * 40
    assert spec["preprocessing"]["max_length"] == 32
    assert not [path for _, path, _ in hub.seen if path.endswith(".py")]
    assert not list((tmp_path / "out/t").rglob("*.py"))
    asked = {path.rpartition("/")[2] for method, path, _ in hub.seen if method == "GET"}
    assert ("pytorch_model.bin" in asked) == (format == "bin")
    module, reference = backbones.load(tmp_path / "out/t"), BertModel(BertConfig(**json.loads(files["config.json"])))
    reference.load_state_dict({key[5:]: value for key, value in state.items() if key.startswith("bert.")})
    batch = {"input_ids": torch.tensor([[2, 5, 6, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.int64)}
    expected = reference.eval()(**batch).last_hidden_state.mean(dim=1)
    assert torch.allclose(module(batch), expected, atol=1e-6)


def test_a_branch_of_the_hub_stays_at_the_commit_that_was_locked(hub, tmp_path):
    files, state = tiny_bert()
    add_repository(hub, "lab/tiny", files | {"model.safetensors": save(state)}, commit="b" * 40)
    entry = {"library": "transformers", "source": {"huggingface": "lab/tiny", "revision": "main"}}
    fetch_backbone("t", entry, tmp_path / "out/t", tmp_path / "lock.json")
    add_repository(hub, "lab/tiny", files | {"model.safetensors": b"moved on"}, commit="c" * 40)
    fetch_backbone("t", entry, tmp_path / "again/t", tmp_path / "lock.json")
    assert read_json(tmp_path / "again/t/backbone.json")["revision"] == "b" * 40


def test_what_the_hub_gave_once_is_there_offline(hub, tmp_path, monkeypatch):
    files, state = tiny_bert()
    add_repository(hub, "lab/tiny", files | {"model.safetensors": save(state)})
    entry = {"library": "transformers", "source": {"huggingface": "lab/tiny"}}
    fetch_backbone("t", entry, tmp_path / "out/t", tmp_path / "lock.json")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    count = len(hub.seen)
    fetch_backbone("t", entry, tmp_path / "again/t", tmp_path / "lock.json")
    assert len(hub.seen) == count
    weights = [read_json(tmp_path / folder / "t/backbone.json")["weights_sha256"] for folder in ("out", "again")]
    assert weights[0] == weights[1]


def test_a_hub_data_set_comes_without_its_script(hub, tmp_path):
    files = {"data/train-00000.parquet": b"PAR1", "README.md": b"x", "loader.py": b"raise SystemExit"}
    add_repository(hub, "lab/cells", files, kind="dataset")
    fetch_dataset("d", {"source": {"huggingface": "lab/cells"}}, tmp_path / "out/d", tmp_path / "lock.json")
    assert list(read_json(tmp_path / "out/d/dataset.json")["files"]) == ["README.md", "data/train-00000.parquet"]


@pytest.fixture
def resnet(server, monkeypatch, tmp_path):
    """A ResNet-18 checkpoint on the server, which torchvision's entry points to; gives the network and its file name."""
    torch.manual_seed(0)
    network, data = resnet18().eval(), io.BytesIO()
    torch.save(network.state_dict(), data)
    name = f"resnet18-{digest_file(data.getvalue())[:8]}.pth"
    server.files[f"/{name}"] = data.getvalue()
    weights = type(ResNet18_Weights.IMAGENET1K_V1.value)(
        url=f"{server.url}/{name}", transforms=ResNet18_Weights.IMAGENET1K_V1.transforms, meta={}
    )
    monkeypatch.setattr(ResNet18_Weights.IMAGENET1K_V1, "_value_", weights)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch-home"))
    return network, name


TORCHVISION = {"library": "torchvision", "architecture": "resnet18", "source": {"torchvision": "IMAGENET1K_V1"}}


def test_torchvision_weights_give_the_networks_own_features(resnet, server, tmp_path):
    network, name = resnet
    fetch_backbone("r", TORCHVISION, tmp_path / "out/r", tmp_path / "lock.json")
    spec = read_json(tmp_path / "out/r/backbone.json")
    assert (spec["width"], spec["files"].keys()) == (512, {name})
    assert spec["preprocessing"]["crop"] == 224 / 256
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        embedding = backbones.load(tmp_path / "out/r")(images)
        assert torch.allclose(network.fc(embedding), network(images), atol=1e-4)


def test_torchvision_weights_are_taken_from_torchs_cache_if_they_are_there(resnet, server, tmp_path):
    _, name = resnet
    place = Path(torch.hub.get_dir()) / "checkpoints" / name
    place.parent.mkdir(parents=True)
    place.write_bytes(server.files[f"/{name}"])
    fetch_backbone("r", TORCHVISION, tmp_path / "out/r", tmp_path / "lock.json")
    assert server.seen == []


def test_a_file_that_belies_the_hash_in_its_name_is_refused(resnet, server, tmp_path):
    _, name = resnet
    server.files[f"/{name}"] = server.files[f"/{name}"][::-1]
    with pytest.raises(UserError, match="not the file of its name"):
        fetch_backbone("r", TORCHVISION, tmp_path / "out/r", tmp_path / "lock.json")


@pytest.mark.parametrize("place", ["hub", "url"])
def test_timm_weights_come_from_the_hub_or_their_url(hub, tmp_path, monkeypatch, place):
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", pretrained=False).eval()
    known = timm.get_pretrained_cfg("test_resnet.r160_in1k")
    fields = {"hf_hub_id": "lab/test_resnet" if place == "hub" else None, "url": f"{hub.url}/test_resnet.pth"}
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda name, **_: type(known)(**{**vars(known), **fields}))
    add_repository(hub, "lab/test_resnet", {"model.safetensors": save(network.state_dict()), "config.json": b"{}"})
    hub.files["/test_resnet.pth"] = torch_bytes({"state_dict": network.state_dict()})
    entry = {"library": "timm", "architecture": "test_resnet", "source": {"timm": "r160_in1k"}}
    fetch_backbone("t", entry, tmp_path / "out/t", tmp_path / "lock.json")
    spec = read_json(tmp_path / "out/t/backbone.json")
    assert spec["preprocessing"]["size"] == 160
    assert spec["files"].keys() == ({"model.safetensors", "config.json"} if place == "hub" else {"test_resnet.pth"})
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = network.forward_head(network.forward_features(images), pre_logits=True)
        assert torch.allclose(backbones.load(tmp_path / "out/t")(images), expected, atol=1e-5)


def test_the_lock_file_is_the_same_in_whatever_order_assets_are_fetched(server, tmp_path):
    server.files["/b.bin"] = b"b"
    entries = {name: {"source": {"url": f"{server.url}/{name}.bin"}} for name in ("data", "b")}
    for run in (["data", "b"], ["b", "data"]):
        for name in run:
            fetch_dataset(name, entries[name], tmp_path / run[0] / name, tmp_path / f"{run[0]}.json")
    assert (tmp_path / "data.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert digest_of(read_json(tmp_path / "b.json"))


def test_jobs_that_lock_their_assets_at_once_lose_none(tmp_path):
    def check(i):
        want = SimpleNamespace(kind="dataset", name=f"d{i}", source={}, asset=f"url {i}")
        lock_file.check(tmp_path / "lock.json", want, {"a": digest_file(b"a")})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, range(40)))
    assert len(read_json(tmp_path / "lock.json")) == 40


def test_other_patterns_of_a_known_asset_are_added_to_its_lock(tmp_path):
    want = SimpleNamespace(kind="dataset", name="d", source={}, asset="package x==1")
    lock_file.check(tmp_path / "lock.json", want, {"a": "1" * 64})
    lock_file.check(tmp_path / "lock.json", want, {"b": "2" * 64})
    assert read_json(tmp_path / "lock.json") == {"dataset d: package x==1": {"a": "1" * 64, "b": "2" * 64}}


def test_untrained_weights_of_a_text_network_take_its_config_and_tokenizer_from_a_source(hub, tmp_path):
    files, state = tiny_bert()
    add_repository(hub, "lab/tiny", files | {"model.safetensors": save(state)})
    entry = {"library": "transformers", "source": {"huggingface": "lab/tiny", "random": True, "seed": 1}}
    fetch_backbone("t", entry, tmp_path / "out/t", tmp_path / "lock.json")
    weights = backbones.load(tmp_path / "out/t").network.embeddings.word_embeddings.weight
    assert not torch.equal(weights, state["bert.embeddings.word_embeddings.weight"])
    assert len(backbones.tokenizer(tmp_path / "out/t")) == 8
