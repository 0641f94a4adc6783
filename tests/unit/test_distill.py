"""Distillation: a teacher answers each view of a sample once, for all students, and as if it were asked at every step."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import softmax

import distill
from graft.common.outputs import write_json
from graft.embedding import features
from graft.embedding.engines import torch as engine
from graft.heads.probe import VALIDATION
from graft.networks.augment import draw_views
from graft.store import Store
from graft.training import teacher
from graft.training.objectives import kd
from graft.training.rule_inputs import open_trainer
from live_teacher import LiveTeacher
from student_lab import ENTRY, SPEC, Lab

pytestmark = pytest.mark.usefixtures("with_and_without_kernels")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture
def lab(made, tmp_path):
    made.here = tmp_path
    return made


def train_rows(trainer):
    return len(trainer.data.places("train"))


def losses_of(trainer, answering):
    """The loss at every step under a teacher."""
    seen = []

    def recorded(*arguments):
        found = kd.losses(*arguments)
        seen.append(found.detach().mean())
        return found

    trainer.fit(losses=recorded, teacher=answering)
    return np.array([float(one) for one in seen])


@pytest.mark.parametrize("augment", ["standard", "none"])
def test_a_run_from_stored_answers_equals_one_whose_teacher_runs_at_every_step(lab, monkeypatch, augment):
    stored, live = (lab.student(name, augment=augment, views=None) for name in ("stored", "live"))
    monkeypatch.setattr(engine, "BATCH", {"cpu": (7, 4096)})  # other batches than the training's, and more than one
    answering = LiveTeacher(live, lab.teacher, None)
    read, _ = lab.answers(stored)
    ours = losses_of(stored, teacher.StoredTeacher(read, stored.device))
    theirs = losses_of(live, answering)
    assert len(ours) == 2 * -(-train_rows(live) // 8) and answering.forwards == 2 * train_rows(live)
    assert np.abs(ours - theirs).max() < 1e-4
    assert np.ptp(theirs) > 0.01


def test_the_second_student_of_a_teacher_forwards_it_zero_times(lab):
    first, second = lab.student("first"), lab.student("second", seed=1, temperature=2, alpha=0.5, batch_size=4)
    views = 2 * train_rows(first)
    assert lab.distil(first)[0] == {"forwards": views, "stored": 0, "pool": 0}
    assert lab.distil(second)[0] == {"forwards": 0, "stored": views, "pool": 0}


@pytest.mark.parametrize("change", [{"augment": "dihedral"}, {"precision": "bf16"}])
def test_other_views_and_other_precisions_are_answered_anew(lab, change):
    lab.answers(lab.student())
    _, counts = lab.answers(lab.student(**change))
    assert counts["stored"] == 0


def test_another_teacher_answers_for_itself(lab):
    lab.answers(lab.student())
    other = {**lab.teacher, "digests": {**lab.teacher["digests"], "model": "2" * 64}}
    assert distill.answers(lab.student(), other, lab.teacher_features, None)[1]["stored"] == 0


def test_without_augmentation_the_teachers_embeddings_are_enough(lab):
    counts, _ = lab.distil(run := lab.student(augment="none"))
    assert counts == {"forwards": 0, "stored": train_rows(run), "pool": 0}


@pytest.mark.parametrize("augment", ["standard", "none"])
def test_an_ensemble_teaches_the_mean_of_what_its_members_say_of_each_view_and_their_answers_are_kept(lab, augment):
    surer = {key: one * (2 if "heads" in key else 1) for key, one in lab.teacher["state_dict"].items()}
    other = {**lab.teacher, "state_dict": surer, "digests": {**lab.teacher["digests"], "model": "7" * 64}}
    content = {"method": "mean", "members": [{}, {}], "targets": lab.teacher["targets"]}
    of_all = [(one, lab.teacher_features, None) for one in (lab.teacher, other)]
    run = lab.student(augment=augment)
    read, counts = distill.answers_of_all(run, content, of_all)
    each = [softmax(distill.answers(run, *one)[0]((1,))["label"], axis=1) for one in of_all]
    np.testing.assert_allclose(softmax(read((1,))["label"], axis=1), np.mean(each, axis=0), atol=1e-6)
    assert np.abs(each[0] - each[1]).max() > 0.01
    asked = train_rows(run) * (4 if augment == "standard" else 2)  # two epochs, two members
    assert sum(counts.values()) == asked and counts["forwards"] == (asked if augment == "standard" else 0)
    assert distill.answers_of_all(run, content, of_all)[1] == {"forwards": 0, "stored": asked}


@pytest.mark.parametrize("augment", ["standard", "none"])
def test_the_answers_are_those_of_the_head_that_saw_no_validation_row(lab, augment):
    """Its weights are twice those of the teacher's own head here, and so are its logits."""
    run, own = lab.student(augment=augment), lab.teacher["state_dict"]
    blind = {key: 2 * own[f"heads.label.{key}"][None] for key in ("weight", "bias")}
    head = {"fold_heads": {"label": {"folds": torch.tensor([VALIDATION]), **blind}}}
    careful = {**lab.teacher, **head, "digests": {**lab.teacher["digests"], "model": "3" * 64}}
    known, found = (
        distill.answers(run, one, lab.teacher_features, None)[0]((0,))["label"] for one in (lab.teacher, careful)
    )
    np.testing.assert_allclose(found, 2 * known, rtol=1e-4, atol=1e-5)
    assert np.abs(known).max() > 0.1


