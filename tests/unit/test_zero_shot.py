"""Zero-shot methods agree with their plain definitions; no label has a part in them that the config did not ask for."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.datasets import load_sample_images
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.metrics.pairwise import cosine_similarity

import assets
import tiny_data
import zero_shot as script
from graft import config as graft_config
from graft.common import plugins
from graft.common.errors import UserError
from graft.common.outputs import read_json, write_json
from graft.data.contents import digest_of_content
from graft.data.samples import write_manifest
from graft.embedding.features import embed, pretrained
from graft.store import Store
from graft.store.feature_files import write_features
from graft.zero_shot import judging
from graft.zero_shot.descriptions import clean, prompts
from graft.zero_shot.methods import conse, similarity
from graft.zero_shot.temperature import from_labelled, from_unlabelled
from graft.zero_shot.vectors import cosines, means

CLASSES = ["sci.med", "sci.space", "sci.crypt"]
SETTINGS = {
    "name": "topics.minilm.similarity",
    "entry": "topics",
    "target": "topic",
    "method": "similarity",
    "descriptions": None,
    "templates": None,
    "text_backbone": None,
    "calibration": "unlabelled",
    "unseen": None,
}


def test_scores_are_cosines_with_the_mean_of_a_class_s_texts():
    rng = np.random.default_rng(0)
    samples, texts = rng.normal(size=(20, 6)), {name: rng.normal(size=6) * 5 for name in "abc"}
    classes = means(lambda asked: np.array([texts[name] for name in asked]), [["a", "b"], ["c"]])
    unit = {name: vector / np.linalg.norm(vector) for name, vector in texts.items()}
    expected = cosine_similarity(samples, np.array([(unit["a"] + unit["b"]) / 2, unit["c"]]))
    np.testing.assert_allclose(cosines(samples, classes), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("names", "cleaned"),
    [
        (["sci.med", "sci.space"], ["med", "space"]),
        (["rec.sport.hockey", "rec.sport.baseball"], ["hockey", "baseball"]),
        (["sci", "sci.space"], ["sci", "sci space"]),  # nothing would be left of the first
        (["AnnualCrop", "HerbaceousVegetation", "SeaLake"], ["Annual Crop", "Herbaceous Vegetation", "Sea Lake"]),
        (["DNABinding", "mRNA_level"], ["DNA Binding", "mRNA level"]),
        (["pH7", "pH8"], ["pH7", "pH8"]),
        (["type_1", "type_2"], ["1", "2"]),
        (["0.5", "1.5"], ["0.5", "1.5"]),
        (["grade-2/3", "grade-4"], ["2 3", "4"]),
        (["a-b", "a_b", "c"], ["a-b", "a_b", "c"]),  # would be one
        (["--", "x"], ["--", "x"]),
        (["only.one"], ["only one"]),
    ],
)
def test_class_names_become_words(names, cleaned):
    assert clean(names) == cleaned


def test_every_description_is_put_into_every_template():
    settings = {**SETTINGS, "descriptions": {"a": ["x", "y"], "b": "z"}, "templates": ["{}", "a {}."]}
    assert prompts(["a", "b"], settings, similarity, "text") == {"a": ["x", "a x.", "y", "a y."], "b": ["z", "a z."]}
    assert prompts(["a", "b"], settings | {"templates": None}, similarity, "text") == {"a": ["x", "y"], "b": ["z"]}
    named = prompts(["p.a", "p.b"], SETTINGS, similarity, "text")
    assert named["p.a"] == [template.replace("{}", "a") for template in similarity.NAMED["text"]]


@pytest.mark.parametrize(
    ("change", "classes", "said"),
    [
        ({"descriptions": {"a": "x"}}, "ab", "class 'b' has no description"),
        ({"descriptions": {"apple": "x", "b": "y"}}, ["apples", "b"], "did you mean 'apples'?"),
        ({"unseen": ["c"]}, "ab", "there is no class 'c'"),
        ({"unseen": ["a", "b"]}, "ab", "every class is unseen"),
        ({}, "a", "has one class"),
    ],
)
def test_classes_that_the_data_have_and_the_config_does_not_know_are_checked_by_the_job(change, classes, said):
    with pytest.raises(UserError) as caught:
        prompts(list(classes), {**SETTINGS, **change}, similarity, "text")
    assert said in str(caught.value)


def mixture(rows=4000, classes=4, gap=1.5, spread=0.7, unit=0.01):
    """Scores of the model behind `from_unlabelled`, in any unit, and the classes."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, classes, rows)
    scores = rng.normal(size=(rows, classes)) * spread + gap * (labels[:, None] == np.arange(classes))
    return unit * (scores + rng.normal(size=(rows, 1))), labels  # a row's own level says nothing


