"""Few-shot classifiers agree with their plain definitions, and the script's files hold what they promise."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression, Ridge

import few_shot as script
from graft.common import plugins
from graft.common.errors import UserError
from graft.common.outputs import write_json, write_parquet
from graft.few_shot import classifiers
from graft.few_shot.episodes import sample_episodes
from graft.store.feature_files import write_features

WAYS, SHOTS, QUERIES = 3, 4, 5


@pytest.fixture
def episode():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(WAYS).repeat_interleave(SHOTS)
    support = torch.randn(6, WAYS * SHOTS, 8, generator=generator) + torch.eye(8)[labels]
    query = torch.randn(6, WAYS * QUERIES, 8, generator=generator)
    return support, labels.expand(6, -1), query


def test_prototypes_are_class_means(episode):
    support, labels, query = episode
    logits = plugins.load("classifier", "prototypes").fit_predict(support, labels, query, WAYS)
    means = support.view(6, WAYS, SHOTS, -1).mean(2)
    torch.testing.assert_close(logits, -torch.cdist(query, means).square(), atol=1e-4, rtol=1e-4)
    cosine = plugins.load("classifier", "prototypes").fit_predict(support, labels, query, WAYS, distance="cosine")
    expected = torch.nn.functional.cosine_similarity(query[:, :, None], means[:, None], dim=-1)
    torch.testing.assert_close(cosine, expected)


def test_nearest_takes_the_class_of_the_nearest_sample(episode):
    support, labels, query = episode
    for distance in ("euclidean", "cosine"):
        logits = plugins.load("classifier", "nearest").fit_predict(support, labels, query, WAYS, distance=distance)
        if distance == "euclidean":
            away = torch.cdist(query, support)
        else:
            away = -torch.nn.functional.cosine_similarity(query[:, :, None], support[:, None], dim=-1)
        assert torch.equal(logits.argmax(-1), labels.gather(1, away.argmin(-1)))


def test_ridge_agrees_with_scikit_learn(episode):
    support, labels, query = episode
    logits = plugins.load("classifier", "ridge").fit_predict(support, labels, query, WAYS)
    for one in range(6):
        model = Ridge(alpha=1.0).fit(support[one], torch.nn.functional.one_hot(labels[one]))
        np.testing.assert_allclose(logits[one], model.predict(query[one]), atol=1e-4)


def test_logistic_agrees_with_scikit_learn(episode):
    support, labels, query = episode
    logits = plugins.load("classifier", "logistic").fit_predict(support, labels, query, WAYS)
    for one in range(6):
        model = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-8)
        model.fit(np.column_stack([support[one], np.ones(WAYS * SHOTS)]), labels[one])
        expected = model.predict_proba(np.column_stack([query[one], np.ones(WAYS * QUERIES)]))
        np.testing.assert_allclose(logits[one].softmax(-1), expected, atol=2e-3)


@pytest.mark.parametrize("method", plugins.names("classifier"))
def test_every_classifier_ignores_the_order_of_its_support(method, episode):
    support, labels, query = episode
    order = torch.randperm(WAYS * SHOTS, generator=torch.Generator().manual_seed(1))
    fit_predict = plugins.load("classifier", method).fit_predict
    first = fit_predict(support, labels, query, WAYS)
    second = fit_predict(support[:, order], labels[:, order], query, WAYS)
    assert first.shape == (6, WAYS * QUERIES, WAYS)
    torch.testing.assert_close(first, second, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("method", plugins.names("classifier"))
def test_batches_of_episodes_give_what_single_episodes_give(method):
    episodes = 2 * getattr(plugins.load("classifier", method), "CHUNK", classifiers.CHUNK) + 3
    labels = np.repeat(np.arange(5), 12)
    features = classifiers.prepare(np.random.default_rng(0).normal(size=(60, 8)) + np.eye(8)[labels], labels >= 0)
    _, support, query = sample_episodes(labels, None, WAYS, SHOTS, QUERIES, episodes, 0)
    counted = []
    together = classifiers.classify(method, features, support, query, WAYS, added=counted.append)
    assert sum(counted) == episodes
    for one in range(0, episodes, episodes // 8):
        alone = classifiers.classify(method, features, support[[one]], query[[one]], WAYS)[0]
        torch.testing.assert_close(together[one], alone, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("method", plugins.names("classifier"))
def test_a_class_without_support_is_named(method, episode):
    support, labels, query = episode
    labels = labels.clone()
    labels[4][labels[4] == 1] = 0
    with pytest.raises(UserError, match="class 1 has no support sample in episode 4"):
        plugins.load("classifier", method).fit_predict(support, labels, query, WAYS)


@pytest.mark.parametrize("method", plugins.names("classifier"))
def test_equal_embeddings_give_finite_logits(method, episode):
    support, labels, query = episode
    logits = plugins.load("classifier", method).fit_predict(support * 0, labels, query * 0, WAYS)
    assert torch.isfinite(logits).all()


def test_an_unknown_classifier_is_refused_with_the_names_of_all():
    with pytest.raises(UserError) as caught:
        plugins.load("classifier", "prototype")
    assert "did you mean 'prototypes'?" in str(caught.value) and "nearest" in str(caught.value)


def test_centring_uses_train_rows_only():
    features = np.array([[1.0, 0.0], [3.0, 0.0], [100.0, 7.0]])
    prepared = classifiers.prepare(features, np.array([True, True, False]), normalize=False)
    assert prepared.tolist() == [[-1, 0], [1, 0], [98, 7]]
    lengths = classifiers.prepare(features, np.array([True, True, False])).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(3))


SETTINGS = {
    "name": "t.b.prototypes",
    "entry": "t",
    "target": "kind",
    "method": "prototypes",
    "ways": 3,
    "shots": [1, 4],
    "queries": 5,
    "episodes": 30,
    "seed": 0,
    "distance": "euclidean",
    "centre": True,
    "normalize": True,
}


def write_data(folder, sizes=None, kind="classification", drop=()):
    """A manifest and embeddings of classes a, b, c; no labels for the sample ids that begin with one of `drop`."""
    sizes = sizes or {"train": 12, "validation": 8, "test": 9}
    rows = [
        (f"{split}-{label}-{i}", split, label) for split, size in sizes.items() for label in "abc" for i in range(size)
    ]
    frame = pd.DataFrame(rows, columns=["sample_id", "split", "kind"])
    frame = frame.sort_values("sample_id").reset_index(drop=True)
    codes = frame["kind"].map({"a": 0, "b": 1, "c": 2}).to_numpy()
    frame = frame.assign(
        path="x.csv", row=np.arange(len(frame)), content_sha256="0" * 64, fold=-1, group=None, sampling_unit=None
    )
    frame["fold"] = frame["fold"].astype("int16")
    frame.loc[frame["sample_id"].str.startswith(tuple(drop)), "kind"] = None
    if kind == "regression":
        frame["kind"] = codes.astype(float)
    write_parquet(folder / "samples.parquet", frame)
    target = {"kind": kind, "classes": ["a", "b", "c"]} if kind == "classification" else {"kind": kind}
    write_json(folder / "labels.json", {"targets": {"kind": target}})
    counts = frame["split"].value_counts().to_dict()
    write_json(folder / "data_card.json", {"dataset": "d", "modality": "vector", "counts": counts})
    embeddings = np.random.default_rng(0).normal(size=(len(frame), 6)) + 2 * np.eye(6)[codes] + 10
    write_features(folder / "labelled.parquet", frame, embeddings)
    return frame


def run(folder, **changed):
    paths = [
        folder / name for name in ("few_shot_predictions.csv", "episodes.parquet", "metrics.json", "validation.parquet")
    ]
    script.main(folder / "samples.parquet", folder / "labelled.parquet", *paths[:3], SETTINGS | changed, paths[3])
    return pd.read_csv(paths[0]), pd.read_parquet(paths[1]), json.loads(paths[2].read_text())["settings"]


def test_the_files_agree_with_each_other(tmp_path):
    frame = write_data(tmp_path).set_index("sample_id")
    predictions, episodes, summary = run(tmp_path)
    assert list(predictions) == ["task", "ways", "shots", "episode", "sample_id", "label", "predicted", "confidence"]
    assert list(episodes) == ["task", "ways", "shots", "episode", "accuracy", "log_loss"]
    assert len(predictions) == 2 * 30 * 15 and len(episodes) == 2 * 30 and len(summary) == 2
    assert set(predictions["task"]) == {"t.b.prototypes"}
    assert (frame.loc[predictions["sample_id"], "kind"].to_numpy() == predictions["label"]).all()
    assert (frame.loc[predictions["sample_id"], "split"] == "test").all()
    assert predictions["confidence"].between(1 / 3 - 1e-6, 1).all()
    right = (
        (predictions["label"] == predictions["predicted"])
        .groupby([predictions["shots"], predictions["episode"]])
        .mean()
    )
    np.testing.assert_allclose(right.to_numpy(), episodes["accuracy"])
    for one in summary:
        assert one["accuracy"]["value"] == pytest.approx(
            episodes.loc[episodes["shots"] == one["shots"], "accuracy"].mean()
        )
        assert one["accuracy"]["low"] < one["accuracy"]["value"] < one["accuracy"]["high"]
    assert summary[0]["accuracy"]["value"] < summary[1]["accuracy"]["value"]
    assert summary[1]["accuracy"]["value"] > 0.7


@pytest.mark.parametrize(("sizes", "split"), [(None, "validation"), ({"train": 12, "test": 9}, "train")])
def test_what_tasks_are_compared_by_holds_no_test_row(tmp_path, sizes, split):
    frame = write_data(tmp_path, sizes).set_index("sample_id")
    run(tmp_path)
    table = pd.read_parquet(tmp_path / "validation.parquet")
    assert set(table["split"]) == {split} and set(table["shots"]) == {1, 4}
    assert (frame.loc[table["sample_id"], "split"] == split).all()
    assert (frame.loc[table["sample_id"], "kind"].to_numpy() == table["label"]).all()
    right = (table["label"] == table["predicted"]).groupby(table["shots"]).mean()
    assert right[1] < right[4] and right[4] > 0.7 and (table["loss"] > 0).all()


@pytest.mark.parametrize("seen", [True, False])
def test_a_network_that_was_trained_on_the_classes_is_said_to_be(tmp_path, caplog, seen):
    write_data(tmp_path)
    run(tmp_path, seen_before=seen, model="t.b.full")
    notes = json.loads((tmp_path / "metrics.json").read_text())["notes"]
    assert ("t.b.full was trained on all train rows of these classes" in caplog.text) == seen == bool(notes)


def test_the_same_task_gives_the_same_bytes(tmp_path):
    write_data(tmp_path)
    names = ("few_shot_predictions.csv", "episodes.parquet", "metrics.json", "validation.parquet")
    run(tmp_path)
    first = [(tmp_path / name).read_bytes() for name in names]
    run(tmp_path)
    assert first == [(tmp_path / name).read_bytes() for name in names]


def test_temperature_makes_confidences_calibrated(tmp_path):
    write_data(tmp_path)
    settings = {"centre": False, "normalize": False, "episodes": 200, "shots": [4]}
    predictions, _, (summary,) = run(tmp_path, **settings)
    assert summary["ece"]["value"] < 0.1
    assert predictions["confidence"].mean() == pytest.approx(summary["accuracy"]["value"], abs=0.1)


@pytest.mark.parametrize("sizes", [{"train": 12, "validation": 1, "test": 9}, {"train": 6, "test": 9}])
def test_a_query_that_many_episodes_show_counts_once_for_the_temperature(tmp_path, sizes):
    write_data(tmp_path, sizes)
    data = script.open_data(tmp_path / "samples.parquet", tmp_path / "labelled.parquet", SETTINGS)
    split = "validation" if "validation" in sizes else "train"
    queries, distinct = (1, 3) if split == "validation" else (2, 18)
    drawn = script.draw(data, split, 4, queries, script.CALIBRATION_EPISODES, [0, 1], SETTINGS)
    logits = script.run(data, drawn, SETTINGS)
    spread = logits.std(-1).mean()

    def loss(log_temperature):
        chances = softmax(logits / spread / np.exp(log_temperature), axis=-1)
        right = np.take_along_axis(chances, np.arange(3).repeat(queries)[None, :, None], -1)
        return -distinct * np.log(right).mean() + log_temperature**2 / (2 * 0.5**2)

    best = minimize_scalar(loss, bounds=np.log([0.05, 20]), method="bounded", options={"xatol": 1e-9})
    found, _ = script.calibrate(data, 4, SETTINGS)
    assert found == pytest.approx(spread * np.exp(best.x), rel=1e-4)


def test_the_unit_of_the_embeddings_does_not_change_the_confidences(tmp_path):
    frame = write_data(tmp_path)
    settings = {"centre": False, "normalize": False, "shots": [4]}
    first, _, _ = run(tmp_path, **settings)
    embeddings = np.stack(pd.read_parquet(tmp_path / "labelled.parquet")["embedding"])
    write_features(tmp_path / "labelled.parquet", frame, 512 * embeddings)
    second, _, _ = run(tmp_path, **settings)
    pd.testing.assert_frame_equal(first, second, atol=1e-3)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train": 12, "test": 9}, "not every class has enough validation rows"),
        ({"train": 4, "test": 9}, "with 3 shots instead"),
    ],
)
def test_without_validation_rows_the_temperature_comes_from_what_there_is(tmp_path, caplog, sizes, message):
    write_data(tmp_path, sizes)
    caplog.set_level("INFO", logger="graft")
    _, _, summary = run(tmp_path, shots=[4])
    assert message in caplog.text
    assert 0 < summary[0]["temperature"] < 100


def test_rows_without_a_label_for_the_target_are_neither_support_nor_query(tmp_path):
    write_data(tmp_path, drop=("train-a-1", "test-b-2", "validation-c-3"))
    predictions, _, _ = run(tmp_path)
    assert "test-b-2" not in set(predictions["sample_id"]) and "test-b-1" in set(predictions["sample_id"])
    assert predictions["label"].notna().all()


def test_validation_rows_of_all_classes_are_needed_for_calibration(tmp_path, caplog):
    write_data(tmp_path, drop=("validation-c",))
    caplog.set_level("INFO", logger="graft")
    run(tmp_path, shots=[4])
    assert "not every class has enough validation rows" in caplog.text


@pytest.mark.parametrize(
    ("sizes", "shots"),
    [(None, 4), ({"train": 12, "test": 9}, 4), ({"train": 4, "test": 9}, 4), ({"train": 1, "test": 9}, 1)],
)
def test_no_test_row_and_no_test_label_reaches_the_temperature(tmp_path, sizes, shots):
    """As many rows as may be: queries from validation, from train, from train with fewer shots, from the support."""
    write_data(tmp_path, sizes)
    data = script.open_data(tmp_path / "samples.parquet", tmp_path / "labelled.parquet", SETTINGS)
    before, table = script.calibrate(data, shots, SETTINGS)
    assert before > 0 and before != 1 and (len(table) > 0) == (sizes is None or sizes["train"] > shots)
    data["codes"] = data["codes"].copy()
    data["codes"][data["rows"]["test"]] = np.random.default_rng(0).permutation(data["codes"][data["rows"]["test"]])
    data["features"] = data["features"].clone()
    data["features"][data["rows"]["test"]] = torch.nan
    assert script.calibrate(data, shots, SETTINGS)[0] == before


def test_a_class_whose_rows_are_all_in_the_support_is_calibrated_by_smaller_supports(tmp_path):
    """scikit-learn's log loss of the queries is lowest at this temperature, with its prior."""
    from sklearn.metrics import log_loss

    write_data(tmp_path, {"train": 4, "test": 9})
    data = script.open_data(tmp_path / "samples.parquet", tmp_path / "labelled.parquet", SETTINGS)
    found, _ = script.calibrate(data, 4, SETTINGS)
    codes = data["codes"][data["rows"]["train"]]
    _, support, query = sample_episodes(codes, None, WAYS, 3, 1, script.CALIBRATION_EPISODES, [SETTINGS["seed"], 1])
    once = len(np.unique(query)) / query.size  # a row that many episodes ask counts once against the prior
    support, query = (data["features"].double().numpy()[data["rows"]["train"][rows]] for rows in (support, query))
    means = support.reshape(len(support), WAYS, 3, -1).mean(2)
    logits = -((query[:, :, None] - means[:, None]) ** 2).sum(-1)
    spread, labels = logits.std(-1).mean(), np.tile(np.arange(WAYS), len(logits))
    logits = logits.reshape(-1, WAYS) / spread

    def loss(log_temperature):
        chances = torch.from_numpy(logits / np.exp(log_temperature)).softmax(-1).numpy()
        return once * log_loss(labels, chances, normalize=False) + log_temperature**2 / 2 / 0.5**2

    best = minimize_scalar(loss, bounds=(-2, 2), method="bounded", options={"xatol": 1e-8}).x
    assert found == pytest.approx(spread * np.exp(best), rel=1e-4)


