"""One zero-shot task as its method sees it: samples, descriptions, networks and the store; no label."""

from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch

from graft.embedding.texts import embed_texts
from graft.networks.backbones import text_tower
from graft.store import Store
from graft.zero_shot.vectors import means


@dataclass
class Task:
    """What a method's `score` reads.

    settings : dict, the task's in the plan
    modality : "text" or "image", of the samples
    rows : DataFrame, the manifest's without split, fold and targets, n rows
    prompts : dict, class -> list of texts
    backbone : SimpleNamespace as features.pretrained gives it; text_backbone likewise, or None
    embeddings : float32 array, shape (n, width), by `backbone`; None if the method reads texts
    source : where the samples' contents are, see input_batches.open_source
    store, device, precision, engine, threads : as for features.embed_blocks
    counts : Counter of what it cost
    """

    settings: dict
    modality: str
    rows: pd.DataFrame
    prompts: dict
    backbone: SimpleNamespace
    text_backbone: SimpleNamespace | None
    embeddings: np.ndarray | None
    source: SimpleNamespace
    store: Store
    device: torch.device
    precision: str
    engine: str = "torch"
    threads: int = 1
    counts: Counter = field(default_factory=Counter)

    def embed(self, texts):
        """Embeddings of texts by what reads descriptions here: the text backbone, or the backbone's tower for texts."""
        encoder = self.text_backbone or (self.backbone if self.modality == "text" else text_tower(self.backbone.folder))
        values, forwards = embed_texts(
            texts, encoder, self.store, self.precision, self.device, self.engine, self.threads
        )
        self.counts.update(texts=len(texts), forwards=forwards)
        return values

    def class_vectors(self):
        """The mean embedding of each class's texts, shape (classes, width)."""
        return means(self.embed, list(self.prompts.values()))