@pytest.mark.parametrize(("classes", "gap"), [(2, 2.0), (4, 1.5), (10, 3.0)])
def test_the_temperature_without_labels_is_near_that_which_made_the_scores(classes, gap):
    scores, labels = mixture(classes=classes, gap=gap)
    found = from_unlabelled(scores)
    assert found == pytest.approx(0.01 * 0.7**2 / gap, rel=0.1)
    losses = [log_loss(labels, softmax(scores / (found * factor), axis=1)) for factor in (0.7, 1, 1.4)]
    assert losses[1] < min(losses[0], losses[2])


def test_the_temperature_without_labels_is_that_of_the_largest_likelihood():
    scores, _ = mixture(rows=300, unit=1.0)
    centred = scores - scores.mean(1, keepdims=True)
    pattern = np.eye(4) - 1 / 4

    def loss(parameters):
        gap, variance = np.exp(parameters)
        squares = ((centred[:, None] - gap * pattern) ** 2).sum(2)
        return -(logsumexp(-squares / (2 * variance), axis=1) - 3 / 2 * np.log(variance)).sum()

    best = minimize(
        loss, np.log([1.5, 0.5]), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9, "maxiter": 4000}
    )
    gap, variance = np.exp(best.x)
    assert from_unlabelled(scores) == pytest.approx(variance / gap, rel=1e-4)


def test_the_temperature_of_labelled_rows_does_not_depend_on_the_scores_unit():
    scores, labels = mixture(rows=500)
    assert from_labelled(1000 * scores, labels) == pytest.approx(1000 * from_labelled(scores, labels))
    assert from_labelled(scores, labels) == pytest.approx(0.01 * 0.7**2 / 1.5, rel=0.2)


@pytest.mark.parametrize("scores", [np.ones((5, 3)), np.zeros((0, 3)), np.array([[1.0, 0.0, 0.5]])])
def test_scores_that_say_nothing_have_a_temperature_all_the_same(scores):
    assert np.isfinite(from_unlabelled(scores)) and from_unlabelled(scores) > 0


def test_conse_mixes_the_names_of_the_most_probable_classes():
    rng = np.random.default_rng(0)
    probabilities, names = softmax(3 * rng.normal(size=(7, 30)), axis=1), rng.normal(size=(30, 5))
    for row, found in zip(probabilities, conse.mixtures(probabilities, names), strict=True):
        best = sorted(range(30), key=lambda y: -row[y])[: conse.TOP]  # the paper's eq. 3
        expected = sum(row[y] * names[y] for y in best) / sum(row[y] for y in best)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_conse_knows_photographs_by_the_names_of_imagenet(tmp_path):
    photographs = dict(zip(("palace", "flower"), load_sample_images().images, strict=True))
    for name, pixels in photographs.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    frame = pd.DataFrame({"path": [f"{name}.png" for name in photographs], "row": -1})
    frame["content_sha256"] = [digest_of_content((tmp_path / path).read_bytes(), "image") for path in frame["path"]]
    image = {"dtype": "uint8", "channels": 3, "range": [0, 255]}
    source = SimpleNamespace(entry={}, root=tmp_path, card={"modality": "image", "dataset": "p", "image": image})
    backbone, store = pretrained(assets.backbone("effnet-lite0"), source.card), Store(tmp_path / "store")
    embeddings, _ = embed(frame, source, backbone, store, "fp32")
    words = pretrained(assets.backbone("minilm"), source.card)
    settings = {**SETTINGS, "method": "conse"}
    task = script.Task(
        settings=settings,
        modality="image",
        rows=frame,
        prompts=prompts(["a_building", "a_plant", "a_car"], settings, conse, "image"),
        backbone=backbone,
        text_backbone=words,
        embeddings=embeddings,
        source=source,
        store=store,
        device=script.choose_device(0),
        precision="fp32",
    )
    scores = conse.score(task)
    assert scores.argmax(1).tolist() == [0, 1]
    assert (np.sort(scores, axis=1)[:, -1] - np.sort(scores, axis=1)[:, -2]).min() > 0.02


