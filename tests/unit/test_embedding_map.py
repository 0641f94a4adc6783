"""The map of embeddings: which samples it shows, where, and that its page is whole, the same each time, and safe."""

import base64
import hashlib
import io
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.manifold import trustworthiness

import browser
import report_tables
from graft.common.outputs import write_json, write_parquet
from graft.report.figures import embedding_map
from graft.report.maps import page, points, targets
from graft.report.pages import page as page_of
from graft.report.sources import Source
from graft.store.feature_files import write_features

EVIL = '</script><script>alert("1")</script><!-- & \u2028'


def test_few_rows_are_all_shown_and_of_many_small_strata_and_mistakes_stay_whole():
    strata = np.repeat(["large", "middle", "small"], [900, 80, 20])
    keys = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(1000)]
    first = np.arange(1000) % 50 == 0
    assert points.drawn(strata, keys, first, 1000).tolist() == list(range(1000))
    found = points.drawn(strata, keys, first, 200)
    assert len(found) == len(set(found)) == 200 and set(np.flatnonzero(first)) <= set(found)
    counts = pd.Series(strata[found]).value_counts()
    assert counts.to_dict() == {"large": 100, "middle": 80, "small": 20}
    every = points.drawn(strata, keys, np.ones(1000, bool), 300)
    assert len(every) == 300 and (strata[every] == "small").sum() == 20  # mistakes alone do not fill it


def test_which_rows_are_shown_does_not_depend_on_their_order():
    keys = np.array([hashlib.sha256(str(i).encode()).hexdigest() for i in range(500)])
    strata, first, order = np.arange(500) % 3, np.arange(500) % 7 == 0, np.random.default_rng(0).permutation(500)
    one = set(keys[points.drawn(strata, keys, first, 90)])
    other = set(keys[order][points.drawn(strata[order], keys[order], first[order], 90)])
    assert one == other


def test_neighbours_stay_neighbours_and_places_are_the_same_each_time_and_on_the_map():
    draw = np.random.default_rng(0)
    embeddings = (3 * draw.normal(size=(4, 80))[np.arange(200) % 4] + draw.normal(size=(200, 80))).astype(np.float32)
    places, how = points.positions(embeddings)
    assert how == "t-SNE" and trustworthiness(embeddings, places, n_neighbors=10) > 0.85
    assert places.min() >= 0 and places.max() <= points.SIZE
    assert (points.positions(embeddings)[0] == places).all()


@pytest.mark.parametrize("count", [1, 2, 5, 11, 40])
@pytest.mark.parametrize("width", [1, 3])
def test_few_samples_equal_samples_and_one_column_have_a_place(count, width):
    for embeddings in (np.ones((count, width), np.float32), np.random.default_rng(0).normal(size=(count, width))):
        places, _ = points.positions(embeddings)
        assert places.shape == (count, 2) and np.isfinite(places).all()
        assert places.min() >= 0 and places.max() <= points.SIZE


def source_of(folder, frame, modality="text", target="kind", card=None, predicted=True):
    """What the figure is drawn from: the table p.parquet of a model, and embeddings of all its rows."""
    table = folder / "results/finetune/solar.rn50.linear/seed0" / target / "predictions.parquet"
    table.parent.mkdir(parents=True)
    shutil.copy(folder / "p.parquet", table)
    report_tables.manifest(folder, frame, modality, card=card, rows=-1, paths=[f"{i}.txt" for i in range(len(frame))])
    truth = "label" if "label" in frame else "value"
    samples = pd.read_parquet(folder / "samples.parquet").assign(**{target: frame[truth]})
    contents = [(folder / f"{i}.txt").read_bytes() for i in range(len(frame))]
    samples["content_sha256"] = [hashlib.sha256(one).hexdigest() for one in contents]
    write_parquet(folder / "samples.parquet", samples)
    facts = {"kind": "regression"} if truth == "value" else {"kind": "classification", "classes": classes_in(frame)}
    write_json(folder / "labels.json", {"targets": {target: facts}})
    write_json(folder / "dataset.json", {"folder": str(folder)})
    parts = []
    for part, rows in samples.groupby(samples["split"].eq("pool")):
        parts.append(folder / "net" / f"{'pool' if part else 'labelled'}.parquet")
        values = np.random.default_rng(len(rows)).normal(size=(len(rows), 6)).astype(np.float32)
        parts[-1].parent.mkdir(exist_ok=True)
        write_features(parts[-1], rows, values)
    files = {"samples": folder / "samples.parquet", "dataset": folder / "dataset.json", "features": parts}
    files |= {"predictions": [table] if predicted else []}
    return Source(files, "tiny")


