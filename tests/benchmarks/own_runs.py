"""graft's own side of the training rows: a prepared data set, and a trainer as scripts/finetune.py gets it."""

import tempfile
import time

import numpy as np
import torch

import assets
from benchmarks.harness import THREADS
from graft import config as graft_config
from graft.common.device import choose_precision
from graft.common.fingerprint import root_of
from graft.data.prepare import prepare, write
from graft.data.readers import complete
from graft.data.samples import read_manifest
from graft.embedding import features
from graft.embedding.engines.torch import Torch
from graft.embedding.input_batches import open_inputs, open_source
from graft.store import Store
from graft.store.feature_files import write_features
from graft.training.data import TrainingData
from graft.training.state import StateFiles
from graft.training.trainer import Trainer

UNREAD = {"source": {"path": "unread"}}  # the config's check wants one; the backbone itself comes with the run
CPU = torch.device("cpu")


class Prepared:
    """A data set on disk (`folder` of its dataset.json), prepared once in `work`, and one store for all runs on it."""

    def __init__(self, name, entry, folder, work):
        self.entry, self.folder, self.work = complete(entry), folder, work
        self.samples, self.store = work / "samples.parquet", Store(work / "store")
        outputs = {key: work / name for key, name in OUTPUTS.items()}
        write(prepare(name, self.entry, root_of(folder / "dataset.json"), THREADS), outputs)
        self.manifest = read_manifest(self.samples)
        self.source = open_source(folder / "dataset.json", self.entry, self.manifest.card)

    def rows(self, split):
        frame = self.manifest.frame
        return frame[frame["split"] == split].reset_index(drop=True)

    def codes(self, split):
        target = next(iter(self.manifest.targets))
        return self.manifest.codes(target, self.rows(split))

    def embed(self, backbone, precision="auto"):
        """Embeddings of the labelled rows as the workflow writes them; the file's path."""
        rows = self.manifest.part("labelled")
        embeddings, _ = features.embed(
            rows, self.source, backbone, self.store, precision, threads=THREADS, engine="auto"
        )
        path = self.work / f"{backbone.weights[:12]}.parquet"
        write_features(path, rows, embeddings)
        return path

    def trainer(self, backbone, method, precision="auto", **settings):
        """A trainer with the config's defaults and `settings` over them."""
        model = {"dataset": "d", "backbone": "b", "method": method, **settings}
        config = graft_config.load(
            {
                "datasets": {"d": self.entry},
                "backbones": {"b": {key: backbone.spec[key] for key in ("library", "architecture")} | UNREAD},
                "finetune": {"bench": model},
            }
        )
        (planned,) = graft_config.make_plan(config).models.values()
        return self.open_trainer(planned, backbone, precision=precision)

    def open_trainer(self, settings, backbone, embeddings=None, precision="auto"):
        """The trainer of a planned model; `embeddings` is a file that `embed` wrote."""
        data = TrainingData(settings, self.samples, self.source, backbone, self.store, THREADS, embeddings)
        return Trainer(data, 0, StateFiles(self.work / "state", "bench"), CPU, choose_precision(precision, CPU))


def decoding_seconds(rows, source, backbone):
    """Core-seconds of reading, decoding and resizing the images of `rows` once."""
    with tempfile.TemporaryDirectory() as folder:
        inputs = open_inputs(rows, source, backbone, Store(folder, images=()), threads=1)
        start = time.process_time()
        inputs.arrays(np.arange(len(rows)))
        return time.process_time() - start


def backbone(name, card, **preprocessing):
    """A fetched backbone as the workflow opens it, with another input size or length."""
    found = features.pretrained(assets.backbone(name), card)
    found.spec["preprocessing"] |= preprocessing
    return found


OUTPUTS = {
    "samples": "samples.parquet",
    "labels": "labels.json",
    "card": "data_card.json",
    "labelled": "labelled.digest",
    "pool": "pool.digest",
}


@torch.inference_mode()
def logits(trainer, trained, split):
    """A trained network's outputs for a split, Tensor of shape (n, classes)."""
    data, network = trainer.data, trained.network
    rows = read_manifest(data.samples).frame
    rows = rows[rows["split"] == split].reset_index(drop=True)
    inputs = open_inputs(rows, data.source, data.backbone, data.store, THREADS)
    embeddings, _ = features.forward(Torch(lambda: network.backbone.eval(), trainer.device, trainer.precision), inputs)
    return network.heads[trainer.settings["targets"][0]](torch.from_numpy(embeddings))