def test_accuracy_over_classes_and_the_harmonic_mean_are_those_of_their_definitions():
    rng = np.random.default_rng(0)
    codes, classes = rng.integers(0, 5, 400), list("abcde")
    chances = softmax(2 * (codes[:, None] == np.arange(5)) + rng.normal(size=(400, 5)), axis=1)
    found = judging.generalized(codes, chances, classes, np.full(400, None), ["d", "e"])
    unseen, said = codes >= 3, chances.argmax(1)
    parts = [np.mean([np.mean(said[codes == y] == y) for y in one]) for one in ((0, 1, 2), (3, 4))]
    assert found["seen_accuracy"]["value"] == pytest.approx(parts[0])
    assert found["unseen_accuracy"]["value"] == pytest.approx(parts[1])
    assert found["harmonic_mean"]["value"] == pytest.approx(2 * parts[0] * parts[1] / sum(parts))
    alone = balanced_accuracy_score(codes[unseen], 3 + chances[unseen, 3:].argmax(1))
    assert found["unseen_alone"]["value"] == pytest.approx(alone) and alone > parts[1]
    assert found["harmonic_mean"]["low"] < found["harmonic_mean"]["value"] < found["harmonic_mean"]["high"]


def test_one_unseen_class_alone_is_no_question():
    found = judging.generalized(np.array([0, 1, 1]), np.eye(2)[[0, 1, 0]], ["a", "b"], np.full(3, None), ["b"])
    assert found["unseen_alone"]["value"] is None and found["unseen_accuracy"]["value"] == 0.5


@pytest.mark.parametrize(
    ("value", "shots", "words"),
    [
        (0.3, None, "less than 1"),
        (0.4, 1, "1"),
        (0.5, 5**0.5, "2.2"),
        (0.6, 5, "5"),
        (0.7, 50**0.5, "7.1"),
        (0.9, None, "more than 10"),
    ],
)
def test_descriptions_are_worth_the_shots_at_which_the_curves_cross(value, shots, words):
    found, said = judging.crossing([1, 5, 10], [0.4, 0.6, 0.8], value)
    assert said == words and (found is None if shots is None else found == pytest.approx(shots))


