"""How far a new sample lies from the training data: a shifted one is flagged, one like them is not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from graft.common.errors import UserError
from graft.serving.novelty import Novelty, limit_of, training_embeddings
from graft.store.feature_files import write_features


def cloud(seed, rows, width=16, centre=4.0):
    return np.random.default_rng(seed).normal(centre, 1.0, (rows, width)).astype(np.float32)


def flagged(novelty, rows):
    return novelty.is_unusual(novelty.distance(rows)).mean()


@pytest.mark.parametrize("columns_differ", [False, True])
def test_shifted_samples_are_flagged_and_samples_like_the_training_data_are_not(columns_differ):
    novelty = Novelty(cloud(0, 600), cloud(1, 200), columns_differ)
    shifted = cloud(2, 200)
    shifted[:, :4] += 6
    assert flagged(novelty, cloud(3, 1000)) < 0.04
    assert flagged(novelty, shifted) > 0.96


def test_the_limit_is_met_by_99_percent_of_the_held_out_samples():
    held_out = cloud(1, 500)
    assert flagged(Novelty(cloud(0, 600), held_out), held_out) == pytest.approx(0.01, abs=0.003)


def test_distances_are_those_of_the_tenth_neighbour_on_the_unit_sphere():
    train, new = cloud(0, 300), cloud(1, 20)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (train, new)]
    wanted, _ = NearestNeighbors(n_neighbors=10).fit(unit[0]).kneighbors(unit[1])
    assert np.allclose(Novelty(train, cloud(2, 50)).distance(new), wanted[:, -1], atol=1e-6)


def test_a_brighter_embedding_is_the_same_but_a_doubled_measurement_is_not():
    train, held_out, new = cloud(0, 300), cloud(1, 100), cloud(2, 50)
    embedded, measured = Novelty(train, held_out), Novelty(train, held_out, columns_differ=True)
    assert np.allclose(embedded.distance(2 * new), embedded.distance(new))
    assert flagged(embedded, 2 * new) < 0.1 and flagged(measured, 2 * new) > 0.96


def test_a_measurement_counts_in_its_own_unit():
    in_grams, train, held_out, new = np.array([1.0] * 15 + [1e-6]), cloud(0, 300), cloud(1, 100), cloud(2, 9)
    plain = Novelty(train, held_out, columns_differ=True).distance(new)
    scaled = Novelty(train * in_grams, held_out * in_grams, columns_differ=True).distance(new * in_grams)
    assert np.allclose(plain, scaled)


def test_a_constant_column_does_not_hide_or_blow_up_the_others():
    train, held_out = cloud(0, 300), cloud(1, 100)
    for rows in (train, held_out):
        rows[:, 0], rows[:, 1] = 0.1, 0
    novelty = Novelty(train, held_out, columns_differ=True)
    assert np.isfinite(novelty.limit) and novelty.limit < 20
    assert flagged(novelty, held_out) < 0.03


def test_without_held_out_samples_a_training_sample_is_not_its_own_neighbour():
    train = cloud(0, 400)
    novelty = Novelty(train, train[:0])
    unit = train / np.linalg.norm(train, axis=1, keepdims=True)
    others, _ = NearestNeighbors(n_neighbors=11).fit(unit).kneighbors(unit)  # the first one is the sample itself
    assert novelty.limit == pytest.approx(limit_of(others[:, -1]), abs=1e-6)
    assert flagged(novelty, cloud(3, 1000)) < 0.05


def test_a_few_held_out_samples_are_never_unusual_themselves():
    train, far = cloud(0, 400), -cloud(1, 5)
    novelty = Novelty(train, far)
    assert novelty.limit == novelty.distance(far).max() and flagged(novelty, far) == 0


@pytest.mark.parametrize("rows", [1, 2, 19, 21])
def test_few_training_samples_are_enough(rows):
    novelty = Novelty(cloud(0, rows), cloud(1, 3))
    assert novelty.k == max(1, rows // 20) and np.isfinite(novelty.distance(cloud(2, 5))).all()
    assert flagged(novelty, cloud(2, 5)) == 0  # what 1 % of samples exceed is not known from 24


@pytest.mark.parametrize(("trained", "held_out"), [(60, 20), (600, 20), (600, 98), (600, 99), (600, 500), (150, 0)])
def test_one_in_a_hundred_samples_like_the_training_data_is_flagged_at_most(trained, held_out):
    shares = [
        flagged(Novelty(cloud(3 * i, trained), cloud(3 * i + 1, held_out)), cloud(3 * i + 2, 500)) for i in range(40)
    ]
    assert np.mean(shares) < 0.0125
    far = flagged(Novelty(cloud(0, trained), cloud(1, held_out)), -cloud(2, 50))
    assert far == (trained >= 99)


def test_the_limit_is_the_conformal_quantile():
    distances = np.random.default_rng(0).permutation(np.arange(1.0, 201))
    assert limit_of(distances[:98]) == np.inf
    assert limit_of(distances[:99]) == distances[:99].max()
    assert limit_of(distances) == 199  # ceil(201 * 0.99)


def test_large_training_sets_are_thinned_and_say_the_same(monkeypatch):
    train, held_out, new = cloud(0, 3000), cloud(1, 500), cloud(2, 500)
    whole = Novelty(train, held_out)
    monkeypatch.setattr("graft.serving.novelty.MOST_TRAIN", 1000)
    monkeypatch.setattr("graft.serving.novelty.CELLS", 10_000)
    thinned = Novelty(train, held_out)
    assert flagged(thinned, new) < 0.05 and flagged(thinned, -new) == 1
    assert (thinned.distance(new) >= whole.distance(new)).all() and thinned.limit > whole.limit


def written(folder, splits, target, contents=None):
    names = [f"s{i}" for i in range(len(splits))]
    frame = pd.DataFrame({"sample_id": names, "content_sha256": contents or names, "split": splits, "label": target})
    frame.to_parquet(folder / "samples.parquet")
    rows = frame.iloc[::-1]  # the order of the files does not matter
    write_features(folder / "f.parquet", rows, rows.index.to_numpy(np.float32)[:, None] + [[0.0, 0.5]])
    return folder / "samples.parquet", folder / "f.parquet"


def test_training_embeddings_are_those_of_labelled_train_rows_and_the_others_are_held_out(tmp_path):
    paths = written(tmp_path, ["train", "test", "train", "validation", "train"], ["a", "b", None, "a", "b"])
    train, held_out = training_embeddings(*paths, ["label"], 2)
    assert train[:, 0].tolist() == [4, 0] and held_out[:, 0].tolist() == [3, 1]


def test_a_copy_of_a_train_row_is_not_held_out(tmp_path):
    """Its distance would be 0: the limit would be too low, and more than 1 % of new samples unusual."""
    paths = written(tmp_path, ["train", "test", "test", "validation"], list("abab"), ["x", "x", "y", "z"])
    train, held_out = training_embeddings(*paths, ["label"], 2)
    assert train[:, 0].tolist() == [0] and held_out[:, 0].tolist() == [3, 2]


def test_embeddings_of_another_width_are_not_those_of_the_model(tmp_path):
    paths = written(tmp_path, ["train", "test"], ["a", "b"])
    with pytest.raises(UserError, match="not the embeddings that the model learned from"):
        training_embeddings(*paths, ["label"], 3)