def test_views_go_round_and_the_student_sees_those_that_the_teacher_answers(lab):
    run = lab.student(epochs=5, views=2)
    read, counts = lab.answers(run)
    assert counts["forwards"] == 2 * train_rows(run)
    contents = run.data.rows["content_sha256"].to_numpy(dtype=object)[run.data.places("train")]
    seen, asked, prepare = [], [], run.data.inputs.prepare
    run.data.inputs.prepare = lambda batch, device, views=None: seen.append(views) or prepare(batch, device, views)

    def logits(target, indices, seed):
        asked.append(seed)
        assert np.array_equal(seen[-1], draw_views("standard", contents[indices], seed))
        return torch.from_numpy(read(seed)[target][indices])

    run.fit(losses=kd.losses, teacher=SimpleNamespace(logits=logits))
    steps = -(-train_rows(run) // 8)
    assert asked == [(epoch % 2,) for epoch in range(5) for _ in range(steps)]


def test_new_images_are_the_only_ones_that_the_teacher_looks_at(tmp_path):
    lab = Lab(tmp_path)
    before = lab.student()
    lab.answers(before)
    lab.grow()
    after = lab.student()
    added = train_rows(after) - train_rows(before)
    assert added
    assert lab.answers(after)[1] == {"forwards": 2 * added, "stored": 2 * train_rows(before)}


def test_a_killed_job_loses_at_most_one_shard_of_answers_and_ends_with_the_same(lab, monkeypatch):
    run = lab.student()
    undisturbed = {seed: lab.answers(run)[0](seed)["label"] for seed in [(0,), (1,)]}
    run.data.store = Store(lab.here / "other")
    monkeypatch.setattr(teacher, "SHARD", 8)
    forward, calls = features.forward, []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return forward(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(features, "forward", killed)
        lab.answers(run)
    read, counts = lab.answers(run)
    assert counts == {"forwards": 2 * train_rows(run) - 16, "stored": 16}
    for seed, logits in undisturbed.items():
        assert np.allclose(read(seed)["label"], logits, atol=1e-5)


def test_answers_that_another_job_made_room_of_are_computed_again(lab):
    run = lab.student()
    read, _ = lab.answers(run)
    before = read((1,))["label"]
    run.data.store.keep_only(lambda kind, key: kind != "teacher_logits")
    assert np.array_equal(read((1,))["label"], before)


def test_what_was_trained_under_another_teacher_is_not_gone_on_with(lab):
    run = lab.student()
    write_json(lab.here / "backbone/backbone.json", SPEC)
    inputs = {"samples": run.data.samples, "digest": lab.teacher_features[0].parents[3] / "data/cells/labelled.digest"}
    inputs |= {"dataset": lab.folder / "dataset.json", "backbone": lab.here / "backbone/backbone.json"}
    inputs |= {"teacher": lab.here / "teacher.pt"}

    def opened():
        mode = {"precision": "fp32", "layout": "channels_last", "compile": False, "cpu_kernels": True}
        params = {"settings": run.settings, "mode": mode, "code": "c"}
        store = {"path": str(lab.here / "store"), "max_gb": None, "shared": None}
        return open_trainer(inputs, params, lab.here / ".state", 0, ENTRY, store)

    inputs["teacher"].write_bytes(b"one")
    opened().states.save(1)
    assert opened().states.load() == 1
    inputs["teacher"].write_bytes(b"other")
    assert opened().states.load() is None


def test_students_that_start_side_by_side_begin_with_different_views():
    settings = {"stage": "distill", "epochs": 20, "views": None}
    orders = [teacher.view_seeds(settings | {"name": name}, seed) for name, seed in (("a", 0), ("a", 1), ("b", 0))]
    assert len({tuple(order) for order in orders}) == 3
    assert all(sorted(order) == [(epoch,) for epoch in range(20)] for order in orders)


def test_two_images_of_one_content_are_answered_once(lab):
    run = lab.student()
    train, rows = run.data.splits == "train", run.data.rows
    rows.loc[train, "content_sha256"] = rows.loc[train, "content_sha256"].iloc[0]
    read, counts = lab.answers(run)
    logits = read((0,))["label"]
    assert counts["forwards"] == 2 and (logits == logits[0]).all()