def test_shots_are_compared_on_the_queries_of_the_episodes():
    right = pd.Series({"x": True, "y": False, "z": False})
    table = pd.DataFrame({"shots": [1] * 4 + [5] * 4, "sample_id": ["x", "x", "y", "x"] * 2, "label": "a"})
    table["predicted"] = ["a", "b", "b", "a", "a", "a", "a", "a"]
    found = judging.shots_worth(table, right)
    assert found["accuracy"] == 0.75 and found["few_shot"] == {"1": 0.5, "5": 1.0}
    assert found["shots"] == pytest.approx(5**0.5)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A prepared table of texts of three topics, its embeddings by MiniLM, and the inputs of the script."""
    folder = tmp_path_factory.mktemp("texts")
    subjects = {
        "sci.med": "the doctor treats the patient's disease with a drug",
        "sci.space": "the rocket put a satellite into orbit around the moon",
        "sci.crypt": "the cipher encrypts a message with a secret key",
    }
    lines = ["id,text,topic,part"]
    for i in range(36):
        name = CLASSES[i % 3]
        part, label = ("train", "validation", "test", "test")[i // 3 % 4], name if i < 33 else ""
        lines.append(f"s{i},{subjects[name]} number {i},{label},{part if label else ''}")
    tiny_data.write_lines(folder, *lines)
    entry = {"reader": "table", "table": "t.csv", "columns": {"id": "id", "text": "text", "split": "part"}}
    entry |= {"targets": {"topic": {"classes": CLASSES}}}
    data = tiny_data.prepared(folder, **entry)
    (folder / "data").mkdir()
    write_manifest(folder / "data/samples.parquet", data.frame, data.targets)
    write_json(folder / "data/labels.json", {"targets": data.targets})
    write_json(folder / "data/data_card.json", data.card)
    source = SimpleNamespace(entry=entry, root=folder, card=data.card)
    backbone = assets.backbone("minilm")
    embeddings, _ = embed(data.frame, source, pretrained(backbone, data.card), Store(folder / "store"), "fp32")
    write_features(folder / "features.parquet", data.frame, embeddings)
    write_json(folder / "dataset.json", {"root": str(folder)})
    inputs = {
        "samples": folder / "data/samples.parquet",
        "dataset": folder / "dataset.json",
        "backbone": backbone / "backbone.json",
        "features": [folder / "features.parquet"],
    }
    return SimpleNamespace(folder=folder, inputs=inputs, entry=entry, data=data, embeddings=embeddings)


def run(texts, folder, inputs=None, **settings):
    store = {"path": str(texts.folder / "store"), "max_gb": 1, "shared": None}
    outputs = folder / "zero_shot_predictions.csv", folder / "metrics.json"
    script.main(inputs or texts.inputs, *outputs, {**SETTINGS, **settings}, texts.entry, store, "fp32")
    return pd.read_csv(outputs[0], keep_default_na=False), read_json(outputs[1])


def test_the_table_and_the_metrics_hold_what_they_promise(texts, tmp_path):
    table, metrics = run(texts, tmp_path, unseen=["sci.med", "sci.crypt"])
    assert list(table) == [
        "sample_id",
        "split",
        "label",
        "predicted",
        "confidence",
        *(f"prob_{name}" for name in CLASSES),
    ]
    assert table["split"].value_counts().to_dict() == {"train": 9, "validation": 9, "test": 15, "pool": 3}
    chances = table[[f"prob_{name}" for name in CLASSES]].to_numpy()
    np.testing.assert_allclose(chances.sum(1), 1)
    assert (table["confidence"] == chances.max(1)).all()
    assert (table["label"][table["split"] == "pool"] == "").all()
    test = table[table["split"] == "test"]
    assert metrics["test"]["accuracy"]["value"] == (test["label"] == test["predicted"]).mean() > 0.9
    labels = test["label"].map(CLASSES.index)
    assert metrics["test"]["log_loss"]["value"] == pytest.approx(
        log_loss(labels, chances[test.index], labels=[0, 1, 2])
    )
    assert {"seen_accuracy", "unseen_accuracy", "harmonic_mean"} <= metrics["test"].keys()
    assert (
        metrics["calibration"]["by"] == "scores of rows, without their labels" and metrics["calibration"]["rows"] == 21
    )
    assert metrics["texts"]["sci.med"][0] == "med"


def relabelled(texts, folder, splits):
    """The inputs with the labels of some splits permuted."""
    frame, rng = texts.data.frame.copy(), np.random.default_rng(0)
    rows = frame.index[frame["split"].isin(splits)]
    frame.loc[rows, "topic"] = rng.permutation(frame.loc[rows, "topic"].to_numpy())
    assert (frame["topic"] != texts.data.frame["topic"]).sum() > 3
    folder.mkdir()
    write_manifest(folder / "samples.parquet", frame, texts.data.targets)
    for name in ("labels.json", "data_card.json"):
        (folder / name).write_bytes((texts.folder / "data" / name).read_bytes())
    return {**texts.inputs, "samples": folder / "samples.parquet"}


def test_all_labels_permuted_change_no_prediction(texts, tmp_path):
    before, _ = run(texts, tmp_path)
    after, metrics = run(texts, tmp_path, relabelled(texts, tmp_path / "other", ["train", "validation", "test"]))
    assert (before.drop(columns="label") == after.drop(columns="label")).all(axis=None)
    assert metrics["test"]["accuracy"]["value"] < 0.8  # the labels are others


def test_calibration_by_labels_is_asked_for_said_and_never_by_those_of_test_rows(texts, tmp_path):
    before, metrics = run(texts, tmp_path, calibration="labelled")
    assert metrics["calibration"]["by"] == "labels of validation rows" and metrics["calibration"]["rows"] == 9
    other, _ = run(texts, tmp_path, relabelled(texts, tmp_path / "test", ["test"]), calibration="labelled")
    assert (before.drop(columns="label") == other.drop(columns="label")).all(axis=None)
    flatter, _ = run(texts, tmp_path, relabelled(texts, tmp_path / "val", ["validation"]), calibration="labelled")
    assert (flatter["predicted"] == before["predicted"]).all()
    assert flatter["confidence"].mean() < before["confidence"].mean() - 0.05


def test_a_few_shot_task_of_all_classes_is_compared_and_another_is_not(texts, tmp_path):
    ids = texts.data.frame["sample_id"][texts.data.frame["split"] == "test"].tolist()
    for name, ways in (("all", 3), ("two", 2)):
        (tmp_path / name).mkdir()
        table = pd.DataFrame({"task": name, "ways": ways, "shots": 1, "episode": 0, "sample_id": ids, "label": "a"})
        table.assign(predicted="b", confidence=1.0).to_csv(tmp_path / name / "few_shot_predictions.csv", index=False)
    paths = [tmp_path / name / "few_shot_predictions.csv" for name in ("all", "two")]
    _, metrics = run(texts, tmp_path, {**texts.inputs, "few_shot": paths})
    assert [(one["task"], one["words"]) for one in metrics["shots_worth"]] == [("all", "more than 1")]
    assert "two classifies 2 of the 3 classes" in metrics["notes"][1]


@pytest.mark.parametrize("kind", ["regression", "multilabel"])
def test_a_target_without_one_class_per_sample_is_refused(kind):
    with pytest.raises(UserError, match=f"is of kind {kind}, and zero-shot learning needs one class per sample"):
        script.classes_of(SimpleNamespace(targets={"topic": {"kind": kind}}), SETTINGS)


def test_every_method_says_what_it_takes():
    for name in plugins.names("zero_shot"):
        assert plugins.constant("zero_shot", name, "READS") in ("embeddings", "texts")
        assert set(plugins.constant("zero_shot", name, "NAMED")) <= {"text", "image"}


def test_zero_shot_tasks_are_named_like_few_shot_tasks_and_dropped_from_a_quick_look():
    config = {
        "datasets": {
            "news": {"source": {"path": "."}, "table": "t.csv", "columns": {"text": "t"}, "targets": {"topic": {}}}
        },
        "zero_shot": {"words": {"dataset": "news", "backbone": "minilm"}},
    }
    plan = graft_config.make_plan(graft_config.load(config))
    assert plan.tasks["words.minilm.similarity"]["stage"] == "zero_shot" and "minilm" in plan.backbones
    assert not graft_config.make_plan(graft_config.load({**config, "quick": True})).tasks
    assert json.dumps(plan.tasks)
