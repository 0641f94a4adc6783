"""The teacher as most scripts run it, at every step: what distillation from stored answers is held against."""

import numpy as np
import torch

from graft.embedding import features
from graft.embedding.input_batches import open_inputs
from graft.evaluation.predictions import teaching_logits
from graft.heads.calibration import calibrated
from graft.networks.augment import draw_views
from graft.networks.cpu import kernels


class LiveTeacher:
    """Stands in for graft.training.teacher.StoredTeacher; `forwards` counts the samples that it looked at."""

    def __init__(self, run, content, folder):
        self.run, self.content, self.forwards = run, content, 0
        rows, backbone = run.rows[run.splits == "train"], features.trained(content, folder)
        self.contents = rows["content_sha256"].to_numpy(dtype=object)
        self.inputs = open_inputs(rows, run.source, backbone, run.store, {}, run.threads)
        self.network = kernels.place(backbone.network().eval(), run.device)
        example = features.first_of(self.inputs.prepare(self.inputs.batch([0]), run.device))
        self.running = kernels.inference(self.network, example, run.device, run.precision)

    @torch.inference_mode()
    def logits(self, indices, seed):
        views = draw_views(self.run.settings["augment"], self.contents[indices], seed)
        inputs = self.inputs.prepare(self.inputs.batch(indices), self.run.device, views)
        with self.running():
            embeddings = self.network(inputs)
        self.forwards += len(indices)
        target = self.run.settings["target"]
        logits = teaching_logits(self.content, target, embeddings.float().cpu().numpy()).astype(np.float32)
        return torch.from_numpy(calibrated(logits, self.content["targets"][target])).float().to(self.run.device)
