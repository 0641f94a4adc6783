"""What a label could be asked for, and who is asked how sure it is: the best model on validation."""

import numpy as np
import pyarrow.parquet as pq

from graft.evaluation.candidates import compared_by, read_candidate
from graft.evaluation.choosing import choose

HELD_OUT = ["validation", "test"]


def askable(manifest):
    """The rows of the pool from whose labels a model may learn, ordered by content: the order of the files says nothing.

    Not those that belong together with validation or test rows, or whose content a labelled row has.

    Returns
    -------
    DataFrame, and how many rows of the pool it lacks
    """
    pool, held_out = manifest.part("pool"), manifest.frame[manifest.frame["split"].isin(HELD_OUT)]
    unusable = pool["labelled_copy"].astype(bool)
    for name in ("group", "sampling_unit"):
        unusable |= pool[name].isin(held_out[name].dropna())
    found = pool[~unusable].sort_values(["content_sha256", "sample_id"], kind="stable")
    return found.reset_index(drop=True), int(unusable.sum())


def best_models(predictions, facts, units, judged):
    """The model that choosing.choose takes on validation rows, and the list of those that cannot be told from it.

    Parameters
    ----------
    predictions : dict, model -> list of path, its prediction tables, one per seed
    facts : dict, the target in labels.json
    units : dict, sample_id -> what is drawn together
    judged : dict, metrics of validation rows of one of the models
    """
    classes = facts.get("classes")
    candidates = [read_candidate(name, paths, classes) for name, paths in predictions.items()]
    metrics, loss = compared_by(facts["kind"], classes, candidates[0].tables[0], judged)
    choice = choose(candidates, classes, units, metrics, loss)
    tied = choice["table"]["tied"]
    return choice["model"], sorted(tied.index[tied.astype(bool)])


def pool_tables(paths, pool):
    """What prediction tables say of the rows of `pool`, in its order: list of DataFrame."""
    tables = []
    for path in paths:
        names = pq.read_schema(path).names
        columns = [name for name in names if name == "predicted" or name.startswith("prob_")]
        table = pq.read_table(path, columns=["sample_id", *columns], filters=[("split", "==", "pool")])
        tables.append(table.to_pandas().set_index("sample_id").loc[pool["sample_id"]])
    return tables


def mean_chances(tables, classes):
    """The mean over tables of their calibrated probabilities; float array, shape (n, classes)."""
    return np.mean([table[[f"prob_{name}" for name in classes]].to_numpy(np.float64) for table in tables], axis=0)
