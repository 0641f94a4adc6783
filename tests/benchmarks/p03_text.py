"""P3: fine-tuning MiniLM on messages of 20 Newsgroups, in tokens of real text: against Trainer padded and grouped."""

import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers

import assets
from benchmarks.harness import Row, alternate
from benchmarks.own_runs import Prepared, backbone, logits
from benchmarks.trainers import classifier, dynamic_padding, padded_to, trained
from graft.common import plugins
from graft.embedding.input_batches import open_inputs
from graft.networks import backbones
from graft.training.batch_order import shuffled_batches

TRAIN, VALIDATION, TEST, BATCH, LENGTH, LR = 384, 32, 384, 16, 512, 5e-5
TOPICS = ["sci.crypt", "sci.electronics", "sci.med", "sci.space"]
ENTRY = {
    "source": {"path": "."},
    "reader": "table",
    "modality": "text",
    "table": {"train": "20newsgroups-train.tab", "test": "20newsgroups-test.tab"},
    "separator": "tab",
    "skip_rows": 2,
    "columns": {"text": "Text"},
    "targets": {"topic": {"column": "Category", "classes": TOPICS}},
    "keep": {"Category": "sci.*"},
    "duplicates": "drop",
    "limit": TRAIN + VALIDATION + TEST,
    "split": {"validation": VALIDATION / (TRAIN + VALIDATION)},
}


def run():
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        yield from _rows(Path(folder))


def _rows(work):
    data = Prepared("news", ENTRY, assets.dataset("newsgroups"), work)
    minilm, folder = backbone("minilm", data.manifest.card, max_length=LENGTH), assets.backbone("minilm")
    settings = {"batch_size": BATCH, "epochs": 1, "lr": LR, "patience": None}
    words = backbones.tokenizer(folder)
    texts = {split: _tokens(data, minilm, split) for split in ("train", "validation", "test")}
    real = sum(len(text["input_ids"]) for text in texts["train"])
    models = {}

    def ours():
        own = data.trainer(minilm, "full", **settings)
        trained = plugins.load("method", "full").train(own)
        own.states.clear()
        models["ours"] = own, trained

    def trainer(name, collator, options=None, **settings):
        def train():
            model = classifier(folder, len(TOPICS), **(options or {}))
            settings_all = {
                "per_device_train_batch_size": BATCH,
                "num_train_epochs": 1,
                "learning_rate": LR,
                **settings,
            }
            models[name] = trained(
                model, texts["train"], texts["validation"], work / "trainer", collator, **settings_all
            )

        return train

    grouped = {"bf16": True, "train_sampling_strategy": "group_by_length"}
    no_drop = {"attention_probs_dropout_prob": 0.0}
    others = [
        ("P3", "the seed loop, padded to 512", padded_to(words, LENGTH), {}, {}, 5, 1),
        ("P3b", "Trainer, bf16, grouped by length", dynamic_padding(words), {}, grouped, 1.1, 2),
        ("P3c", "the same without attention dropout, as ours", dynamic_padding(words), no_drop, grouped, 1.1, 2),
    ]
    for name, what, collator, options, arguments, least, repeats in others:
        ours_s, other_s, _, _ = alternate(
            ours, trainer(name, collator, options, **arguments), repeats=repeats, warm=False
        )
        rates = [f"{real / np.median(seconds):,.0f} tokens/s" for seconds in (ours_s, other_s)]
        yield Row(
            name,
            f"text fine-tuning, {TRAIN} messages, an epoch with its validation; other: {what}",
            ours_s,
            other_s,
            ("at least", least),
            quality={
                "ours": f"{rates[0]}, padding {1 - real / _padded(*models['ours']):.1%}, "
                f"accuracy {_accuracy_of_ours(data, *models['ours']):.3f}",
                "other": f"{rates[1]}, accuracy {_accuracy(models[name], texts['test'], words):.3f}",
            },
            counts={"tokens": real, "padded": _padded(*models["ours"])},
        )


def _tokens(data, minilm, split):
    """A split as the list of dicts that Trainer takes; the same ids as ours."""
    inputs = open_inputs(data.rows(split), data.source, minilm, data.store)
    ids = [inputs.batch(np.array([i]))["input_ids"][0].tolist() for i in range(len(inputs.lengths))]
    return [{"input_ids": one, "label": int(code)} for one, code in zip(ids, data.codes(split), strict=True)]


def _padded(trainer, _):
    """Tokens that an epoch of ours forwards in training, padding included."""
    lengths = trainer.data.inputs.lengths[trainer.data.places("train")]
    return int(sum(lengths[batch].max() * len(batch) for (batch,) in shuffled_batches(lengths, BATCH, 0)(0)))


def _accuracy_of_ours(data, trainer, trained):
    found = logits(trainer, trained, "test").argmax(1).numpy()
    return float((found == data.codes("test")).mean())


@torch.inference_mode()
def _accuracy(model, texts, words):
    texts, right = sorted(texts, key=lambda text: len(text["input_ids"])), 0
    for start in range(0, len(texts), BATCH):
        batch = dynamic_padding(words)(texts[start : start + BATCH])
        labels = batch.pop("labels")
        right += int((model(**batch).logits.argmax(1) == labels).sum())
    return right / len(texts)
