"""results/handoff/: tables and index that the lab's own rules read."""

import hashlib
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import hand_off
import hand_off_embeddings
import index_results
import report_tables
from graft.common.errors import UserError
from graft.common.outputs import read_json, write_json, write_parquet, write_text
from graft.evaluation.tables import portable

CLASSES = ["intact", "defective"]


def metadata(path):
    return {key.decode(): value.decode() for key, value in pq.read_schema(path).metadata.items()}


def tables(folder, runs):
    """Prediction tables, one per (model, seed)."""
    paths = []
    for model, seed in runs:
        path = folder / f"{model}.{seed}.parquet"
        report_tables.predictions(path, CLASSES, rows=24, seed=seed, model=model)
        paths.append(path)
    return paths


def test_models_are_sorted_by_name_and_seeds_by_number(tmp_path):
    paths = tables(tmp_path, [("b.x.linear", 0), ("a.x.linear", 10), ("a.x.linear", 2)])
    hand_off.main(paths, tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")[["model", "seed"]].drop_duplicates()
    assert list(found.itertuples(index=False, name=None)) == [("a.x.linear", 2), ("a.x.linear", 10), ("b.x.linear", 0)]


def test_no_row_and_no_column_is_lost_or_changed(tmp_path):
    paths = tables(tmp_path, [("a.x.linear", 0), ("b.x.linear", 0)])
    hand_off.main(paths, tmp_path / "out.parquet")
    wanted = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), wanted)


def test_metadata_name_the_classes_and_every_model_digest(tmp_path):
    hand_off.main(tables(tmp_path, [("a.x.linear", 0), ("b.x.linear", 1)]), tmp_path / "out.parquet")
    found = metadata(tmp_path / "out.parquet")
    assert json.loads(found["classes"]) == CLASSES and found["target"] == "kind"
    assert json.loads(found["model_digests"]) == {
        "a.x.linear.seed0": "a.x.linear-0",
        "b.x.linear.seed1": "b.x.linear-1",
    }


