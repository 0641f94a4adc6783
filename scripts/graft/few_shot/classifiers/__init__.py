"""Few-shot classifiers. Each is one file with `fit_predict`, found by its name, batched over episodes.

``fit_predict(support, support_labels, query, ways, **settings) -> logits``

support : Tensor of float32, shape (episodes, n, width)
support_labels : Tensor of int64, shape (episodes, n), values 0..ways-1
query : Tensor of float32, shape (episodes, m, width)
settings : the task's settings (distance, ...); a classifier takes what it knows and ignores the rest
logits : Tensor, shape (episodes, m, ways); the largest wins, a temperature makes them probabilities
"""

import torch

from graft.common import plugins
from graft.common.errors import UserError

CHUNK = 16  # episodes per batch: 8-32 keep the gathered features in the cache, more is slower


def prepare(features, train, centre=True, normalize=True):
    """Centre by the mean of the train rows, then scale every row to length 1 (Wang et al. 2019, SimpleShot).

    Parameters
    ----------
    features : float array or Tensor, shape (N, D)
    train : array of bool, shape (N,)
    centre, normalize : bool

    Returns
    -------
    Tensor of float32, shape (N, D)
    """
    features = torch.as_tensor(features, dtype=torch.float32)
    if centre:
        features = features - features[torch.as_tensor(train)].double().mean(0).float()
    return torch.nn.functional.normalize(features, dim=1) if normalize else features


@torch.inference_mode()
def classify(method, features, support, query, ways, settings=None, added=None):
    """Logits of every query of every episode.

    Parameters
    ----------
    method : str
    features : Tensor of float32, shape (N, D)
    support : array of int64, shape (episodes, ways * shots)
        Rows of `features`, class by class as `episodes.sample_episodes` gives them.
    query : array of int64, shape (episodes, ways * queries)
    ways : int
    settings : dict, optional
    added : callable, optional
        Called with the number of episodes done since the last call (a progress bar).

    Returns
    -------
    Tensor of float32, shape (episodes, ways * queries, ways)
    """
    classifier = plugins.load("classifier", method)
    chunk = getattr(classifier, "CHUNK", CHUNK)
    support, query = torch.as_tensor(support), torch.as_tensor(query)
    labels = torch.arange(ways).repeat_interleave(support.shape[1] // ways)
    logits = torch.empty(*query.shape, ways)
    for rows, asked, out in zip(support.split(chunk), query.split(chunk), logits.split(chunk), strict=True):
        known = labels.expand(len(rows), -1)
        out.copy_(
            classifier.fit_predict(_take(features, rows), known, _take(features, asked), ways, **(settings or {}))
        )
        if added:
            added(len(rows))
    return logits


def one_hot(labels, ways):
    """Indicator of each support row's class: float32, shape (episodes, n, ways).

    Raises
    ------
    UserError
        If a class has no support sample; names the class and the episode.
    """
    indicator = torch.nn.functional.one_hot(labels, ways).float()
    empty = (indicator.sum(1) == 0).nonzero()
    if len(empty):
        episode, label = empty[0].tolist()
        raise UserError(f"class {label} has no support sample in episode {episode} of its batch")
    return indicator


def _take(features, rows):
    return features.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
