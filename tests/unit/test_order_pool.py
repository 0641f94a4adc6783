"""Which rows of a pool are labelled first: strategies beside other implementations, near copies, pools of one, large pools."""

import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from skactiveml.pool import CoreSet, TypiClust, uncertainty_scores
from sklearn.cluster import KMeans
from sklearn.metrics.pairwise import cosine_similarity

from graft.common import plugins
from graft.labelling.asked import askable
from graft.labelling.pool import MOST, Pool, unsure_of
from graft.labelling.strategies import mix

CLASSES = {"kind": "classification", "classes": ["a", "b", "c"]}


def drawn(count, width=8, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def pool_of(rows, unsure=None, known=()):
    unsure = np.random.default_rng(1).random(len(rows)) if unsure is None else unsure
    known = np.empty((0, rows.shape[1]), np.float32) if not len(known) else known
    return Pool(unsure, lambda places: (rows[places], known))


def chances(count, classes=3, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(classes), count)


def table(values, names):
    return pd.DataFrame(values, columns=[f"prob_{name}" for name in names])


def order(name, pool, count):
    return plugins.load("strategy", name).order(pool, count)


@pytest.mark.parametrize("classes", [2, 3])
def test_margins_are_those_of_scikit_activeml(classes):
    names = list("abc"[:classes])
    said = chances(50, classes)
    found = unsure_of([table(said, names)], {"kind": "classification", "classes": names})
    assert found == pytest.approx(uncertainty_scores(said, method="margin_sampling"))
    seeds = [table(chances(50, classes, seed), names) for seed in (0, 1)]
    mean = (chances(50, classes, 0) + chances(50, classes, 1)) / 2
    expected = uncertainty_scores(mean, method="margin_sampling")
    assert unsure_of(seeds, {"kind": "ordinal", "classes": names}) == pytest.approx(expected)


def test_of_several_labels_it_is_the_mean_margin_and_of_numbers_how_far_models_are_apart():
    said = np.random.default_rng(0).random((20, 3))
    each = [uncertainty_scores(np.column_stack([one, 1 - one]), method="margin_sampling") for one in said.T]
    found = unsure_of([table(said, "abc")], {"kind": "multilabel", "classes": list("abc")})
    assert found == pytest.approx(np.mean(each, axis=0))
    values = np.random.default_rng(0).normal(size=(3, 20))
    spread = unsure_of([pd.DataFrame({"predicted": one}) for one in values], {"kind": "regression"})
    assert spread == pytest.approx(values.std(0) / values.std(0).max())
    assert (unsure_of([pd.DataFrame({"predicted": values[0]})], {"kind": "regression"}) == 1).all()


def test_with_equal_weights_the_mix_is_the_core_set_of_scikit_activeml():
    seen, before = pool_of(drawn(60), known=drawn(5, seed=1)).look(np.arange(60))
    labels = np.r_[np.full(60, np.nan), np.zeros(5)]
    expected = CoreSet(random_state=0).query(np.concatenate([seen, before]), labels, batch_size=12)
    places = mix.farthest(np.ones(60), seen, before, 12)
    assert places.tolist() == expected.tolist()


def test_density_is_the_mean_cosine_to_the_neighbours():
    rows, _ = pool_of(drawn(60)).look(np.arange(60))
    cosines = cosine_similarity(rows)
    np.fill_diagonal(cosines, -2)
    expected = np.sort(cosines, axis=1)[:, -mix.NEIGHBOURS :].mean(1)
    assert mix.density(rows) == pytest.approx(np.maximum(expected, 1e-3))
    assert mix.density(rows[:1]).tolist() == [1.0]


def test_among_rows_that_are_as_unsure_the_mix_begins_where_many_are_alike():
    rows = np.concatenate([np.eye(8)[0] + 0.2 * drawn(40), np.eye(8)[1:6] * 3]).astype(np.float32)
    assert mix.unsure_and_apart(pool_of(rows, np.ones(45)), 1)[0] < 40


def test_the_mix_takes_typical_and_unsure_rows_in_turn():
    pool = pool_of(drawn(60))
    found, unsure, typical = order("mix", pool, 12)[0], mix.unsure_and_apart(pool, 12), order("typical", pool, 12)[0]
    assert found[:2].tolist() == [typical[0], unsure[0]]
    assert set(typical[:6]) | set(unsure[:5]) <= set(found)


def test_typical_rows_are_those_of_scikit_activeml_with_the_papers_clusters():
    middles = np.eye(8)[:4] * 20
    rows = (middles[np.arange(80) % 4] + drawn(80) * 0.1).astype(np.float32)
    pool = pool_of(rows, known=(middles[:1] + 0.01).astype(np.float32))
    places, _ = order("typical", pool, 3)
    seen, known = pool.look(np.arange(80))
    labels = np.r_[np.full(80, np.nan), 0.0]
    asked = TypiClust(random_state=0, cluster_algo=KMeans).query(np.concatenate([seen, known]), labels, batch_size=3)
    assert set(places) == set(asked) and set(places % 4) == {1, 2, 3}  # the cluster with a label is left out


@pytest.mark.parametrize("name", plugins.names("strategy"))
@pytest.mark.parametrize(("count", "known"), [(1, 0), (1, 3), (2, 0), (7, 2), (700, 300)])
def test_every_row_has_one_place_the_same_again_whatever_the_size(name, count, known):
    rows = drawn(count)
    pool = pool_of(rows, known=drawn(known, seed=1) if known else ())
    places, scores = order(name, pool, count)
    assert sorted(places) == list(range(count)) and len(scores) == count and np.isfinite(scores).all()
    assert np.array_equal(order(name, pool, count)[0], places)


@pytest.mark.parametrize("name", plugins.names("strategy"))
def test_as_many_rows_are_named_as_were_asked_for(name):
    for count in (1, 40, 300):
        places, scores = order(name, pool_of(drawn(400), known=drawn(30, seed=1)), count)
        assert len(set(places)) == len(places) == len(scores) == count


def test_near_copies_are_not_asked_about_one_after_the_other_by_the_mix():
    """30 copies of a row of which the model is least sure, and 30 other rows."""
    rows = drawn(60)
    rows[:30] = rows[0] + drawn(30, seed=1) * 1e-3
    unsure = np.r_[np.full(30, 0.9), np.linspace(0.3, 0.8, 30)]
    assert set(order("margin", pool_of(rows, unsure), 10)[0]) <= set(range(30))
    for name in ("mix", "typical"):
        assert sum(place < 30 for place in order(name, pool_of(rows, unsure), 10)[0]) <= 2, name


def test_rows_beside_a_label_come_last_by_distance():
    rows = drawn(40)
    found = mix.unsure_and_apart(pool_of(rows, np.ones(40), rows[:20] * 1.001), 20)
    assert set(found) == set(range(20, 40))


@pytest.mark.parametrize("name", plugins.names("strategy"))
def test_a_pool_whose_rows_are_all_the_same_is_ordered_too(name):
    rows = np.ones((20, 8), np.float32)
    assert sorted(order(name, pool_of(rows, np.ones(20)), 20)[0]) == list(range(20))


def test_a_large_pool_is_looked_at_in_part():
    asked = []

    def read(places):
        asked.append(len(places))
        return drawn(MOST, 4)[: len(places)], drawn(10, 4)

    pool = Pool(np.random.default_rng(0).random(100_000), read)
    before = time.process_time()
    places = mix.unsure_and_apart(pool, 50)
    assert asked == [MOST] and pool.unsure[places].min() > 0.7 and time.process_time() - before < 20


def manifest(rows):
    names = ["sample_id", "content_sha256", "split", "group", "sampling_unit", "labelled_copy"]
    frame = pd.DataFrame(rows, columns=names)
    return SimpleNamespace(frame=frame, part=lambda name: frame[frame["split"] == "pool"].reset_index(drop=True))


def test_rows_that_nothing_may_be_learned_from_are_not_asked_about():
    rows = [("t", "9", "test", "g1", "u", False), ("l", "8", "train", "g2", None, False)]
    rows += [("a", "3", "pool", "g1", None, False), ("b", "2", "pool", "g2", None, False)]
    rows += [("c", "1", "pool", None, None, True), ("d", "0", "pool", None, None, False)]
    found, left_out = askable(manifest(rows))
    assert found["sample_id"].tolist() == ["d", "b"] and left_out == 2
