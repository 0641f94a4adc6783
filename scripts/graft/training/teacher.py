"""A teacher's logits: computed once for each sample and view, kept in the store, shared by all of its students."""

from functools import partial

import numpy as np
import torch

from graft.common.job import Progress
from graft.common.outputs import digest_of
from graft.embedding import features
from graft.embedding.input_batches import missing_rows, on_device, open_inputs, transform_key
from graft.heads.calibration import calibrated
from graft.networks.augment import draw_views, view_seed
from graft.targets.predictions import teaching_logits

SHARD = 2048  # views per shard: an interruption loses at most these


class StoredTeacher:
    """Logits that were computed before the training. Those of one set of views at a time are on the device.

    Parameters
    ----------
    read : callable, view seed -> dict, target -> array of shape (taught rows, classes); see TrainingData.taught
    """

    def __init__(self, read, device):
        self._read, self._device, self._seed = read, device, None

    def logits(self, target, indices, seed):
        """float32 Tensor, shape (n, classes); `indices` are places among the taught rows, `seed` that of their views."""
        if seed != self._seed:
            read = self._read(seed)
            self._seed, self._logits = (
                seed,
                {name: torch.from_numpy(one).to(self._device) for name, one in read.items()},
            )
        return self._logits[target][on_device(indices, self._device)].float()


def view_seeds(settings, seed):
    """The different view seeds of all epochs, in an order of this run's own.

    Students that train side by side so begin with different sets, and find those of the others ready.
    """
    seeds = list(dict.fromkeys(view_seed(settings, seed, epoch) for epoch in range(settings["epochs"])))
    order = np.random.default_rng(int(digest_of([settings["name"], seed]), 16)).permutation(len(seeds))
    return [seeds[i] for i in order]


def view_logits(trainer, content, folder, seed):
    """The teacher's logits for one view of each taught row, forwarding only those that the store lacks; and the forwards.

    They are kept in float32. In float16 the loss of a step differs by 2e-5, but training in bfloat16 multiplies that to
    4e-2 within 13 steps (ELPV, Lite2 to Lite0), and a run would not be the one that a live teacher gives.

    Parameters
    ----------
    trainer : Trainer of the student
    content : dict of the teacher's ft_model.pt; `folder` is that of its backbone
    seed : tuple of int, from view_seed

    Returns
    -------
    dict, target -> float64 array, shape (taught rows, classes): calibrated, as the teacher's probabilities are
    int : views that were forwarded
    """
    data = trainer.data
    rows, backbone = data.rows.iloc[data.taught], features.trained(content, folder)
    engine = features.engine_for(rows, data.source, backbone, data.store, trainer.precision, **trainer.forward_mode)
    key = partial(_key, trainer, content, seed=seed, made_by=engine.made_by)
    tables = {
        name: data.store.table("teacher_logits", (target.outputs,), np.float32, **key(name))
        for name, target in data.targets.items()
    }
    lacking = [missing_rows(rows, table) for table in tables.values()]
    wanted = max(lacking, key=len)  # what one target lacks, all do: they are written together
    if len(wanted):
        progress = Progress(f"teacher, views {seed}", len(wanted))
        for start in range(0, len(wanted), SHARD):
            block = wanted.iloc[start : start + SHARD]
            inputs = open_inputs(block, data.source, backbone, data.store, data.threads)
            contents = list(block["content_sha256"])
            views = draw_views(trainer.settings["augment"], contents, seed)
            embeddings, _ = features.forward(engine, inputs, progress, views)
            for name, table in tables.items():
                table.append(contents, teaching_logits(content, name, embeddings))
    read = {name: table.read(rows["content_sha256"]) for name, table in tables.items()}
    return {name: calibrated(logits, content["targets"][name]) for name, logits in read.items()}, len(wanted)


def _key(trainer, content, target, seed, made_by):
    """All that a teacher's logits depend on besides the sample."""
    return {
        "model": content["digests"]["model"],
        "target": target,
        "transform": transform_key(content["backbone"], trainer.data.source.card),
        "augment": trainer.settings["augment"],
        "view_seed": list(seed),
        **made_by,
    }
