"""One training on texts: what the network is given, what it drops, what is kept of it."""

from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy
from sklearn import metrics

import trained_runs
from graft import config as graft_config
from graft.common import job, ranks
from graft.common.outputs import read_json, write_json
from graft.data.readers import complete
from graft.data.samples import read_manifest
from graft.embedding.input_batches import open_source, padded
from graft.networks import backbones
from graft.store import Store
from graft.targets.kinds import classification, regression
from graft.training import cpu_kernels
from graft.training.data import TrainingData
from graft.training.objectives import kd
from graft.training.state import StateFiles
from graft.training.trainer import Trainer
from tiny_data import text_table

pytestmark = pytest.mark.usefixtures("with_and_without_kernels")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return text_lab(tmp_path_factory.mktemp("lab"))


def text_lab(folder):
    """A folder with a prepared table of short texts, and the untrained tiny BERT of trained_runs."""
    entry = text_table(folder / "cells", rows=40)
    trained_runs.finished_run(folder, folder / "cells", **entry)
    write_json(folder / "dataset.json", {"root": str(folder / "cells")})
    return SimpleNamespace(folder=folder, entry=complete({**trained_runs.THREE_WAY, **entry}))


def text_trainer(lab, here, compiled=False, **settings):
    """A trainer of the tiny BERT; its store and state are `here`."""
    model = {"dataset": "cells", "backbone": "b", "method": "full", "epochs": 2, "batch_size": 8, **settings}
    backbone = {"library": "transformers", "source": {"random": True}}
    config = {
        "datasets": {"cells": {"source": {"path": "cells"}}},
        "backbones": {"b": backbone},
        "finetune": {"e": model},
    }
    samples, network = lab.folder / "results/data/cells/samples.parquet", lab.folder / "resources/backbones/tiny"
    spec = read_json(network / "backbone.json")
    data = TrainingData(
        settings=graft_config.make_plan(graft_config.load(config)).models["e.b.full"],
        samples=samples,
        source=open_source(lab.folder / "dataset.json", lab.entry, read_manifest(samples).card),
        backbone=SimpleNamespace(spec=spec, folder=network, weights="0" * 64, network=partial(backbones.build, spec)),
        store=Store(here / "store"),
    )
    return Trainer(data, 0, StateFiles(here / "state", "f"), torch.device("cpu"), "fp32", compile=compiled)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("asked", [False, True])
def test_attention_is_dropped_as_asked_compiled_or_not(lab, tmp_path, monkeypatch, compiled, asked):
    """`compile: true` once brought dropout back, since no kernel replaced torch's."""
    trainer, seen = text_trainer(lab, tmp_path, compiled, attention_dropout=asked, epochs=1), set()
    attention = torch.nn.functional.scaled_dot_product_attention

    def noted(query, key, value, attn_mask=None, dropout_p=0.0, **options):
        seen.add(dropout_p)
        return attention(query, key, value, attn_mask, dropout_p, **options)

    monkeypatch.setattr(torch, "compile", lambda model: lambda inputs: model(inputs))
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", noted)
    monkeypatch.setattr(cpu_kernels, "plain_attention", noted)
    trainer.fit()
    assert seen == ({0.0, 0.1} if asked else {0.0})  # 0 where validation rows are predicted


def test_cpu_kernels_replace_torchs_unless_the_config_says_no(lab, tmp_path, with_and_without_kernels):
    trainer = text_trainer(lab, tmp_path, epochs=1)
    trainer.fit()
    assert (trainer.running is not nullcontext) is with_and_without_kernels


def test_a_text_has_the_same_logits_alone_and_beside_longer_ones(lab, tmp_path):
    """The attention mask: what is padded is neither attended to nor pooled."""
    network = text_trainer(lab, tmp_path).untrained().eval()
    short, long = [3, 2, 7, 3, 0, 0, 0], [6, 2, 8, 9, 10, 11, 3]  # the number of tokens, and these

    def logits(*rows):
        batch = padded(np.array(rows, np.uint16), pad_id=0)
        return network({key: torch.from_numpy(value) for key, value in batch.items()})["label"]

    with torch.no_grad():
        torch.testing.assert_close(logits(short, long)[0], logits(short)[0], rtol=1e-5, atol=1e-6)
        assert not torch.allclose(logits(short), logits([4, 2, 7, 3, 0, 0, 0]), atol=1e-5)  # had the padding been read


