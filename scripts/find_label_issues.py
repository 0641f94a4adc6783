"""Name the labels of a target that are probably wrong, by heads on stored embeddings that did not see them."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from graft.common import plugins
from graft.common.job import job
from graft.common.outputs import write_csv
from graft.data.samples import read_manifest, some_of
from graft.doubts.label_issues import label_issues
from graft.heads import solvers
from graft.heads.principal_axes import DEAD
from graft.store.feature_files import blocks_of, features_of

logger = logging.getLogger("graft")
COLUMNS = ["sample_id", "split", "label", "suggested", "p_label", "p_suggested", "score", "rank"]
MOST = 20_000  # rows that heads are fitted on; more change little
SETTINGS = {"l2": None, "class_weights": "none"}


def main(samples, features, ranking, target, output):
    """Write the rows whose label is probably wrong; rank 1 is the most doubtful. `score` is 1 - p_label.

    Parameters
    ----------
    samples : path of the manifest
    features : dict, name of a pretrained backbone -> path of its embeddings of the labelled rows
    ranking : path of transferability.csv
    target : str, of classes
    output : path
    """
    manifest = read_manifest(samples)
    rows = manifest.part("labelled")
    rows = rows[rows[target].notna()].reset_index(drop=True)
    backbone = best_of(list(features), pd.read_csv(ranking), target)
    chances = unseen_chances(manifest, rows, features[backbone], target)
    found = issues_of(rows, manifest.codes(target, rows), chances, manifest.targets[target])
    logger.info("%d labels of %d rows are doubtful, by embeddings of %s", len(found), len(rows), backbone)
    write_csv(output, found)


def best_of(backbones, ranking, target):
    """The backbone on whose embeddings a head is best; the first where that is not known."""
    scores = ranking[(ranking["target"] == target) & (ranking["method"] == "linear")].set_index("backbone")["score"]
    return max(backbones, key=lambda name: scores.get(name, -np.inf))


def unseen_chances(manifest, rows, path, target):
    """Calibrated probabilities of each row by a head that did not see it: of train rows by their folds, of others by the head of
    all train rows. Test rows are judged and never learned from.

    Returns
    -------
    float array, shape (n, classes); NaN where a row has no such head
    """
    facts, codes = manifest.targets[target], manifest.codes(target, rows)
    kind = plugins.load("kind", facts["kind"])
    splits = rows["split"].to_numpy()
    answers, more = kind.encode(codes, splits == "train", facts)
    learned = some_of(rows[splits != "test"], MOST).index.to_numpy()
    dead = 0 if manifest.card["modality"] == "vector" else DEAD  # as in training
    solved = kind.solve(
        features_of(rows.iloc[learned], path),
        answers[learned],
        splits[learned],
        rows["fold"].to_numpy()[learned],
        facts,
        SETTINGS,
        dead,
    )
    outputs = np.empty((len(rows), kind.outputs_of(facts)))
    for places, block in blocks_of(rows, path):
        outputs[places] = solvers.outputs(block, solved["weight"], solved["bias"])
    outputs[learned] = solved["outputs"]
    judged = learned[np.isfinite(solved["outputs"]).all(1)]
    settled = facts | more
    return kind.answers(outputs, settled | kind.calibrate(outputs[judged], answers[judged], settled, None))


def issues_of(rows, codes, chances, facts):
    """The table of doubtful labels; of several labels per sample, each is a question of its own."""
    if facts["kind"] == "multilabel":
        questions = [
            (codes[:, k], np.stack([1 - chances[:, k], chances[:, k]], 1), [f"not {name}", name])
            for k, name in enumerate(facts["classes"])
        ]
    else:
        questions = [(codes, chances, facts["classes"])]
    parts = []
    for own, said, names in questions:
        known = np.flatnonzero(np.isfinite(said).all(1) & (own >= 0))  # an unknown label is NaN
        here, suggested = label_issues(own[known].astype(int), said[known])
        places = known[here]
        labels, names = own[places].astype(int), np.array(names, object)
        parts.append(
            pd.DataFrame(
                {
                    "sample_id": rows["sample_id"].to_numpy(object)[places],
                    "split": rows["split"].to_numpy(object)[places],
                    "label": names[labels],
                    "suggested": names[suggested],
                    "p_label": said[places, labels],
                    "p_suggested": said[places, suggested],
                }
            )
        )
    table = pd.concat(parts).sort_values("p_label", kind="stable")
    table = table.assign(score=1 - table["p_label"], rank=np.arange(1, len(table) + 1))
    # Rounded, since the last digits depend on how many cores computed the sums.
    return table.round({name: 4 for name in ("p_label", "p_suggested", "score")})[COLUMNS]


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            features={Path(path).parent.name: path for path in snakemake.input.features},
            ranking=snakemake.input.ranking,
            target=snakemake.wildcards.target,
            output=Path(snakemake.output.issues),
        )
