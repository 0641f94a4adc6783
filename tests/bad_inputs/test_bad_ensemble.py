"""Ensembles that cannot work are refused before any job, with what to write instead."""

import pytest

from bad_config import only, problems

FULL, LINEAR, TOPICS, MARKS = "solar.net.full", "solar.net.linear", "topics.words.linear", "marks.words.linear"


def entry(*models, **more):
    return {"ensemble": {"e": {"models": list(models), **more}}}


@pytest.mark.parametrize(
    "change",
    [
        entry(FULL, LINEAR),
        entry(FULL),  # with two seeds
        entry(FULL, "tiny.small.kd", seeds=[0]),
        {**entry(FULL, LINEAR), "distill/tiny/teacher": "e.ensemble.mean"},
        {**entry(FULL, LINEAR), "predict/plate": {"model": "e.ensemble.mean", "data": "incoming"}},
        {**entry(FULL, LINEAR), "hand_off": {"models": ["e.ensemble.mean"]}},
    ],
)
def test_ensembles_that_work_are_let_through(change):
    assert problems(change) == {}


@pytest.mark.parametrize(
    ("change", "where", "said"),
    [
        (entry(FULL, "solar.net.liner"), "models[1]", f"did you mean '{LINEAR}'?"),
        (entry(FULL, TOPICS), "models[1]", f"'{TOPICS}' and '{FULL}' are of different data sets, 'news' and 'cells'"),
        (entry(TOPICS, MARKS), "models[1]", f"'{MARKS}' and '{TOPICS}' have different targets, 'mark' and 'topic'"),
        (entry(TOPICS), "models", f"'{TOPICS}' with seed 0 alone is no ensemble"),
        (entry(FULL, seeds=[1]), "models", f"'{FULL}' with seed 1 alone is no ensemble"),
        (entry(FULL, FULL), "models", f"'{FULL}' is in the list twice"),
        (entry(FULL, LINEAR, seeds=[0, 7]), "seeds", "is not trained with seed 7"),
        (entry(FULL, LINEAR, method="men"), "method", "did you mean 'mean'?"),
        (entry(), "models", "allowed: a list, each item a model's name"),
        (entry("e.ensemble.mean", FULL), "models[0]", "is an ensemble itself"),
    ],
)
def test_what_cannot_be_combined_is_refused_where_it_is_written(change, where, said):
    assert said in str(only(change, f"ensemble.e.{where}"))


def test_an_ensemble_of_an_ensemble_names_the_members_instead():
    change = {"ensemble": {"e": {"models": [FULL, LINEAR]}, "f": {"models": ["e.ensemble.mean", FULL]}}}
    error = only(change, "ensemble.f.models[0]")
    assert (
        error.what == "'e.ensemble.mean' is an ensemble itself" and error.hint == f"name its members: {FULL}, {LINEAR}"
    )


def test_a_student_of_an_ensemble_is_no_member_of_it():
    found = problems({**entry("tiny.small.kd", FULL), "distill/tiny/teacher": "e.ensemble.mean"})
    assert "'tiny.small.kd' learns from this ensemble" in str(found["ensemble.e.models[0]"])


def test_few_shot_learning_asks_a_member_since_an_ensemble_has_no_embeddings():
    error = only({**entry(FULL, LINEAR), "few_shot/deep/model": "e.ensemble.mean"}, "few_shot.deep.model")
    assert "is an ensemble, which has no embeddings" in error.what and FULL in error.allowed


@pytest.mark.parametrize("where", ["predict/plate/model", "distill/tiny/teacher"])
def test_an_unknown_ensemble_is_refused_with_the_nearest_name(where):
    error = only({**entry(FULL, LINEAR), where: "e.ensemble.men"}, where.replace("/", "."))
    assert "did you mean 'e.ensemble.mean'?" in str(error)