def test_impossible_tasks_say_what_is_missing(tmp_path):
    write_data(tmp_path)
    with pytest.raises(UserError) as caught:
        run(tmp_path, shots=[13], queries=10)
    message = str(caught.value)
    assert "few_shot.t" in message and "class 'b' has 12 train samples, 13 shots need 13" in message
    assert "class 'c' has 9 test samples, 10 queries need 10" in message
    with pytest.raises(UserError, match="4 ways, but only 3 classes"):
        run(tmp_path, ways=4)


def test_a_numeric_target_is_refused(tmp_path):
    write_data(tmp_path, kind="regression")
    with pytest.raises(UserError, match="is a number, and few-shot learning needs one class of each sample"):
        run(tmp_path)


def test_the_losses_of_episodes_are_those_of_the_calibrated_confidences(tmp_path):
    """Where all queries of an episode are right, its log loss is the mean of minus the log of their confidences."""
    write_data(tmp_path)
    predictions, episodes, (summary,) = run(tmp_path, shots=[4], queries=1)
    right = predictions.assign(right=predictions["label"] == predictions["predicted"]).groupby("episode")["right"].all()
    assert right.sum() > 2 and abs(summary["temperature"] - 1) > 0.1
    expected = (-np.log(predictions["confidence"])).groupby(predictions["episode"]).mean()[right]
    assert episodes.set_index("episode")["log_loss"][right].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-5)


