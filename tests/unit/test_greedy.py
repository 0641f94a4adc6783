"""The greedy ensemble: an independent selection gives the same shares, and no member alone is better on the rows that chose."""

from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from sklearn.metrics import log_loss, mean_squared_error

from graft.common import plugins
from graft.data.splitting.halves import second_half
from graft.ensembles import combining
from graft.ensembles.methods import greedy
from graft.serving.model_card import share_of
from graft.targets.kinds import classification, multilabel, ordinal, regression

CLASSES = ["a", "b", "c"]
RANDOM = np.random.default_rng(0)
KINDS = {"classification": 3, "ordinal": 2, "multilabel": 3, "regression": 1}


def members(count=4, rows=80, least=0.0):
    """Probabilities (count, rows, 3) of members that are good in different ways, and the true classes."""
    codes = RANDOM.integers(0, 3, rows)
    logits = RANDOM.normal(0, 1, (count, rows, 3)) + 1.5 * np.eye(3)[codes] * RANDOM.uniform(least, 1, (count, 1, 1))
    chances = np.exp(logits)
    return chances / chances.sum(-1, keepdims=True), codes


def selected(answers, loss, rounds):
    """Caruana et al. 2004 from the paper's words: the best few, then whichever lowers the loss of the bag most; the best bag."""
    ranked = sorted(range(len(answers)), key=lambda place: loss(answers[place]))
    starts = [ranked[: size + 1] for size in range(len(ranked))]
    bag = min(starts, key=lambda one: loss(np.mean([answers[place] for place in one], axis=0)))
    seen = [list(bag)]
    for _ in range(rounds):
        tries = [[*bag, place] for place in range(len(answers))]
        bag = min(tries, key=lambda one: loss(np.mean([answers[place] for place in one], axis=0)))
        seen.append(bag)
    best = min(seen, key=lambda one: loss(np.mean([answers[place] for place in one], axis=0)))
    return np.bincount(best, minlength=len(answers)) / len(best)


@pytest.mark.parametrize(("rounds", "least"), [(50, 0.0), (50, 0.9), (0, 0.9)])
def test_the_shares_are_those_of_an_independent_selection_by_scikit_learns_log_loss(rounds, least, monkeypatch):
    monkeypatch.setattr(greedy, "ROUNDS", rounds)  # none: what it starts from
    answers, codes = members(count=6, least=least)
    evidence = np.stack([classification.evidence(one, codes) for one in answers])
    found = greedy.weigh(evidence, classification.loss_of_evidence)
    wanted = selected(answers, lambda one: log_loss(codes, one, labels=[0, 1, 2]), rounds)
    np.testing.assert_allclose(found, wanted)


def test_the_loss_is_nearly_the_lowest_that_any_shares_have_and_no_bag_of_three_is_better():
    answers, codes = members()
    evidence = np.stack([classification.evidence(one, codes) for one in answers])

    def loss(shares):
        return log_loss(codes, np.tensordot(shares, answers, 1), labels=[0, 1, 2])

    found = loss(greedy.weigh(evidence, classification.loss_of_evidence))
    bounds, whole = [(0, 1)] * 4, {"type": "eq", "fun": lambda shares: shares.sum() - 1}
    best = minimize(loss, np.full(4, 0.25), bounds=bounds, constraints=whole).fun
    assert best - 1e-9 <= found <= best + 2e-3
    bags = [bag for size in (1, 2, 3) for bag in combinations_with_replacement(range(4), size)]
    assert found <= min(loss(np.bincount(bag, minlength=4) / len(bag)) for bag in bags)


@pytest.mark.parametrize("kind", KINDS)
def test_on_the_rows_that_choose_it_is_never_worse_than_the_best_member(kind):
    module, width = plugins.load("kind", kind), KINDS[kind]
    for _ in range(20):
        rows, count = 12, 5
        codes = {
            "regression": RANDOM.normal(size=rows),
            "multilabel": np.where(RANDOM.random((rows, 3)) < 0.2, np.nan, RANDOM.integers(0, 2, (rows, 3))),
        }.get(kind, RANDOM.integers(0, 3, rows))
        answers = RANDOM.normal(size=(count, rows, width))
        if kind != "regression":
            answers = np.stack([module.answers(one, {"temperature": 1.0}) for one in answers])
        evidence = np.stack([module.evidence(one, codes) for one in answers])
        shares = greedy.weigh(evidence, module.loss_of_evidence)
        own = module.loss_of_evidence(module.evidence(greedy.combine(answers, shares), codes))
        assert own <= min(module.loss_of_evidence(one) for one in evidence) + 1e-12
        assert shares.sum() == pytest.approx(1) and (shares >= 0).all()


