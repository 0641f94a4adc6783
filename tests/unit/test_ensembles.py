"""Ensembles: the mean of what the members say, by every kind of target, and who may be a member."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, softmax
from sklearn.datasets import load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.naive_bayes import GaussianNB

import combine
from graft.common import plugins
from graft.common.errors import UserError
from graft.common.outputs import write_torch
from graft.ensembles import combining, members
from graft.heads.probe import VALIDATION
from graft.networks import network
from graft.targets.predictions import write_predictions

CLASSES = ["a", "b", "c"]
ROWS = 60
RANDOM = np.random.default_rng(0)


def table_of(kind, outputs, codes, facts, fold=-1):
    """A member's prediction table."""
    rows = len(outputs)
    head = {"sample_id": [f"s{i}" for i in range(rows)], "target": "label", "split": "validation", "fold": fold}
    return pd.DataFrame({**head, "model": "m", "seed": 0, **kind.columns(outputs, codes, facts)})


def ensemble_of(kind, facts, outputs, codes):
    """The ensemble's facts of the target, and its table, of members that have these facts and outputs."""
    target = {key: facts[0][key] for key in ("kind", "classes") if key in facts[0]}
    module = plugins.load("kind", kind)
    tables = [table_of(module, one, codes, own) for one, own in zip(outputs, facts, strict=True)]
    found = combining.settled("mean", target, tables, codes, facts, (tables, codes))
    content = {"name": "e.ensemble.mean", "seed": 0, "method": "mean", "targets": {"label": found}, "members": []}
    return found, combining.combined_table(content, "label", tables, codes), tables


def chances_in(table, names=CLASSES):
    return table[[f"prob_{name}" for name in names]].to_numpy()


def test_an_ensemble_of_classifiers_votes_as_scikit_learns_soft_vote():
    features, codes = load_iris(return_X_y=True)
    ways = [("logistic", LogisticRegression(C=0.01, max_iter=1000)), ("bayes", GaussianNB())]
    vote = VotingClassifier(ways, voting="soft").fit(features[::3], codes[::3])
    facts = [{"kind": "classification", "classes": CLASSES, "temperature": 1.0}] * 2
    outputs = [np.log(np.maximum(one.predict_proba(features), 1e-300)) for one in vote.estimators_]
    _, table, _ = ensemble_of("classification", facts, outputs, codes)
    np.testing.assert_allclose(chances_in(table), vote.predict_proba(features), atol=1e-12)
    assert table["predicted"].tolist() == [CLASSES[code] for code in vote.predict(features)]
    assert table["model"].unique().tolist() == ["e.ensemble.mean"]
    logits = table[[f"logit_{name}" for name in CLASSES]].to_numpy() / table["temperature"].to_numpy()[:, None]
    np.testing.assert_allclose(softmax(logits, axis=1), chances_in(table), atol=1e-12)


def test_members_are_averaged_after_their_calibration():
    outputs = [RANDOM.normal(0, 2, (ROWS, 3)) for _ in range(3)]
    facts = [{"kind": "classification", "classes": CLASSES, "temperature": one} for one in (0.5, 1.0, 4.0)]
    _, table, _ = ensemble_of("classification", facts, outputs, RANDOM.integers(0, 3, ROWS))
    each = [softmax(one / own["temperature"], axis=1) for one, own in zip(outputs, facts, strict=True)]
    np.testing.assert_allclose(chances_in(table), np.mean(each, axis=0), atol=1e-12)


def test_members_with_class_weights_still_treat_all_classes_equally():
    outputs, intercepts = RANDOM.normal(0, 1, (ROWS, 3)), [2.0, -1.0, 0.0]
    facts = {"kind": "classification", "classes": CLASSES, "temperature": 2.0, "intercepts": intercepts}
    found, table, tables = ensemble_of("classification", [facts] * 2, [outputs] * 2, np.zeros(ROWS, int))
    assert found["intercepts"] == intercepts
    assert table["predicted"].tolist() == tables[0]["predicted"].tolist()
    assert (table["predicted"] != np.array(CLASSES)[chances_in(table).argmax(1)]).any()
    np.testing.assert_allclose(chances_in(table), chances_in(tables[0]), atol=1e-12)


