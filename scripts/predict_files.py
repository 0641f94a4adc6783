"""Predict new files with a trained model, without labels and without retraining.

MODEL is a model's name, such as solar.effnet-lite0.lp_ft, or the path of an ft_model.pt. DATA is a folder (with all its
sub-folders), one image or text, a table or an array file. The table has one row per sample: the prediction, the distance
to the data that the model learned from, and whether that is unusual.
"""

import argparse
import json
import logging
import math
import sys
import time
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from graft.common.errors import REASON, UserError
from graft.common.job import gpus_of, job, keep_freed_memory, pin_threads
from graft.serving.trained_model import beside, find_model

STARTED = time.monotonic()
SUFFIXES = (".csv", ".parquet")
GIVEN = ("features", "backbone")  # inputs of the rule, of which each member of an ensemble has its own
OWN = {"sample_id", "predicted", "distance", "unusual"}  # columns of the tables that are written here
logger = logging.getLogger("graft")


def main(model, data, out, given=(), resources=None, column=None, precision="auto", gpus=0, threads=None):
    """Predict the samples of `data`, write the table to `out`, and return what to tell the user.

    `given` are paths (samples, features, backbone, store) that are known, a dict for the model or for each member of an ensemble; the
    others are looked for beside the model.
    """
    check_out(Path(out))
    # Here and not above: a wrong name or path is reported before torch is loaded, which takes seconds.
    import torch

    from graft.common.device import choose_device
    from graft.common.outputs import read_json
    from graft.ensembles.members import members_of
    from graft.networks import network
    from graft.serving.by_members import predict_by_members

    threads = threads or torch.get_num_threads()
    pin_threads(threads)
    keep_freed_memory()
    content = network.load(model)
    content["conformal"] = {target: read_json(path) for target, path in sets_beside(model, content).items()}
    paths = tables_of(Path(out), content["targets"])
    for path in list(paths.values())[1:]:
        check_out(path)
    members = (
        (one, replace(beside(path, one, resources), **known))
        for (path, one), known in zip_longest(members_of(model, content), given, fillvalue={})
    )
    tables, novelty = predict_by_members(content, members, data, column, precision, choose_device(gpus), threads)
    for target in reversed(tables):  # the first one is the rule's output
        write(paths[target], tables[target], content, target)
    return "\n".join(summary(tables, content, paths, novelty))


def given_paths(inputs, store):
    """What a rule's inputs say is beside a model, or beside each member of an ensemble, and the config's store: list of dict for
    `main`."""
    named = {key: [inputs[key]] if isinstance(inputs.get(key), str) else inputs.get(key, []) for key in GIVEN}
    found = [{} for _ in range(max(map(len, named.values())))] or [{}]
    for key, paths in named.items():
        for one, path in zip(found, paths, strict=False):
            one[key] = Path(path).parent if key == "backbone" else Path(path)
    given = {"samples": Path(inputs["samples"])} if inputs.get("samples") else {}
    return [{**one, **given, "store": Path(store)} for one in found]


def sets_beside(model, content):
    """What the sets of a model were calibrated by, which is beside it: target -> path, of the targets that have it."""
    places = {target: Path(model).parent / target / "conformal.json" for target in content["targets"]}
    return {target: path for target, path in places.items() if path.is_file()}


def tables_of(path, targets):
    """Where the table of each target goes: that of the first to `path`, of the others beside it, with their names."""
    first, *others = targets
    return {first: path} | {name: path.with_name(f"{path.stem}.{name}{path.suffix}") for name in others}


def check_out(path):
    """Refuse to write over anything but a table of new predictions."""
    if path.suffix not in SUFFIXES:
        raise UserError("a table is written as CSV or Parquet", str(path), f"OUT=NAME{' or OUT=NAME'.join(SUFFIXES)}")
    if path.exists() and not columns_of(path) >= OWN:
        hint = "name another file: OUT=other.csv"
        raise UserError("exists, is no table of new predictions, and is not overwritten", str(path), None, hint)


def columns_of(path):
    """The names of a table's columns; none if it is no table."""
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".parquet":
            return set(pq.read_schema(path).names)
        with path.open(encoding="utf-8") as file:
            return set(file.readline().rstrip("\n").split(","))
    except (OSError, ValueError):  # a folder, or other bytes
        return set()


def write(path, table, content, target):
    from graft.common.outputs import write_csv
    from graft.targets.predictions import write_predictions

    try:
        if path.suffix == ".csv":
            write_csv(path, with_json(table))
        else:
            write_predictions(path, table, content, target)
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", str(path)) from None