def test_the_evidence_of_each_kind_is_its_loss_and_rows_without_a_label_are_left_out():
    chances, codes = members(1)
    codes[:5] = -1
    for kind in (classification, ordinal):
        assert kind.loss_of_evidence(kind.evidence(chances[0], codes)) == pytest.approx(
            log_loss(codes[5:], chances[0][5:], labels=[0, 1, 2])
        )
    truth, said = np.where(RANDOM.random((30, 2)) < 0.3, np.nan, RANDOM.integers(0, 2, (30, 2))), RANDOM.random((30, 2))
    known = np.isfinite(truth)
    wanted = log_loss(truth[known], said[known])
    assert multilabel.loss_of_evidence(multilabel.evidence(said, truth)) == pytest.approx(wanted)
    values, predicted = np.r_[np.nan, RANDOM.normal(size=9)], RANDOM.normal(size=(10, 1))
    found = regression.loss_of_evidence(regression.evidence(predicted, values))
    assert found == pytest.approx(mean_squared_error(values[1:], predicted[1:, 0]))


def table_of(outputs, codes, facts):
    """A member's prediction table."""
    head = {"sample_id": [f"s{i}" for i in range(len(outputs))], "target": "label", "split": "validation", "fold": -1}
    return pd.DataFrame({**head, "model": "m", "seed": 0, **classification.columns(outputs, codes, facts)})


def ensemble(outputs, codes, chosen):
    facts = [{"kind": "classification", "classes": CLASSES, "temperature": 1.0}] * len(outputs)
    tables = [table_of(one, codes, facts[0]) for one in outputs]
    chosen = ([table_of(one, chosen[1], facts[0]) for one in chosen[0]], chosen[1])
    found = combining.settled("greedy", {"kind": "classification", "classes": CLASSES}, tables, codes, facts, chosen)
    return found, tables


def test_the_shares_are_kept_with_the_target_and_the_table_and_a_student_follow_them():
    answers, codes = members(3)
    facts, tables = ensemble(np.log(answers), codes, (np.log(answers), codes))
    content = {
        "name": "e.ensemble.greedy",
        "seed": 0,
        "method": "greedy",
        "targets": {"label": facts},
        "members": [{}] * 3,
    }
    wanted = np.tensordot(facts["weights"], answers, 1)
    table = combining.combined_table(content, "label", tables, codes)
    assert np.abs(wanted - answers.mean(0)).max() > 1e-3
    np.testing.assert_allclose(table[[f"prob_{name}" for name in CLASSES]], wanted, atol=1e-12)
    taught = combining.combined_logits(content, [{"label": np.log(one)} for one in answers])["label"]
    np.testing.assert_allclose(classification.answers(taught, {"temperature": 1.0}), wanted, atol=1e-12)


def test_members_are_weighed_by_the_rows_that_are_given_for_it_and_by_those_of_one_class_too():
    answers, codes = members(2)
    good = np.log(np.where(np.eye(3)[codes] == 1, 0.9, 0.05))
    bad = np.log(np.full((len(codes), 3), 1 / 3))
    ones = np.ones(50, int)
    swapped = [np.log(np.full((50, 3), 1 / 3)), np.log(np.tile([0.05, 0.9, 0.05], (50, 1)))]
    assert ensemble([good, bad], codes, ([good, bad], codes))[0]["weights"] == [1, 0]
    assert ensemble([good, bad], codes, (swapped, ones))[0]["weights"] == [0, 1]


def test_train_rows_that_no_member_has_seen_weigh_else_validation_rows_that_calibrate_no_sets():
    split = np.repeat(["train", "validation", "test"], 100)
    rows = pd.DataFrame({"split": split, "sampling_unit": None, "content_sha256": np.arange(300).astype(str)})
    rows["label"] = np.where(np.arange(300) % 10, np.array(CLASSES)[np.arange(300) % 3], None)
    folds = [np.where(split == "train", np.arange(300) % count, -1) for count in (5, 2)]
    seen = np.where(split == "train", -1, folds[0])

    def weigh(*each, method="greedy", part=slice(None)):
        tables = [pd.DataFrame({"fold": one[part]}) for one in each]
        targets = {"label": {"kind": "classification", "classes": CLASSES}}
        return combining.rows_that_weigh(method, "label", tables, rows[part], targets)

    labelled = rows["label"].notna().to_numpy()
    assert (weigh(*folds) == ((split == "train") & labelled)).all()
    found, aside = weigh(folds[0], seen), second_half(rows)
    assert (found == ((split == "validation") & labelled & ~aside)).all() and 20 < found.sum() < 70
    assert not weigh(*folds, method="mean").any()
    assert (weigh(folds[0], seen, part=slice(0, 200)) == found[:200]).all()  # with test rows and without


def test_the_mean_has_no_shares():
    answers, codes = members(2)
    facts, tables = ensemble(np.log(answers), codes, (np.log(answers), codes))
    mean = combining.settled(
        "mean", {"kind": "classification", "classes": CLASSES}, tables, codes, [facts, facts], (tables, codes)
    )
    assert "weights" not in mean


def test_a_card_names_the_share_of_each_member():
    weighed = {"defect": {"weights": [0.75, 0.25]}}
    assert share_of(0, weighed) == ": 75%" and share_of(0, {"defect": {}}) == ""
    assert share_of(1, weighed | {"type": {"weights": [1.0, 0.0]}}) == ": defect 25%, type 0%"