def test_an_ensemble_of_ordered_classes_takes_the_median_class_of_the_mean():
    outputs = [RANDOM.normal(0, 2, (ROWS, 2)) for _ in range(2)]
    facts = [{"kind": "ordinal", "classes": CLASSES, "temperature": one} for one in ([1.0, 2.0], [0.5, 1.0])]
    _, table, tables = ensemble_of("ordinal", facts, outputs, RANDOM.integers(0, 3, ROWS))
    wanted = (chances_in(tables[0]) + chances_in(tables[1])) / 2
    np.testing.assert_allclose(chances_in(table), wanted, atol=1e-12)
    median = [CLASSES[int((np.cumsum(row)[:-1] < 0.5).sum())] for row in wanted]
    assert table["predicted"].tolist() == median


def test_an_ensemble_of_several_labels_calls_them_by_thresholds_of_its_own():
    truth = RANDOM.integers(0, 2, (ROWS, 3)).astype(float)
    outputs = [3 * truth + RANDOM.normal(0, 4, truth.shape) for _ in range(2)]
    facts = [{"kind": "multilabel", "classes": CLASSES, "temperature": [1.0] * 3, "thresholds": [0.01] * 3}] * 2
    found, table, _ = ensemble_of("multilabel", facts, outputs, truth)
    wanted = (expit(outputs[0]) + expit(outputs[1])) / 2
    np.testing.assert_allclose(chances_in(table), wanted, atol=1e-12)
    for k, name in enumerate(CLASSES):
        called = np.array([name in row for row in table["predicted"]])
        assert np.array_equal(called, wanted[:, k] >= found["thresholds"][k])
        best = max(f1_score(truth[:, k], wanted[:, k] >= limit) for limit in wanted[:, k])
        assert f1_score(truth[:, k], called) == pytest.approx(best)


def test_an_ensemble_of_regressors_is_their_mean_and_says_how_far_that_is_off():
    values, target = RANDOM.normal(10, 3, ROWS), {"kind": "regression"}
    facts = [{**target, "mean": mean, "std": std, "residual_std": 9.0} for mean, std in ((9.0, 2.0), (11.0, 4.0))]
    outputs = [(values[:, None] - 10) / 3 + RANDOM.normal(0, 0.3, (ROWS, 1)) for _ in facts]
    unlabelled = np.where(np.arange(ROWS) < 5, np.nan, values)
    _, table, tables = ensemble_of("regression", facts, outputs, unlabelled)
    wanted = np.mean([one["predicted"] for one in tables], axis=0)
    np.testing.assert_allclose(table["predicted"], wanted)
    assert table["std"].unique() == pytest.approx([np.sqrt(np.mean((wanted - values)[5:] ** 2))])


def test_a_train_row_that_one_member_has_seen_has_no_fold():
    tables = [pd.DataFrame({"fold": one}) for one in ([0, 1, 2, -1, -1], [0, 3, -1, -1, VALIDATION])]
    assert combining.folds_of(tables).tolist() == [0, 1, -1, -1, VALIDATION]


def test_what_a_student_learns_is_the_mean_of_its_teachers_probabilities():
    for kind, width in (("classification", 3), ("ordinal", 2), ("multilabel", 3)):
        logits = [RANDOM.normal(0, 2, (ROWS, width)) for _ in range(3)]
        content = {"method": "mean", "members": [{}] * 3, "targets": {"label": {"kind": kind, "classes": CLASSES}}}
        found = combining.combined_logits(content, [{"label": one} for one in logits])["label"]
        answers = plugins.load("kind", kind).answers
        each = [answers(one, {"temperature": 1.0}) for one in logits]
        np.testing.assert_allclose(answers(found, {"temperature": 1.0}), np.mean(each, axis=0), atol=1e-12)
        assert combining.combined_logits({}, [{"label": logits[0]}])["label"] is logits[0]


