"""A student learns from rows without a label, too: what they add to the loss, what they cost, and what is never looked at."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, log_softmax, rel_entr, softmax

from graft.common.errors import UserError
from graft.data.prepare import digests_of
from graft.training.objectives import kd
from student_lab import Lab
from vector_lab import POOL, ROWS, TARGETS, WIDTH, Vectors, problem_of, table


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    return Vectors(tmp_path_factory.mktemp("vectors"), table())


def parts_of_loss(name, student, teacher, codes, temperature):
    """The soft and the hard loss of each row, by scipy, the hard one 0 where there is no label; and which have one."""
    if name == "kind":
        logs = [log_softmax(one / temperature, axis=1) for one in (teacher, student)]
        known = codes >= 0
        hard = -log_softmax(student, axis=1)[np.arange(len(codes)), np.maximum(codes, 0)]
        return (np.exp(logs[0]) * (logs[0] - logs[1])).sum(1), np.where(known, hard, 0.0), known
    said, told = expit(student / temperature), expit(teacher / temperature)
    soft = sum(rel_entr(*pair) for pair in ((told, said), (1 - told, 1 - said))).mean(1)
    answered, yes = np.isfinite(codes), np.nan_to_num(codes)
    hard = -(yes * np.log(expit(student)) + (1 - yes) * np.log(expit(-student)))
    return soft, np.where(answered, hard, 0.0).sum(1) / student.shape[1], answered.any(1)


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_the_teacher_teaches_all_rows_and_labels_those_that_have_one_whatever_the_kind(vectors, monkeypatch, weights):
    """alpha T^2 mean of KL over all rows + (1 - alpha) mean of the loss over labelled rows, by scipy; for all three kinds."""
    trainer, draw = vectors.trainer(class_weights=weights, temperature=3, alpha=0.6), np.random.default_rng(1)
    data = trainer.data
    logits = {name: draw.normal(size=(len(data.taught), one.outputs)) for name, one in data.targets.items()}
    answering = SimpleNamespace(logits=lambda name, at, seed: torch.from_numpy(logits[name][at]).float())
    problem = problem_of(trainer, monkeypatch, kd.losses, answering)
    train = len(data.places("train"))
    for batch in (np.arange(len(data.taught)), np.arange(train - 5, train + 9), np.arange(train, train + 6)):
        said = {name: draw.normal(size=(len(batch), one.outputs)) for name, one in data.targets.items()}
        outputs = {name: torch.from_numpy(one).float() for name, one in said.items()}
        found = problem.loss(lambda _, outputs=outputs: outputs, problem.read(batch, 0), 0.0).numpy()
        for ours, (name, target) in zip(found, data.targets.items(), strict=True):
            told, codes = logits[name][batch], target.codes[data.taught[batch]]
            soft, hard, known = parts_of_loss(name, said[name], told, codes, 3)
            assert known.sum() == (batch < train).sum()
            if target.class_counts is not None:
                each = target.class_counts.sum() / (3 * target.class_counts)
                own = np.where(known, each[np.maximum(codes, 0)], softmax(told, axis=1) @ each)
                soft, hard = soft * own, hard * own
            wanted = 0.6 * 9 * soft.mean() + 0.4 * hard.sum() / (len(batch) * train / len(data.taught))
            assert ours == pytest.approx(wanted / target.chance_loss, rel=1e-4), name
    assert (data.targets["kind"].class_counts is not None) == (weights == "balanced")


def test_every_epoch_shows_each_train_and_pool_row_once(vectors, monkeypatch):
    trainer = vectors.trainer()
    problem = problem_of(trainer, monkeypatch, kd.losses, SimpleNamespace())
    ids = trainer.data.rows["sample_id"].to_numpy()
    frame = vectors.manifest.frame
    wanted = frame.loc[frame["split"].isin(["train", "pool"]), "sample_id"]
    orders = [np.concatenate([batch for step in problem.batches(epoch) for batch in step]) for epoch in range(2)]
    for order in orders:
        assert sorted(ids[trainer.data.taught[order]]) == sorted(wanted)
    assert (orders[0] != orders[1]).any()


def test_no_label_of_the_pool_is_looked_at(vectors, tmp_path):
    """The labels of the pool's rows are permuted; the student has the same bytes."""
    frame = table()
    pool, columns = frame.index[ROWS:], ["kind", "grade", "p", "q"]
    frame.loc[pool, columns] = frame.loc[np.roll(pool, 7), columns].to_numpy()
    assert (frame["kind"] != table()["kind"]).sum() > 10
    assert Vectors(tmp_path / "other", frame).distil() == vectors.distil()


def test_a_student_that_is_told_not_to_look_at_the_pool_is_the_one_of_a_data_set_without(vectors, tmp_path):
    without = Vectors(tmp_path / "without", table(pool=0))
    assert without.distil() == without.distil(name="told", pool=False) == vectors.distil(name="told", pool=False)
    assert without.distil() != vectors.distil()