def classes_in(frame):
    return [name.removeprefix("prob_") for name in frame if name.startswith("prob_")]


def drawn(folder, monkeypatch, frame, load=lambda *_: "a text", **settings):
    """The page, and the data that its script reads."""
    for i in range(len(frame)):
        (folder / f"{i}.txt").write_text(f"text {i}")
    source = source_of(folder, frame, **settings)
    monkeypatch.setattr(embedding_map.readers, "settled", lambda entry, card: entry)
    monkeypatch.setattr(embedding_map.readers, "root_of", lambda path: folder)
    monkeypatch.setattr(embedding_map.readers, "opener", lambda entry, root: load)
    embedding_map.plot(source, folder / "map.html")
    text = (folder / "map.html").read_text(encoding="utf-8")
    return text, json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL).group(1))


def test_every_sample_is_a_point_with_its_labels_and_wrong_are_those_of_its_model(tmp_path, monkeypatch):
    frame = report_tables.predictions(tmp_path / "p.parquet", ["one", "two"], rows=240)
    text, data = drawn(tmp_path, monkeypatch, frame)
    assert text.count("<circle") == len(frame) + 1 and set(data["ids"]) == set(frame["sample_id"])
    (target,), rows = data["targets"], frame.set_index("sample_id").loc[data["ids"]]
    assert target["labels"] == rows["label"].fillna("no label").tolist()
    assert target["predicted"] == rows["predicted"].tolist()
    wrong = (
        (rows["label"] != rows["predicted"])
        & rows["label"].notna()
        & ((rows["split"] != "train") | (rows["fold"] >= 0))
    )
    assert target["wrong"] == np.flatnonzero(wrong).tolist() and wrong.any()
    assert [data["split"]["entries"][code][0] for code in data["split"]["codes"]] == rows["split"].tolist()
    assert "solar.rn50.linear, seed 0" in text and "colour" in text


def test_mistakes_are_those_of_the_model_that_is_best_on_validation_rows_not_on_test_rows(tmp_path):
    facts, paths = {"kind": "classification", "classes": ["one", "two"]}, []
    for name, bad in (("a.net.linear", "validation"), ("b.net.linear", "test")):
        path = tmp_path / f"finetune/{name}/seed0/kind/predictions.parquet"
        path.parent.mkdir(parents=True)
        frame = report_tables.predictions(path, ["one", "two"], rows=400, model=name)
        worse = frame["split"] == bad
        frame.loc[worse, ["prob_one", "prob_two"]] = frame.loc[worse, ["prob_two", "prob_one"]].to_numpy()
        write_parquet(path, frame, {"target": "kind", "classes": '["one", "two"]', "model_digest": name})
        report_tables.metrics(path.with_name("metrics.json"))
        paths.append(path)
    assert set(targets.best_table("kind", facts, paths)["model"]) == {"b.net.linear"}
    assert set(targets.best_table("kind", facts, paths[:1])["model"]) == {"a.net.linear"}
    assert targets.best_table("other", facts, paths) is None


def test_train_rows_that_a_model_has_learned_by_heart_are_not_judged(tmp_path, monkeypatch):
    frame = report_tables.predictions(tmp_path / "p.parquet", ["one", "two"]).assign(fold=np.int16(-1))
    write_parquet(tmp_path / "p.parquet", frame, {"target": "kind", "classes": '["one", "two"]'})
    _, data = drawn(tmp_path, monkeypatch, frame)
    names = [data["targets"][0]["mistakes"]["entries"][code][0] for code in data["targets"][0]["mistakes"]["codes"]]
    splits = frame.set_index("sample_id").loc[data["ids"], "split"]
    assert {split: set(np.array(names)[splits == split]) for split in ("train", "pool")} == {
        "train": {"not judged"},
        "pool": {"not judged"},
    }
    assert "not judged" not in np.array(names)[splits == "test"]


def test_without_a_model_there_are_no_mistakes(tmp_path, monkeypatch):
    frame = report_tables.predictions(tmp_path / "p.parquet", ["one", "two"])
    text, data = drawn(tmp_path, monkeypatch, frame, predicted=False)
    assert "mistakes" not in data["targets"][0] and 'value="mistakes"' not in text