def with_json(table):
    """The table with its lists of labels and classes as JSON: a label may hold any mark."""
    lists = [name for name in table if table[name].map(lambda one: isinstance(one, list)).any()]
    return table.assign(**{name: table[name].map(as_json) for name in lists})


def as_json(one):
    return json.dumps(one, ensure_ascii=False) if isinstance(one, list) else None


def summary(tables, content, paths, novelty):
    """Lines that say where the tables are and what is in them; `novelty` as predict_new gave it."""
    from graft.data.listing.rows import listed

    table = next(iter(tables.values()))
    bad = table[table["problem"].notna()]
    out = ", ".join(map(str, paths.values()))
    yield f"Table: {out} ({len(table):,} samples, by {content['name']}, seed {content['seed']})"
    for target, found in tables.items():
        if content["targets"][target]["kind"] == "regression":
            values = found["predicted"].dropna().astype(float)
            yield f"  {target}: {values.min():.4g} to {values.max():.4g}, median {values.median():.4g}"
        else:
            counts = found["predicted"].explode().value_counts()  # of several labels, each sample's are a list
            yield f"  {target}: " + ", ".join(f"{name} {n:,}" for name, n in counts.items())
    if isinstance(novelty, str):
        yield f"  distance and unusual are empty: {novelty}"
    else:
        said = "unknown (too few samples were held out, or trained on, to say what is unusual; see distance)"
        if math.isfinite(novelty.limit):
            like = "farther from the training data than 99 % of the held-out samples"
            said = f"{int(table['unusual'].sum()):,} ({like}: distance over {novelty.limit:.3g})"
        yield f"  unusual: {said}"
    if without := [target for target in tables if target not in content["conformal"]]:
        yield f"  no prediction sets of {', '.join(without)}: conformal.json is not beside the model"
    for target, within, count in without_sets(tables, content["conformal"]):
        why = f"their table has no column '{within}', or a value in it that has too few calibrating rows"
        yield f"  no prediction sets of {target} for {count:,} samples: sets hold within '{within}', and {why}"
    if len(bad):
        lines = [f"{name}: {why}" for name, why in zip(bad["sample_id"], bad["problem"], strict=True)]
        yield f"  not predicted: {len(bad):,}; their rows are empty, the column `problem` says why{listed(lines)}"
    yield f"  {time.monotonic() - STARTED:.1f} s"


def without_sets(tables, known):
    """(target, column, how many samples) of the targets whose sets hold within a column of subgroups, where samples lack one."""
    from graft.conformal.sets import subgroups_of

    for target, fitted in known.items():
        table = tables[target]
        sets = [name for name in table if name.startswith(("set_", "low_"))]
        lacking = table["problem"].isna() & table[sets].isna().any(axis=1)
        for within in subgroups_of({target: fitted}) if lacking.any() else ():
            yield target, within, int(lacking.sum())


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a trained model, or path of an ft_model.pt")
    parser.add_argument(
        "data", help="folder, image, text, table (.csv .tsv .parquet .csv.gz ..) or array file (.npy .npz)"
    )
    parser.add_argument("--out", default="predictions.csv", help="the table, .csv or .parquet (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which seed of the model (default: %(default)s)")
    parser.add_argument("--column", help="the table's column of file names, texts or numbers ('wave_*'), or the array")
    parser.add_argument("--results", default="results", help="where models are found (default: %(default)s)")
    parser.add_argument("--resources", help="where tokenizers are found (default: resources beside the results)")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--gpus", type=int, default=0, help="0 runs on the CPU (default)")
    parser.add_argument("--threads", type=int, help="default: all cores")
    return parser.parse_args()


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        told = main(
            model=snakemake.input.model,
            data=snakemake.input.data,
            out=snakemake.output.table,
            given=given_paths(snakemake.input, snakemake.config["store"]["path"]),
            column=snakemake.params.column,
            precision=snakemake.params.mode["precision"],
            gpus=gpus_of(snakemake.resources.get("gpu", 0), snakemake.config["device"]["rehearsal"]),
            threads=snakemake.threads,
        )
        logger.info("%s", told)
elif __name__ == "__main__":
    asked = vars(arguments())
    logging.basicConfig(format="%(message)s")
    logger.setLevel(logging.INFO)
    try:
        path = find_model(asked.pop("model"), asked.pop("seed"), asked.pop("results"))
        print(main(path, **asked))
    except UserError as error:
        sys.exit(f"{REASON}{error}")
