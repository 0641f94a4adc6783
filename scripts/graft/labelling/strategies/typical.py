"""A typical row of each cluster that has no label, the largest cluster first (TypiClust, Hacohen et al. 2022)."""

import numpy as np
from skactiveml.pool import TypiClust
from sklearn.cluster import MiniBatchKMeans

from graft.labelling.pool import MOST

CLUSTERS = 500  # the paper's most
FAR = 100.0  # all rows have length 1


def order(pool, count):
    """scikit-activeml's TypiClust, in rounds of half the clusters; the other half is for what has a label or a place already.

    The score is how typical a row is of its cluster: the inverse of the mean distance to its neighbours. Rows that are in no cluster
    without a label come last, with 0. In a large pool it looks at MOST rows, drawn at random.
    """
    candidates = np.sort(np.random.default_rng(0).permutation(len(pool.unsure))[:MOST])
    rows, known = pool.look(candidates)
    places, scores, count = np.empty(0, int), np.empty(0), min(count, len(rows))
    while len(places) < count:
        left = np.setdiff1d(np.arange(len(rows)), places)
        covered = summarised(np.concatenate([known, rows[places]]))
        found, typical = chosen(rows[left], covered, min(CLUSTERS // 2, count - len(places)))
        if not len(found):
            found, typical = np.arange(count - len(places)), np.zeros(count - len(places))
        places, scores = np.append(places, left[found]), np.append(scores, typical)
    return candidates[places], scores


def summarised(known):
    """At most half the clusters' number of points that say where the known rows are."""
    if len(known) <= CLUSTERS // 2:
        return known
    return MiniBatchKMeans(CLUSTERS // 2, random_state=0, n_init=1).fit(known).cluster_centers_


def chosen(rows, covered, count):
    """The places of at most `count` rows, and how typical each is; none where every cluster has a label.

    One more point, far from all, has a cluster of its own: TypiClust ends in an error where there is no cluster without a label. Once
    it has taken a row of each, it draws any rows, which are left for the next round here.
    """
    far = np.full((1, rows.shape[1]), FAR)
    labels = np.r_[np.full(len(rows) + 1, np.nan), np.zeros(len(covered))]
    strategy = TypiClust(random_state=0, cluster_algo=MiniBatchKMeans, cluster_algo_dict={"n_init": 1})
    points = np.concatenate([rows, far, covered])
    asked = min(count + 1, len(points) - len(covered))
    found, scores = strategy.query(points, labels, batch_size=asked, return_utilities=True)
    of_cluster = np.flatnonzero(np.isneginf(scores).any(axis=1) & (found != len(rows)))[:count]
    return found[of_cluster], scores[of_cluster, found[of_cluster]]
