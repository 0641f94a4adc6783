"""P4: ten thousand episodes, 5 ways, 5 shots, 15 queries, 512 numbers wide, on ready features."""

import numpy as np
import torch

from benchmarks.harness import Row, alternate
from benchmarks.seed_loop import prototypical
from graft import few_shot
from graft.episodes import episode_labels, sample_episodes

EPISODES, WAYS, SHOTS, QUERIES, WIDTH, CLASSES = 10_000, 5, 5, 15, 512, 64


def run():
    draw = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), 100)
    centres = draw.normal(size=(CLASSES, WIDTH))
    features = torch.from_numpy((centres[labels] * 0.12 + draw.normal(size=(len(labels), WIDTH))).astype(np.float32))
    _, support, query = sample_episodes(labels, None, WAYS, SHOTS, QUERIES, EPISODES, seed=0)
    support_labels = torch.from_numpy(episode_labels(WAYS, SHOTS))
    support, query = torch.from_numpy(support), torch.from_numpy(query)

    def ours():
        return few_shot.classify("prototypes", features, support, query, WAYS).argmax(-1)

    @torch.inference_mode()
    def seed():
        pairs = (
            prototypical(features[rows], support_labels, features[asked])
            for rows, asked in zip(support, query, strict=True)
        )
        return torch.stack([predicted for predicted, _ in pairs])

    asked = torch.from_numpy(episode_labels(WAYS, QUERIES))
    ours_s, seed_s, found, plain = alternate(ours, seed)
    same = float((found == plain).double().mean())
    yield Row(
        "P4",
        "10,000 episodes, 5-way 5-shot 15-query, 512 wide; other: the seed loop",
        ours_s,
        seed_s,
        ("at least", 2.5),
        quality={"ours": f"{float((found == asked).double().mean()):.4f}", "other": f"{same:.6f} of predictions equal"},
        counts={"episodes": EPISODES, "queries": query.numel()},
    )