def content_of(name, classes=CLASSES, dataset="cells", target="label", backbone="1", model="2"):
    return {
        "format": 1,
        "name": name,
        "seed": 0,
        "method": "linear",
        "dataset": dataset,
        "frozen": True,
        "targets": {target: {"kind": "classification", "classes": list(classes), "temperature": 1.0}},
        "backbone": {"name": "net", "modality": "image", "parameters": 100, "licence": "MIT"},
        "transform": {"size": 8},
        "state_dict": {f"heads.{target}.weight": torch.zeros(3, 2), f"heads.{target}.bias": torch.zeros(3)},
        "digests": {"backbone": backbone * 64, "model": model * 64},
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": ["a", "b"]}, "different classes of target 'label': ['a', 'b'] and ['a', 'b', 'c']"),
        ({"classes": ["b", "a", "c"]}, "different classes of target 'label'"),
        ({"dataset": "news"}, "different data sets, 'news' and 'cells'"),
        ({"target": "size"}, "different targets, size and label"),
    ],
)
def test_members_that_answer_another_question_are_refused_and_both_are_named(change, said):
    with pytest.raises(UserError) as error:
        members.check_alike([content_of("first.net.linear"), content_of("other.net.full", **change)])
    assert said in str(error.value)
    assert "'other.net.full' (seed 0)" in str(error.value) and "'first.net.linear' (seed 0)" in str(error.value)


def ensemble_file(folder, *contents):
    """ft_model.pt of an ensemble, in a results folder with its members; its path."""
    described = []
    for one in contents:
        path = folder / "finetune" / one["name"] / "seed0/ft_model.pt"
        write_torch(path, one)
        described.append(members.description(path, one))
    settings = {"name": "e.ensemble.mean", "method": "mean", "dataset": "cells"}
    path = folder / "ensemble/e.ensemble.mean/seed0/ft_model.pt"
    write_torch(path, members.content_of(settings, described, contents[0]["targets"]))
    return path


def test_a_network_that_members_share_counts_once(tmp_path):
    shared = ensemble_file(tmp_path, content_of("a.net.linear"), content_of("b.net.linear", model="3"))
    assert network.load(shared)["backbone"]["parameters"] == 100 + 2 * 9
    apart = ensemble_file(tmp_path, content_of("a.net.linear"), content_of("b.net.full", backbone="4"))
    assert network.load(apart)["backbone"]["parameters"] == 2 * (100 + 9)


def test_members_are_found_beside_an_ensemble_and_one_that_was_trained_again_is_refused(tmp_path):
    path = ensemble_file(tmp_path, content_of("a.net.linear"), content_of("b.net.linear", model="3"))
    content = network.load(path)
    assert [one["name"] for _, one in members.members_of(path, content)] == ["a.net.linear", "b.net.linear"]
    write_torch(tmp_path / "finetune/b.net.linear/seed0/ft_model.pt", content_of("b.net.linear", model="5"))
    with pytest.raises(UserError, match="was trained again after 'e.ensemble.mean'"):
        list(members.members_of(path, content))
    (tmp_path / "finetune/a.net.linear/seed0/ft_model.pt").unlink()
    with pytest.raises(UserError, match="'a.net.linear', a member of 'e.ensemble.mean', is not there"):
        list(members.members_of(path, content))


def test_a_table_by_another_training_of_a_member_is_refused(tmp_path):
    own = content_of("a.net.linear")
    table = table_of(
        plugins.load("kind", "classification"), np.zeros((2, 3)), np.zeros(2, int), own["targets"]["label"]
    )
    path, rows = tmp_path / "predictions.parquet", pd.DataFrame({"sample_id": ["s0", "s1"]})
    write_predictions(path, table, own, "label")
    assert len(combine.read_member(path, {"name": own["name"], "digest": "2" * 64}, rows)) == 2
    with pytest.raises(UserError, match="is not by the 'a.net.linear' that the ensemble is made of"):
        combine.read_member(path, {"name": own["name"], "digest": "9" * 64}, rows)
    with pytest.raises(UserError, match="no prediction of sample 's9'"):
        combine.read_member(path, {"name": own["name"], "digest": "2" * 64}, pd.DataFrame({"sample_id": ["s9"]}))