def test_values_are_coloured_by_their_size_and_the_largest_errors_stand_out(tmp_path, monkeypatch):
    frame = report_tables.regression(tmp_path / "p.parquet")
    _, data = drawn(tmp_path, monkeypatch, frame, target="logS", modality="vector")
    (target,), rows = data["targets"], frame.set_index("sample_id").loc[data["ids"]]
    codes = np.array(target["label"]["codes"])
    means = [rows["value"].to_numpy()[codes == code].mean() for code in range(targets.BINS)]
    assert means == sorted(means) and len(target["wrong"]) == len(frame) // 10
    errors = (rows["value"] - rows["predicted"]).abs().to_numpy()
    assert errors[target["wrong"]].min() > np.delete(errors, target["wrong"]).max()
    assert data["texts"] is None and data["thumbs"] is None


def test_what_users_wrote_ends_no_script_and_is_no_markup(tmp_path, monkeypatch):
    frame = report_tables.predictions(tmp_path / "p.parquet", [EVIL, "b"], target="kind")
    frame["sample_id"] = [f"{EVIL}{i}" for i in range(len(frame))]
    write_parquet(tmp_path / "p.parquet", frame, {"target": "kind", "classes": json.dumps([EVIL, "b"])})
    text, data = drawn(tmp_path, monkeypatch, frame, load=lambda *_: EVIL)
    assert text.count("<script") == text.count("</script") == 2 and "<!--" not in text
    assert 'alert("1")' in data["ids"][0] and 'alert("1")' in data["texts"][0]
    assert EVIL.strip()[:20] in data["targets"][0]["label"]["entries"][0][0]
    assert not re.search(r"https?://", text)


def test_equal_inputs_give_equal_bytes_and_the_page_allows_its_own_script_alone(tmp_path, monkeypatch):
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        frame = report_tables.predictions(tmp_path / name / "p.parquet", ["one", "two"])
        found.append(drawn(tmp_path / name, monkeypatch, frame)[0])
    assert found[0] == found[1]
    script = re.search(r"<script>(.*?)</script>", found[0], re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in found[0]
    assert "script-src 'none';" in page_of("a", "b") and "<script" not in page_of("a", "b")


def test_each_cell_of_the_thumbnails_shows_the_image_of_its_sample(tmp_path, monkeypatch):
    frame = report_tables.predictions(tmp_path / "p.parquet", ["one", "two"], rows=30)
    load = lambda path, row, sha: np.full((20, 30, 1), 8 * int(path[:-4]), np.uint8)  # noqa: E731
    card = {"image": {"range": [0, 255]}}
    _, data = drawn(tmp_path, monkeypatch, frame, load, modality="image", card=card)
    side, columns, uri = data["thumbs"]
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))))
    for i, name in enumerate(data["ids"]):
        middle = sheet[i // columns * side + side // 2, i % columns * side + side // 2]
        assert int(middle) == pytest.approx(8 * int(name[1:]), abs=4)


def test_many_pictures_become_smaller_instead_of_a_page_too_large(monkeypatch):
    noise = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (48, 48, 3), np.uint8)) for i in range(60)]
    large = embedding_map.thumbnails([*noise, None])
    monkeypatch.setattr(embedding_map, "BYTES", len(large[2]) // 2)
    side, columns, uri = embedding_map.thumbnails([*noise, None])
    assert large[0] == 48 and side < 48 and columns == 8 and len(uri) <= len(large[2]) // 2


def test_of_many_classes_the_largest_have_colours_and_all_are_in_the_legend():
    labels = [f"c{i}" for i in range(12) for _ in range(i + 1)]
    found = targets.colours_of(labels, {"kind": "classification", "classes": [f"c{i}" for i in range(12)]})
    grey = [name for name, colour in found.items() if colour == targets.OTHER]
    assert len(found) == 13 and sorted(grey) == sorted(f"c{i}" for i in range(5))
    several = targets.colours_of(["a + b", "none"], {"kind": "multilabel", "classes": ["a", "b"]})
    assert {"a + b", "none", ""} == set(several)
    assert targets.in_words('{"has": ["a"], "unknown": ["b"]}', False) == "a"
    assert targets.in_words(np.array(["a", "b"], object), False) == "a + b"


def test_a_browser_runs_the_script_of_the_page(tmp_path, monkeypatch):
    frame = report_tables.predictions(tmp_path / "p.parquet", ["one", "two"])
    drawn(tmp_path, monkeypatch, frame)
    with browser.opened(tmp_path / "map.html", tmp_path) as page_in_it:
        names = page_in_it.ask("[...document.querySelectorAll('#legend span:not([class])')].map(one => one.innerText)")
    assert names == ["one", "two", "no label"]


def test_data_of_a_script_can_be_read_back():
    value = {"a": [EVIL, 1.5, None], "é": "</SCRIPT>"}
    text = page.as_data(value)
    assert json.loads(text) == value and not set("<>&\u2028") & set(text)