def test_the_order_of_the_inputs_does_not_change_the_bytes(tmp_path):
    paths = tables(tmp_path, [("a.x.linear", 0), ("b.x.linear", 0)])
    hand_off.main(paths, tmp_path / "one.parquet")
    hand_off.main(paths[::-1], tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_another_order_of_the_classes_is_refused_and_every_such_table_is_named(tmp_path):
    paths = tables(tmp_path, [("a.x.linear", 0)])
    for name in ("b", "c"):
        paths.append(tmp_path / f"{name}.parquet")
        report_tables.predictions(paths[-1], CLASSES[::-1], rows=24, model=f"{name}.x.linear")
    with pytest.raises(UserError) as error:
        hand_off.main(paths, tmp_path / "out.parquet")
    assert "b.parquet" in str(error.value) and "c.parquet" in str(error.value)
    assert not (tmp_path / "out.parquet").exists()


def test_a_table_without_metadata_is_refused(tmp_path):
    frame = pd.DataFrame({"model": ["a"], "seed": [0]})
    write_parquet(tmp_path / "plain.parquet", frame)
    with pytest.raises(UserError, match="not a prediction table"):
        hand_off.main([tmp_path / "plain.parquet"], tmp_path / "out.parquet")


def features(path, ids):
    import pyarrow as pa

    flat = pa.array(np.arange(len(ids) * 3, dtype=np.float32))
    table = pa.table(
        {
            "sample_id": pa.array(ids, pa.string()),
            "content_sha256": pa.array(["0" * 64] * len(ids), pa.string()),
            "embedding": pa.FixedSizeListArray.from_arrays(flat, 3),
        }
    )
    write_parquet(path, table)


@pytest.mark.parametrize("pool", [["c"], []])
def test_embeddings_of_both_parts_are_in_one_file_and_say_where_they_come_from(tmp_path, pool):
    features(tmp_path / "labelled.parquet", ["a", "b"])
    features(tmp_path / "pool.parquet", pool)
    paths = [tmp_path / "labelled.parquet", tmp_path / "pool.parquet"]
    hand_off_embeddings.main(paths, tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["sample_id"].to_pylist() == ["a", "b", *pool]
    assert table["part"].to_pylist() == ["labelled", "labelled", *["pool"] * len(pool)]
    assert table["embedding"].to_pylist()[1] == [3.0, 4.0, 5.0]


def results(root):
    """A small results folder with one exported model and one few-shot task, and the arguments of the index."""
    name = "solar.rn50.linear"
    run, export = root / "results/finetune" / name / "seed0", root / "results/handoff/models" / name / "seed0"
    report_tables.metrics(run / "defect/metrics.json")
    write_text(run / "ft_model.pt", "weights")
    write_text(export / "model.safetensors", "weights")
    write_json(
        export / "config.json",
        {
            "name": name,
            "seed": 0,
            "dataset": "elpv",
            "method": "linear",
            "backbone": {"name": "rn50"},
            "targets": {"defect": {"kind": "classification", "classes": CLASSES}},
            "digests": {"model": "abc"},
        },
    )
    predictions = root / "results/handoff/elpv/defect/predictions.parquet"
    report_tables.predictions(predictions, CLASSES, rows=8)
    issues = root / "results/handoff/elpv/defect/label_issues.csv"
    write_text(issues, "sample_id\n")
    embeddings = root / "results/handoff/elpv/rn50.embeddings.parquet"
    features(embeddings, ["a"])
    task = root / "results/few_shot/topics.minilm.prototypes/metrics.json"
    report_tables.few_shot(task)
    zero = root / "results/zero_shot/names.minilm.similarity/metrics.json"
    report_tables.zero_shot(zero)
    data = root / "resources/datasets/elpv/dataset.json"
    write_json(data, {"name": "elpv", "source": {"path": str(root / "my data")}, "root": str(root), "licence": "CC0"})
    for part in ("labelled", "pool"):
        write_text(root / f"results/data/elpv/{part}.digest", f"{part}-digest\n")
    backbone = root / "resources/backbones/rn50/backbone.json"
    write_json(backbone, {"name": "rn50", "library": "torchvision", "source": {"torchvision": "V2"}, "licence": None})
    digests = {part: root / f"results/data/elpv/{part}.digest" for part in ("labelled", "pool")}
    return {
        "predictions": [predictions],
        "embeddings": [embeddings],
        "label_issues": [issues],
        "exports": [export / "config.json"],
        "metrics": [run / "defect/metrics.json"],
        "few_shot": [task],
        "zero_shot": [zero],
        "datasets": {"elpv": {"dataset": data, **digests}},
        "backbones": [backbone],
        "models": {name: {"lr": 0.001, "method": "linear"}},
        "tasks": {"topics.minilm.prototypes": {"ways": 5}, "names.minilm.similarity": {"method": "similarity"}},
        "output": root / "results/handoff/index.json",
    }


def artefacts(value):
    """Every artefact of an index, wherever it is."""
    if isinstance(value, dict):
        if "sha256" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from artefacts(one)


def test_every_artefact_is_where_the_index_says_with_the_digest_it_says(tmp_path):
    index_results.main(**results(tmp_path))
    found = list(artefacts(read_json(tmp_path / "results/handoff/index.json")))
    paths = {one["path"] for one in found}
    assert {
        "handoff/elpv/defect/predictions.parquet",
        "handoff/elpv/rn50.embeddings.parquet",
        "handoff/elpv/defect/label_issues.csv",
        "handoff/models/solar.rn50.linear/seed0/model.safetensors",
        "finetune/solar.rn50.linear/seed0/ft_model.pt",
        "few_shot/topics.minilm.prototypes/metrics.json",
        "zero_shot/names.minilm.similarity/metrics.json",
        "zero_shot/names.minilm.similarity/zero_shot_predictions.csv",
    } <= paths
    for one in found:
        content = (tmp_path / "results" / one["path"]).read_bytes()
        assert (one["sha256"], one["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))


def test_the_index_tells_figures_and_provenance_of_every_model(tmp_path):
    index_results.main(**results(tmp_path))
    index = read_json(tmp_path / "results/handoff/index.json")
    (model,) = index["models"]
    assert model["test"]["auroc"]["value"] == 0.8 and model["settings"]["lr"] == 0.001
    zero = next(one for one in index["tasks"] if one["task"] == "names.minilm.similarity")
    assert zero["results"]["test"]["accuracy"]["value"] == 0.8 and zero["results"]["shots_worth"][0]["words"] == "7"
    assert index["datasets"]["elpv"]["labelled"] == "labelled-digest"
    assert index["backbones"]["rn50"]["source"] == {"torchvision": "V2"}


def test_the_index_is_the_same_on_another_machine(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two place").mkdir()
    indices = []
    for place in ("one", "two place"):
        arguments = results(tmp_path / place)
        index_results.main(**arguments)
        indices.append(arguments["output"].read_bytes())
    assert indices[0] == indices[1]
    assert str(tmp_path).encode() not in indices[0]


def test_absolute_paths_of_every_kind_are_cut():
    cut = portable({"a": ["/lab/me/data", "~/data", "C:\\Users\\me\\data", "file:///lab/me/data/", "x/data"]})
    assert cut == {"a": ["data", "data", "data", "data", "x/data"]}
    assert portable({"url": "https://example.org/a/b"}) == {"url": "https://example.org/a/b"}