def test_padded_texts_say_which_of_their_tokens_are_real():
    batch = padded(np.array([[2, 7, 8, 0], [3, 4, 5, 6]], np.uint16), pad_id=9)
    assert batch["input_ids"].tolist() == [[7, 8, 9], [4, 5, 6]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]


def test_a_run_trains_on_train_rows_with_their_own_labels_and_judges_on_validation_rows(lab, tmp_path, monkeypatch):
    """The loss of the first step is that of the network as it begins, on the labels of the manifest."""
    trainer, seen = text_trainer(lab, tmp_path, dropout=0, batch_size=64), []
    losses = classification.losses
    monkeypatch.setattr(classification, "losses", lambda logits, labels, *_: seen.append((logits, labels)) or losses(logits, labels, *_))  # fmt: skip
    frame = trainer.data.manifest.frame
    trained = trainer.fit()
    logits, labels = seen[0]
    assert sorted(labels.tolist()) == sorted((frame["label"] == "b")[frame["split"] == "train"].astype(int))
    assert len(seen) == 2 and len(logits) == (frame["split"] == "train").sum()
    places = trainer.data.places("validation")
    outputs, codes = trainer.outputs(trained.network, places)["label"], trainer.data.targets["label"].codes[places]
    chances = softmax(outputs, axis=1)
    best = min(trained.history, key=lambda row: row["val_loss_calibrated"])
    assert best["val_loss"] == pytest.approx(metrics.log_loss(codes, chances, labels=[0, 1]), rel=1e-5)
    assert best["val_acc"] == pytest.approx(metrics.accuracy_score(codes, chances.argmax(1)))
    assert best["val_auroc"] == pytest.approx(metrics.roc_auc_score(codes, chances[:, 1]))


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 3.0, 1.0], dtype=torch.float64)])
@pytest.mark.parametrize(("temperature", "alpha", "smoothing"), [(4.0, 0.7, 0.0), (1.0, 0.2, 0.1), (20.0, 1.0, 0.0)])
def test_the_distillation_loss_is_hintons(weights, temperature, alpha, smoothing):
    """alpha T^2 KL(teacher || student) + (1 - alpha) cross-entropy, by scipy's relative entropy."""
    draw = np.random.default_rng(0)
    student, teacher, labels = draw.normal(size=(9, 3)), draw.normal(size=(9, 3)), draw.integers(3, size=9)
    soft = entropy(softmax(teacher / temperature, axis=1), softmax(student / temperature, axis=1), axis=1)
    softened = np.eye(3)[labels] * (1 - smoothing) + smoothing / 3
    hard = -(softened * np.log(softmax(student, axis=1))).sum(1)
    each = (alpha * temperature**2 * soft + (1 - alpha) * hard) * (1 if weights is None else weights.numpy()[labels])
    settings = {"temperature": temperature, "alpha": alpha, "label_smoothing": smoothing}
    tensors = [torch.from_numpy(one) for one in (student, labels)]
    found = kd.losses(*tensors, settings, weights, torch.from_numpy(teacher))
    np.testing.assert_allclose(found, each, rtol=1e-12, atol=1e-12)
    assert float(found.mean()) == pytest.approx(each.mean(), rel=1e-12)


def test_a_number_has_the_squared_error_of_each_sample():
    outputs, values = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    assert regression.losses(outputs, values, {}).tolist() == pytest.approx([0, 4, 9])


@pytest.mark.parametrize(("ranks_", "threads"), [(1, 3), (2, 1), (4, 1)])
def test_a_job_computes_on_its_own_threads_shared_between_its_ranks(tmp_path, monkeypatch, ranks_, threads):
    before = torch.get_num_threads()
    monkeypatch.setattr(ranks, "count", lambda: ranks_)
    monkeypatch.setattr(ranks, "connected", lambda gpus: nullcontext())
    monkeypatch.setattr(job, "keep_freed_memory", lambda: None)
    try:
        with job.job(tmp_path / "log", threads=3):
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
