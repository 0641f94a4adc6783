"""New samples for a trained model of any kind: by its own network, or by those of an ensemble's members."""

from graft.conformal.sets import subgroups_of, with_sets
from graft.data.samples import Manifest
from graft.ensembles.combining import combined_table
from graft.ensembles.members import embeds
from graft.serving.new_predictions import embed_for, novelty_of, tables_of, unlabelled

AROUND = ["distance", "unusual", "problem"]  # columns of a table of new samples that are not of the prediction table


def predict_by_members(content, members, data, column=None, precision="auto", device=None, threads=1):
    """Predict new samples.

    Parameters
    ----------
    content : dict of the model's ft_model.pt; with "conformal", target -> what conformal.json says, if sets are wanted
    members : iterable of (dict of ft_model.pt, trained_model.Beside), the networks that answer for it; those that share their
        weights share a forward pass
    data, column, precision, device, threads : see new_predictions.embed_for

    Returns
    -------
    tables : dict, target -> DataFrame, see new_predictions.table_of
    novelty : Novelty of the first member, which the distances of all samples are by; or a str, why there are no distances
    """
    embedded, each, novelty, subgroups = {}, [], None, subgroups_of(content.get("conformal", {}))
    for one, around in members:
        if (same := embeds(one)) not in embedded:
            embedded[same] = embed_for(one, around, data, column, precision, device, threads, subgroups)
        if novelty is None:
            novelty = novelty_of(one, around)
        each.append(tables_of(one, *embedded[same], "" if each else novelty))
    found = each[0]
    if "members" in content:
        found = {target: joined(content, target, [tables[target] for tables in each]) for target in content["targets"]}
    rows, _ = next(iter(embedded.values()))  # of every member the same ones
    return with_all_sets(content, found, rows), novelty


def with_all_sets(content, tables, rows=None):
    """The tables of all targets with the sets that `content` has been given the thresholds of; `rows` may say their subgroups."""
    known = content.get("conformal", {})
    return {
        target: with_sets(table, content["targets"][target], known[target], rows) if target in known else table
        for target, table in tables.items()
    }


def joined(content, target, tables):
    """One table of new samples out of those of all members: a sample that one of them cannot take has no prediction."""
    first, problem = tables[0], tables[0]["problem"]
    for table in tables[1:]:
        problem = problem.where(problem.notna(), table["problem"])
    good = problem.isna()
    codes = Manifest(None, content["targets"], {}).codes(target, unlabelled(content, target, first[good]))
    found = combined_table(content, target, [table[good] for table in tables], codes)
    every = first[["sample_id", "target", "split", "fold"]].assign(model=content["name"], seed=content["seed"])
    found = found.set_index(first.index[good]).reindex(first.index).assign(**every)[found.columns]
    return found.join(first[AROUND].assign(problem=problem))