def test_the_history_and_the_counts_say_how_many_rows_without_a_label_taught(vectors):
    vectors.distil(name="said")
    history = pd.read_csv(vectors.folder / "said.csv")
    trained = history[history["stage"] == "train"]
    assert len(trained) == 3 and (trained["pool_rows"] == POOL).all()
    assert history.loc[history["stage"] == "probe", "pool_rows"].isna().all()
    assert f'"pool": {POOL}' in (vectors.folder / "said.json").read_text()
    vectors.distil(name="told", pool=False)
    assert "pool_rows" not in pd.read_csv(vectors.folder / "told.csv")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", [1, 8, 13, 20])  # of 2 epochs of 12 steps
def test_killed_at_a_step_and_run_again_a_student_of_the_pool_ends_with_the_same_bytes(vectors, monkeypatch, step):
    undisturbed, count = vectors.distil(name="whole", save_every=0), []

    def killed(*arguments):
        count.append(1)
        if len(count) == step * len(TARGETS):
            raise Killed
        return losses(*arguments)

    losses = kd.losses
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(kd, "losses", killed)
        vectors.distil(name=f"cut{step}", save_every=0)
    assert step == 1 or list((vectors.folder / f"cut{step}").iterdir())
    assert vectors.distil(name=f"cut{step}", save_every=0) == undisturbed


def test_train_rows_that_lack_the_target_are_taught_where_that_is_asked_for(tmp_path):
    frame = table(pool=0)
    lacking = frame.index[frame["split"] == "train"][::3]
    frame.loc[lacking, ["kind"]] = None
    lab = Vectors(tmp_path, frame)
    lab.targets = ["kind"]
    plain, told = lab.trainer().data, lab.trainer(pool=True).data
    assert not plain.learns_from_pool and len(plain.taught) == len(told.taught) - len(lacking)
    assert set(told.rows["sample_id"].to_numpy()[told.places("pool")]) == set(frame.loc[lacking, "id"])
    assert not told.targets["kind"].known[told.places("pool")].any()
    told.check()


def test_a_pool_that_is_not_there_is_refused_with_what_to_do(tmp_path):
    lab = Vectors(tmp_path, table(pool=0))
    with pytest.raises(UserError, match="there is no other") as caught:
        lab.distil(pool=True)
    assert caught.value.where == "s.small.kd" and "split: {pool: SHARE}" in caught.value.hint


def test_the_pools_copies_of_labelled_rows_teach_nobody(tmp_path):
    """One is a row of the test split: neither it nor its label may enter a training."""
    frame = table()
    features = [f"x{i}" for i in range(WIDTH)]
    twins = [frame.index[frame["split"] == split][0] for split in ("test", "validation", "train")]
    frame.loc[frame.index[ROWS : ROWS + 3], features] = frame.loc[twins, features].to_numpy()
    lab = Vectors(tmp_path / "copies", frame)
    data = lab.trainer().data
    assert set(data.rows["sample_id"].to_numpy()[data.places("pool")]) == set(frame["id"][ROWS + 3 :])
    frame.loc[twins[0], features] += 1
    assert digests_of(Vectors(tmp_path / "moved", frame).prepared)["pool"] != digests_of(lab.prepared)["pool"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("images"), pool=9)


def test_each_new_row_of_the_pool_costs_one_pass_of_the_teacher_per_view(images, tmp_path):
    images.here = tmp_path
    first, alone = images.student(), images.student("alone", pool=False)
    train, views = len(first.data.places("train")), 2
    assert images.answers(alone)[1]["forwards"] == views * train
    assert images.distil(first)[0] == {"forwards": views * 9, "stored": views * train, "pool": 9}
    images.add_to_pool(4)
    images.grow(per_class=20)
    grown = images.student("grown", seed=1, temperature=2)
    assert images.distil(grown)[0] == {"forwards": views * 4, "stored": views * (train + 9), "pool": 13}
    assert images.distil(images.student("again"))[0]["forwards"] == 0


def test_the_student_sees_the_views_of_pool_rows_that_the_teacher_answers(images, tmp_path):
    images.here = tmp_path
    run = images.student()
    read, _ = images.answers(run)
    asked = []

    def logits(target, indices, seed):
        asked.append(indices)
        return torch.from_numpy(read(seed)[target][indices])

    run.fit(losses=kd.losses, teacher=SimpleNamespace(logits=logits))
    assert (
        len(read((0,))["label"]) == len(run.data.taught) == len(run.data.places("train")) + len(run.data.places("pool"))
    )
    assert sorted(np.concatenate(asked)) == sorted([*range(len(run.data.taught))] * 2)
