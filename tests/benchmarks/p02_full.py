"""P2: full fine-tuning of EfficientNet-Lite0 on solar cells, against the seed loop and timm's and Trainer's own loops."""

import tempfile
from pathlib import Path

import numpy as np
import timm
import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from torch.utils.data import DataLoader, Dataset, TensorDataset

import assets
from benchmarks.elpv import ENTRY, Files
from benchmarks.harness import Row, alternate
from benchmarks.own_runs import Prepared, backbone, logits
from benchmarks.seed_loop import predict_vision, train_vision
from benchmarks.trainers import trained
from graft.common import plugins
from graft.common.fingerprint import root_of
from graft.embedding.input_batches import open_inputs
from graft.evaluation.metrics import auroc
from graft.networks import backbones

SIZE, COUNT, BATCH, EPOCHS, LR = 128, 800, 32, 2, 3e-4


def run():
    with tempfile.TemporaryDirectory() as folder:
        yield from _rows(Path(folder))


def _rows(work):
    data = Prepared("elpv", {**ENTRY, "limit": COUNT}, assets.dataset("elpv"), work)
    lite0 = backbone("effnet-lite0", data.manifest.card, size=SIZE)
    settings = {"batch_size": BATCH, "epochs": EPOCHS, "lr": LR, "patience": None, "dropout": 0}
    root = root_of(assets.dataset("elpv") / "dataset.json")
    files = {s: Files(root, data.rows(s)["path"], data.codes(s), SIZE) for s in ("train", "validation", "test")}
    ready = {split: _pixels(data, lite0, split) for split in files}
    images = EPOCHS * len(files["train"])
    results = {}

    def ours():
        trainer = data.trainer(lite0, "full", **settings)
        trained = plugins.load("method", "full").train(trainer)
        trainer.states.clear()
        results["ours"] = _auroc(logits(trainer, trained, "test"), data.codes("test"))

    def seed():
        model = classifier()
        train_vision(model, files["train"], files["validation"], EPOCHS, lr=LR, batch_size=BATCH)
        results["P2"] = _auroc(*predict_vision(model, DataLoader(files["test"], batch_size=BATCH)))

    def with_timm():
        model = classifier()
        train_timm(model, ready["train"], ready["validation"])
        results["P2b"] = _auroc(*predict_vision(model, DataLoader(ready["test"], batch_size=BATCH)))

    def with_trainer():
        model = classifier().to(memory_format=torch.channels_last)
        arguments = {
            "per_device_train_batch_size": BATCH,
            "num_train_epochs": EPOCHS,
            "learning_rate": LR,
            "bf16": True,
        }
        parts = [Dicts(ready[split]) for split in ("train", "validation")]
        trained(WithLoss(model), *parts, work / "trainer", _stack, **arguments)
        results["P2c"] = _auroc(*predict_vision(model, DataLoader(ready["test"], batch_size=BATCH)))

    for name, other, what, least in (
        ("P2", seed, "the seed loop", 2),
        ("P2b", with_timm, "a loop of timm's parts, pixels ready in memory", 1),
        ("P2c", with_trainer, "Trainer, bf16, pixels ready in memory", 1),
    ):
        ours_s, other_s, _, _ = alternate(ours, other, repeats=1 if name == "P2" else 2, warm=False)
        rates = [f"{images / np.median(seconds):.0f} images/s" for seconds in (ours_s, other_s)]
        yield Row(
            name,
            f"full fine-tuning at {SIZE} px, {EPOCHS} epochs with validation; other: {what}",
            ours_s,
            other_s,
            ("at least", least),
            quality={
                "ours": f"{rates[0]}, AUROC {results['ours']:.3f}",
                "other": f"{rates[1]}, AUROC {results[name]:.3f}",
            },
            counts={"images": images, "steps": EPOCHS * -(-len(files["train"]) // BATCH)},
        )


def classifier():
    """timm's network with the fetched weights and a new last layer for two classes."""
    folder = assets.backbone("effnet-lite0")
    torch.manual_seed(0)
    model = timm.create_model("tf_efficientnet_lite0", num_classes=2)
    found = model.load_state_dict(backbones.load(folder).state_dict(), strict=False)
    if found.unexpected_keys or set(found.missing_keys) != {"classifier.weight", "classifier.bias"}:
        raise RuntimeError(f"another network: {found}")
    return model


def train_timm(model, train, validation):
    """The steps of timm's train.py: channels_last, bfloat16, its optimizer and scheduler, updates per step."""
    model = model.to(memory_format=torch.channels_last)
    optimizer = create_optimizer_v2(model, opt="adamw", lr=LR, weight_decay=0.05)
    loader = DataLoader(train, batch_size=BATCH, shuffle=True)
    schedule, _ = create_scheduler_v2(
        optimizer, "cosine", num_epochs=EPOCHS, step_on_epochs=False, updates_per_epoch=len(loader)
    )
    loss_of, updates = torch.nn.CrossEntropyLoss(), 0
    for _ in range(EPOCHS):
        model.train()
        for images, labels in loader:
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(model(images.contiguous(memory_format=torch.channels_last)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            updates += 1
            schedule.step_update(num_updates=updates)
        with torch.autocast("cpu", torch.bfloat16):
            predict_vision(model, DataLoader(validation, batch_size=BATCH))


class WithLoss(torch.nn.Module):
    """What Trainer expects of a model: the loss first."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixels, labels):
        logits = self.model(pixels)
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


class Dicts(Dataset):
    """A dataset of pairs as one of dicts."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        pixels, label = self.pairs[index]
        return {"pixels": pixels, "labels": label}


def _stack(items):
    batch = {key: torch.stack([item[key] for item in items]) for key in items[0]}
    return {**batch, "pixels": batch["pixels"].contiguous(memory_format=torch.channels_last)}


def _pixels(data, lite0, split):
    """A split's images as the network takes them, and its labels, in memory."""
    inputs = open_inputs(data.rows(split), data.source, lite0, data.store, 2)
    pixels = inputs.prepare(inputs.batch(np.arange(len(inputs.lengths))), torch.device("cpu"))
    return TensorDataset(pixels.contiguous(), torch.from_numpy(data.codes(split)))


def _auroc(outputs, labels):
    return auroc(np.asarray(labels), outputs.softmax(1).detach().numpy())[0]
