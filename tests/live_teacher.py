"""The teacher as most scripts run it, at every step: what distillation from stored answers is compared with."""

import numpy as np
import torch

from graft.embedding import features
from graft.embedding.input_batches import open_inputs
from graft.heads.calibration import calibrated
from graft.networks.augment import draw_views
from graft.networks.placing import place
from graft.targets.predictions import teaching_logits


class LiveTeacher:
    """Replaces graft.training.teacher.StoredTeacher; `forwards` counts the samples that it looked at."""

    def __init__(self, student, content, folder):
        self.student, self.content, self.forwards = student, content, 0
        data, device = student.data, student.device
        rows, backbone = data.rows.iloc[data.taught], features.trained(content, folder)
        self.contents = rows["content_sha256"].to_numpy(dtype=object)
        self.inputs = open_inputs(rows, data.source, backbone, data.store, data.threads)
        self.network = place(backbone.network().eval(), device)

    @torch.inference_mode()
    def logits(self, target, indices, seed):
        views = draw_views(self.student.settings["augment"], self.contents[indices], seed)
        inputs = self.inputs.prepare(self.inputs.batch(indices), self.student.device, views)
        precision = self.student.precision
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=precision == "bf16"):
            embeddings = self.network(inputs)
        self.forwards += len(indices)
        logits = teaching_logits(self.content, target, embeddings.float().cpu().numpy()).astype(np.float32)
        return torch.from_numpy(calibrated(logits, self.content["targets"][target])).float().to(self.student.device)