def test_the_groups_of_the_manifest_reach_the_intervals_of_episodes(tmp_path):
    """Where the queries of a class are all of one group, nothing is known of other groups."""
    frame = write_data(tmp_path)
    assert run(tmp_path, shots=[4])[2][0]["accuracy"]["low"] is not None
    write_parquet(tmp_path / "samples.parquet", frame.assign(sampling_unit=frame["split"] + frame["kind"]))
    assert run(tmp_path, shots=[4])[2][0]["accuracy"]["low"] is None


def test_half_of_the_smallest_class_is_the_support_of_the_second_look():
    features = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32))
    codes = np.array([0, 1, 2, 0] * 10)
    train = np.flatnonzero(np.arange(40) < 32)
    data = {"codes": codes, "classes": list("abc"), "rows": {"train": train}, "features": features, "groups": None}
    support = np.stack([np.flatnonzero(codes == c)[:6] for c in range(3)]).ravel()[None]
    query = np.stack([np.flatnonzero(codes == c)[8:10] for c in range(3)]).ravel()[None]
    episodes, judged = script.with_half(data, (np.arange(3)[None], support, query), SETTINGS, 1.0)
    smaller = support.reshape(3, 6)[:, :4].ravel()[None]  # 8 train rows of the classes b and c
    assert (episodes.support == smaller).all() and (episodes.query == query).all()
    expected = script.run(data, (np.arange(3)[None], smaller, query), SETTINGS)
    assert (judged["predicted"] == expected.argmax(-1)).all() and judged["label"].tolist() == [[0, 0, 1, 1, 2, 2]]
    assert script.with_half(data, (np.arange(3)[None], smaller, query), SETTINGS, 1.0) is None
