"""P4: ten thousand episodes, 5 ways, 5 shots, 15 queries, 512 numbers wide, on ready features.

All three get the same episodes, drawn beforehand: the sampling counts for none of them.
"""

import numpy as np
import torch
from easyfsl.datasets import FeaturesDataset
from easyfsl.methods import PrototypicalNetworks
from easyfsl.samplers import TaskSampler
from torch.utils.data import DataLoader

from benchmarks.harness import Row, alternate
from benchmarks.seed_loop import prototypical
from graft.few_shot import classifiers
from graft.few_shot.episodes import episode_labels, sample_episodes

EPISODES, WAYS, SHOTS, QUERIES, WIDTH, CLASSES = 10_000, 5, 5, 15, 512, 64
THREADS = 1  # as rule few_shot has it
ROUNDING = 1e-6  # two distances in float32 that are nearer than this share are a tie, which either may win


class TakesDataSource:
    """The one line that easyfsl 1.5 needs patched: torch's Sampler no longer takes the argument that it hands on."""

    def __init__(self, data_source=None):
        pass


class GivenEpisodes(TaskSampler, TakesDataSource):
    """easyfsl's sampler, yielding episodes that are already drawn; everything else is easyfsl's own."""

    def __init__(self, dataset, episodes):
        super().__init__(dataset, WAYS, SHOTS, QUERIES, len(episodes))
        self.episodes = episodes

    def __iter__(self):
        return iter(self.episodes)


def run():
    draw = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), 100)
    centres = draw.normal(size=(CLASSES, WIDTH))
    features = torch.from_numpy((centres[labels] * 0.12 + draw.normal(size=(len(labels), WIDTH))).astype(np.float32))
    classes, support, query = sample_episodes(labels, None, WAYS, SHOTS, QUERIES, EPISODES, seed=0)
    # easyfsl wants the rows class by class, the support first
    by_class = [rows.reshape(EPISODES, WAYS, -1) for rows in (support, query)]
    episodes = np.concatenate(by_class, axis=2).reshape(EPISODES, -1).tolist()
    classes, support, query = (torch.from_numpy(part) for part in (classes, support, query))
    support_labels = torch.from_numpy(episode_labels(WAYS, SHOTS))

    def ours():
        return classes.gather(1, classifiers.classify("prototypes", features, support, query, WAYS).argmax(-1))

    @torch.inference_mode()
    def seed():
        pairs = (
            prototypical(features[rows], support_labels, features[asked])
            for rows, asked in zip(support, query, strict=True)
        )
        return classes.gather(1, torch.stack([predicted for predicted, _ in pairs]))

    def easyfsl():
        dataset = FeaturesDataset(labels.tolist(), features, [str(name) for name in range(CLASSES)])
        sampler = GivenEpisodes(dataset, episodes)
        loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=sampler.episodic_collate_fn)
        return predict(PrototypicalNetworks(torch.nn.Identity()), loader)

    truth = classes.repeat_interleave(QUERIES, 1)
    for name, what, other, target in (("P4", "the seed loop", seed, 2.5), ("P4b", "easyfsl", easyfsl, 8)):
        ours_s, other_s, found, theirs = alternate(ours, other, threads=THREADS)
        ties = check_ties(features, labels, support, query, found, theirs)
        yield Row(
            name,
            f"10,000 episodes, 5-way 5-shot 15-query, 512 wide; other: {what}",
            ours_s,
            other_s,
            ("at least", target),
            quality={
                "ours": f"accuracy {float((found == truth).double().mean()):.4f}",
                "other": f"predictions equal, except for {ties} ties" if ties else "predictions equal",
            },
            counts={"episodes": EPISODES, "queries": query.numel(), "threads": THREADS},
        )


@torch.no_grad()
def predict(model, loader):
    """`easyfsl.utils.evaluate` without its progress bar, keeping the predicted classes instead of counting hits."""
    model.eval()
    predictions = []
    for support, support_labels, query, _, classes in loader:
        model.process_support_set(support, support_labels)
        predictions.append(torch.tensor(classes)[model(query).argmax(1)])
    return torch.stack(predictions)


def check_ties(features, labels, support, query, found, theirs):
    """The number of queries that two predict differently, all of which must be ties by distances in float64."""
    episodes, places = (found != theirs).nonzero(as_tuple=True)
    for episode, place in zip(episodes, places, strict=True):
        asked, rows = features[query[episode, place]].double(), support[episode]
        of = torch.from_numpy(labels)[rows]
        one, other = (
            (asked - features[rows[of == predicted[episode, place]]].double().mean(0)).norm()
            for predicted in (found, theirs)
        )
        if abs(one - other) > ROUNDING * one:
            raise RuntimeError(f"query {place} of episode {episode} is predicted differently: {one} and {other}")
    return len(places)
