"""Gather the results of every model and every task into one table, and one page that begins with the best."""

from pathlib import Path

import pandas as pd
import torch

from graft.common.job import job
from graft.common.outputs import read_json, write_csv, write_text
from graft.data.samples import read_manifest
from graft.evaluation.candidates import compared_by, controls_in, read_candidate
from graft.evaluation.caveats import (
    COPIES,
    UNLIKE,
    Doubt,
    copied_from_train,
    cut,
    nearer,
    not_beaten,
    unknown,
    worse_on_test,
    worse_than_before,
)
from graft.evaluation.choosing import Candidate, choose, gaps
from graft.evaluation.near_pairs import copies_in
from graft.evaluation.summary_rows import SPLITS, flatten
from graft.evaluation.tables import ADAPTED, CONTROL
from graft.report import index_page, last_words
from graft.report.decision.targets import Decision, files_of
from graft.report.job_costs import costs_of_models

IDENTITY = ("stage", "dataset", "target", "model", "backbone", "method", "seed")
COSTS = ("ways", "shots", "parameters", "temperature")
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "log_loss", "ece", "r2", "rmse", "mae")
MORE_METRICS = (  # right of the others
    *("average_precision", "brier", "class_ece", "sensitivity", "specificity", "threshold"),
    *("quadratic_kappa", "mae_levels"),
    *("map", "macro_auroc", "micro_auroc", "micro_f1", "hamming_loss", "exact_match"),
    *("accuracy_episodes", "log_loss_episodes"),
    *("seen_accuracy", "unseen_accuracy", "harmonic_mean", "unseen_alone"),
)
WORTH = "shots_worth"  # of zero-shot tasks: as good as how many labelled examples per class
COMPARED = ("choice", "compared_by", "validation_gap", "validation_gap_low", "validation_gap_high")
ZERO_SHOT = "zero-shot, "  # before a target, in the keys of choices


def main(
    models,
    metrics,
    predictions,
    few_shot,
    samples,
    nearness,
    lengths,
    splits,
    tasks,
    runs,
    figures,
    output,
    index,
    words,
    logs,
    quick=False,
    zero_shot=(),
    adapted=(),
    controls=(),
    near=(),
    without=(),
    files=(),
    maps=(),
):
    """Write one row per model, seed and target, one per few-shot task, ways and shots, per zero-shot task and control; and the page.

    Parameters
    ----------
    models : list of path
        ft_model.pt of each trained model.
    metrics, predictions : list of path
        metrics.json and predictions.parquet of each model and target, in the same order.
    few_shot : list of path
        metrics.json of each task; validation.parquet is beside it.
    samples, nearness : list of path
        The manifest and nearness.json of each data set.
    lengths : list of path
        What measure_lengths wrote of each data set and backbone.
    splits, tasks : dict
        Name -> settings in the config, of the data sets' splits and of the tasks.
    runs : list of dict
        The jobs of each trained model; see last_words.results.
    figures : dict, (model, seed) -> names of its figures' files
    output, index : paths of the table and of the page
    words : path of the run's last words, in the folder of the jobs' benchmark files
    logs : folder of the jobs' logs
    quick : bool, whether this is a quick look
    zero_shot : list of path
        metrics.json of each task; zero_shot_predictions.csv is beside it.
    adapted : list of path
        What rank_adapted wrote of each entry of adapt.
    controls : list of path
        The table of the controls of each data set and target; their predictions are beside it.
    near : list of path
        The near copies of each data set.
    without : list of path
        What compare_models wrote of the metrics without them, of each data set and target.
    files : list of path
        What else the page shows of a target, of the kinds of decision.targets.FILES.
    maps : list of (data set, backbone)
        The maps of samples that the run draws.
    """
    manifests = {one.card["dataset"]: one for one in map(read_manifest, samples)}
    judged = {}  # folder of a model -> its metrics and predictions, target by target
    for measured, said in zip(metrics, predictions, strict=True):
        judged.setdefault(Path(measured).parents[1], {})[measured] = said
    trained = [facts_of_model(path, judged[Path(path).parent]) for path in models]
    choices = choices_of(trained, manifests) | choices_of_tasks(few_shot, tasks, manifests)
    rows = [row for one in trained for row in rows_of_model(one)]
    choices |= choices_of_zero_shot(zero_shot, tasks, manifests)
    adapted = [read_json(path) for path in adapted]
    choices |= {
        adapted_key(one): {"model": one["model"], "by": one["validator"], "gain": one["gain"]}
        for one in adapted
        if one["model"]
    }
    rows += [row for one in few_shot for row in rows_of_task(one, tasks)]
    rows += [row_of_zero_shot(one, tasks) for one in zero_shot]
    against = {key_of_controls(one): controls_against(one, choices, trained, manifests) for one in controls}
    rows += [row for found in against.values() for row in found]
    table = table_of(rows, choices)
    write_csv(output, table)
    counts = {
        (dataset, what): manifests[dataset].card["classes"].get(what.removeprefix(ZERO_SHOT), {}).get("test")
        for dataset, what in choices
        if dataset in manifests
    }
    doubts = [Doubt(", ".join(adapted_key(one)), said) for one in adapted for said in doubts_of_adapted(one)]
    doubts += [*doubts_of_models(choices, trained), *doubts_of_controls(against, choices)]
    doubts += doubts_of_copies(near, without, choices, manifests)
    doubts += doubts_of_data(nearness, lengths, splits)
    benchmarks = Path(words).parent
    pool = any(Path(path).name == "to_label.csv" for path in files)
    facts = last_words.results(table, choices, counts, doubts, benchmarks, runs, quick, pool)
    shared = {"doubts": doubts, "costs": costs_of_models(runs, benchmarks, logs), "folder": Path(output).parent}
    made = {str(Path(path).relative_to(shared["folder"])) for path in files}
    decisions = [
        decision_of(dataset, target, choice, facts, table, trained, manifests[dataset], shared, made, maps)
        for (dataset, target), choice in choices.items()
        if dataset in manifests and target in manifests[dataset].targets
    ]
    write_text(index, index_page.page(table, facts, figures, quick, decisions))
    write_text(words, last_words.block(facts, Path(output).parent, quick) + "\n")


def decision_of(dataset, target, choice, facts, table, trained, manifest, shared, made, maps):
    """What the page says of a target: decision.targets.Decision."""
    seeds = [one for one in trained if one["content"]["name"] == choice["model"]]
    sets = Path(seeds[0]["predictions"][target]).with_name("conformal.json") if seeds else None
    return Decision(
        dataset=dataset,
        target=target,
        choice=choice,
        said=next(one for one in facts["best"] if one["what"] == f"{dataset}, {target}"),
        rows=table[(table["dataset"] == dataset) & (table["target"] == target) & (table["stage"] != "adapt")],
        sets=read_json(sets) if sets and sets.is_file() else {},
        counts=by_class(manifest.card["classes"].get(target)),
        files=files_of(dataset, target, made),
        maps=[(backbone, f"figures/maps/{name}/{backbone}.html") for name, backbone in maps if name == dataset],
        **shared,
    )


def by_class(counts):
    """Class -> split -> rows, from the card's split -> class -> rows; {} for numbers."""
    found = {}
    for split, own in (counts or {}).items():
        for name, rows in own.items():
            found.setdefault(name, {})[split] = rows
    return found


def table_of(rows, choices):
    """summary.csv: the columns that any row fills, in a fixed order."""
    values = [f"{split}_{name}{end}" for split in SPLITS for name in METRICS for end in ("", "_low", "_high")]
    values += [f"{split}_{name}{end}" for split in SPLITS for name in MORE_METRICS for end in ("", "_low", "_high")]
    of_sets = ("test_coverage_", "test_set_size_", "test_width_")  # by level
    values += sorted({name for row in rows for name in row if name.startswith(of_sets)})
    table = pd.DataFrame(
        [row | compared(row, choices) for row in rows], columns=[*IDENTITY, *COSTS, *values, *COMPARED, WORTH]
    )
    table = table.astype({name: "Int64" for name in ("seed", "ways", "shots", "parameters")})
    used = [name for name in table if name in (*IDENTITY, *COSTS) or table[name].notna().any()]
    return table[used].sort_values([*IDENTITY, "ways", "shots"], kind="stable")


def compared(row, choices):
    """How a model compares with the leader on validation: COMPARED. A control's row says how it compares with the taken model."""
    if row["stage"] == CONTROL:
        return {}
    what = {"few_shot": f"few-shot, {row.get('ways')} ways", "zero_shot": f"{ZERO_SHOT}{row['target']}"}
    if row["stage"] == "adapt":
        by_validator = (one["model"] for (_, what), one in choices.items() if what.startswith(ADAPTED))
        return {"choice": "best"} if row["model"] in by_validator else {}
    choice = choices.get((row["dataset"], what.get(row["stage"], row["target"])))
    if choice is None or choice["by"] == "rows" or row["model"] not in choice["table"].index:
        return {}
    own = choice["table"].loc[row["model"]]
    said = "best" if choice["model"] == row["model"] else "tie" if own["tied"] else "behind"
    gaps = {f"validation_gap{end}": own[f"gap{end}"] for end in ("", "_low", "_high")}
    return {"choice": said, "compared_by": choice["metric"], **gaps}


def facts_of_model(model, judged):
    """What ft_model.pt says of one trained model, and of each of its targets metrics.json; `judged`: metrics -> predictions."""
    # On the device "meta" a tensor has a shape and no data: a summary reads no weights.
    content = torch.load(model, weights_only=True, map_location="meta")
    backbone, state = content["backbone"], content["state_dict"]
    heads = sum(tensor.numel() for name, tensor in state.items() if name.startswith("heads."))
    return {
        "content": content,
        "stage": Path(model).parents[2].name,
        "parameters": (backbone.get("parameters") or 0) + heads,
        "metrics": {Path(metrics).parent.name: read_json(metrics) for metrics in judged},
        "predictions": {Path(metrics).parent.name: predictions for metrics, predictions in judged.items()},
    }


def choices_of(trained, manifests):
    """(dataset, target) -> what choosing.choose says of the models of it. Adapted ones have no validation row to compare by."""
    found = {}
    for one in trained:
        content = one["content"]
        for target, facts in content["targets"].items() if one["stage"] != "adapt" else ():
            found.setdefault((content["dataset"], target), []).append((content["name"], facts, one))
    return {key: choice_of(members, manifests[key[0]], key[1]) for key, members in sorted(found.items())}


def choice_of(members, manifest, target):
    """Compare the models of a target, each with all its seeds; `members` are (name, facts of the target, model)."""
    _, facts, first = members[0]
    classes = facts.get("classes")
    candidates = []
    for name in dict.fromkeys(name for name, *_ in members):
        candidates.append(candidate_of([one for other, _, one in members if other == name], target, classes))
    judged = first["metrics"][target].get("validation", {})
    metrics, loss = compared_by(facts["kind"], classes, candidates[-1].tables[-1], judged)
    return choose(candidates, classes, manifest.units, metrics, loss)


def candidate_of(seeds, target, classes):
    """A model, of which all seeds are given, as `choose` takes it."""
    content = seeds[0]["content"]
    paths = [one["predictions"][target] for one in seeds]
    costs = {"parameters": seeds[0]["parameters"], "frozen": content["frozen"]}
    return read_candidate(content["name"], paths, classes, **costs)


def key_of_controls(path):
    """Data set and target of a table of controls."""
    return Path(path).parent.name, Path(path).stem


def controls_against(path, choices, trained, manifests):
    """The rows of the controls of a target, each with its gap to the taken model on validation."""
    dataset, target = key_of_controls(path)
    rows, choice = pd.read_csv(path).to_dict("records"), choices.get((dataset, target))
    seeds = [one for one in trained if choice and one["content"]["name"] == choice["model"]]
    if not seeds or choice["metric"] is None:
        return rows
    classes = seeds[0]["content"]["targets"][target].get("classes")
    others = controls_in(pd.read_parquet(path.with_suffix(".parquet")), classes)
    taken = candidate_of(seeds, target, classes)
    found = gaps([taken, *others], choice["model"], classes, manifests[dataset].units, choice["metric"])
    for row in rows:
        if row["model"] in found.index:
            own = found.loc[row["model"]]
            row |= {f"validation_gap{end}": own[f"gap{end}"] for end in ("", "_low", "_high")}
            row |= {"choice": CONTROL, "compared_by": choice["metric"]}
    return rows


def choices_of_tasks(few_shot, tasks, manifests):
    """(dataset, "few-shot, N ways") -> what choosing.choose says of the tasks, over the shots that all of them tried."""
    found = {}
    for path in few_shot:
        task = tasks[Path(path).parent.name]
        found.setdefault((task["dataset"], f"few-shot, {task['ways']} ways"), []).append(path)
    choices = {}
    for key, paths in sorted(found.items()):
        tables = {Path(path).parent.name: pd.read_parquet(Path(path).with_name("validation.parquet")) for path in paths}
        shots = sorted(set.intersection(*(set(tasks[name]["shots"]) for name in tables)))
        splits = {split for table in tables.values() for split in table["split"].unique()}
        candidates = [
            Candidate(name, [table[table["shots"] == n] for n in shots] or [table.head(0)], 0, True)
            for name, table in sorted(tables.items())
        ]
        split = splits.pop() if len(splits) == 1 else "validation"
        choices[key] = choose(candidates, None, manifests[key[0]].units, ["accuracy"], "few_shot_log_loss", split)
    return choices


def choices_of_zero_shot(zero_shot, tasks, manifests):
    """(dataset, "zero-shot, TARGET") -> what choosing.choose says of the tasks, by their validation rows."""
    found = {}
    for path in zero_shot:
        task = tasks[Path(path).parent.name]
        found.setdefault((task["dataset"], task["target"]), []).append(path)
    choices = {}
    for (dataset, target), paths in sorted(found.items()):
        manifest = manifests[dataset]
        classes = manifest.targets[target]["classes"]
        tables = {Path(path).parent.name: read_zero_shot(path) for path in sorted(paths)}
        tables = {
            name: table[(table["split"] == "validation") & (table["label"] != "")] for name, table in tables.items()
        }
        candidates = [Candidate(name, [table], 0, True) for name, table in tables.items()]
        choices[dataset, f"{ZERO_SHOT}{target}"] = choose(candidates, classes, manifest.units, ["accuracy"], "log_loss")
    return choices


def read_zero_shot(metrics):
    """zero_shot_predictions.csv beside a metrics.json; names that look like numbers are text, no label is ""."""
    table = Path(metrics).with_name("zero_shot_predictions.csv")
    return pd.read_csv(table, dtype=dict.fromkeys(("sample_id", "label", "predicted"), str), keep_default_na=False)


def adapted_key(one):
    """The key of choices of an entry of adapt: `one` is what rank_adapted wrote of it."""
    return one["dataset"], f"{ADAPTED}{one['entry']}"


def doubts_of_adapted(one):
    """The sentences that speak against the model that a validator chose; `one` is what rank_adapted wrote of an entry."""
    return filter(None, (one["warning"], one["gain"] and worse_than_before(one["model"], one["gain"])))


def doubts_of_models(choices, trained):
    """A Doubt of every taken model that is surely worse on test than on validation."""
    for (dataset, target), choice in choices.items():
        one = next((one for one in trained if one["content"]["name"] == choice["model"]), None)
        said = worse_on_test(one["metrics"][target]) if one and target in one["metrics"] else ""
        if said:
            yield Doubt(f"{dataset}, {target}, {choice['model']}", said, UNLIKE)


def doubts_of_controls(against, choices):
    """A Doubt of every taken model that a control without a pretrained network is not surely behind."""
    for (dataset, target), rows in against.items():
        if said := not_beaten(choices[dataset, target], rows):
            yield Doubt(f"{dataset}, {target}, {choices[dataset, target]['model']}", said, CONTROL)


def doubts_of_copies(near, without, choices, manifests):
    """A Doubt of each data set of which many test rows are nearly the same as a train row, with the taken models' metrics."""
    judged = {(Path(path).parent.name, Path(path).name.split(".")[0]): path for path in without}
    for path in map(Path, near):
        dataset = path.parent.name
        frame = manifests[dataset].frame
        copied = copies_in(pd.read_csv(path, dtype=str), "test", "train")
        measured = {}
        for (data, target), table in judged.items() if len(copied) else ():
            if data == dataset:
                rows = pd.read_csv(table)
                rows = rows[(rows["split"] == "test") & (rows["model"] == choices[data, target]["model"])]
                measured |= {(target, row.metric): (row.value, row.value_without) for row in rows.itertuples()}
        rows, modality = int((frame["split"] == "test").sum()), manifests[dataset].card["modality"]
        if said := copied_from_train(len(copied), rows, measured, path.parent, modality):
            yield Doubt(dataset, said, COPIES)


def doubts_of_data(nearness, lengths, splits):
    """A Doubt of each data set whose validation rows are unlike the rest, and whose texts are cut or unknown."""
    for one in map(read_json, nearness):
        for split, said in nearer(one, splits[one["dataset"]]):
            yield Doubt(one["dataset"], said, UNLIKE if split == "test" else "")
    for path in lengths:
        for said in filter(None, (one(read_json(path), brief=True) for one in (cut, unknown))):
            yield Doubt(Path(path).parent.name, said)


def rows_of_model(one):
    """One row per target of a trained model."""
    content = one["content"]
    for target, facts in content["targets"].items():
        yield {
            "stage": one["stage"],
            "dataset": content["dataset"],
            "target": target,
            "model": content["name"],
            "backbone": content["backbone"]["name"],
            "method": content["method"],
            "seed": content["seed"],
            "parameters": one["parameters"],
            "temperature": facts.get("temperature") if facts["kind"] == "classification" else None,
            **flatten(one["metrics"][target]),
        }


def rows_of_task(metrics, tasks):
    """One row per setting of a few-shot task."""
    name = Path(metrics).parent.name
    task = tasks[name]
    for setting in read_json(metrics)["settings"]:
        measured = {key: as_metric(setting[key]) for key in (*METRICS, *MORE_METRICS) if setting.get(key) is not None}
        yield {
            "stage": "few_shot",
            "dataset": task["dataset"],
            "target": task["target"],
            "model": name,
            "backbone": task.get("backbone") or f"{task['model']}.seed{task['model_seed']}",
            "method": task["method"],
            "seed": task["seed"],
            "ways": setting["ways"],
            "shots": setting["shots"],
            "temperature": setting.get("temperature"),
            **flatten({"test": measured}),
        }


def row_of_zero_shot(metrics, tasks):
    """The row of a zero-shot task."""
    name, found = Path(metrics).parent.name, read_json(metrics)
    task = tasks[name]
    return {
        "stage": "zero_shot",
        **{key: task[key] for key in ("dataset", "target", "backbone", "method")},
        "model": name,
        "temperature": found["calibration"]["temperature"],
        WORTH: "; ".join(dict.fromkeys(one["words"] for one in found["shots_worth"])) or None,
        **flatten(found),
    }


def as_metric(value):
    """A metric with an interval, if need be an empty one."""
    return value if isinstance(value, dict) else {"value": value, "low": None, "high": None}


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            models=list(snakemake.input.models),
            metrics=list(snakemake.input.metrics),
            predictions=list(snakemake.input.predictions),
            few_shot=list(snakemake.input.get("few_shot", [])),
            zero_shot=list(snakemake.input.get("zero_shot", [])),
            adapted=list(snakemake.input.get("adapted", [])),
            near=list(snakemake.input.get("near", [])),
            without=list(snakemake.input.get("without", [])),
            files=list(snakemake.input.get("files", [])),
            maps=snakemake.params.maps,
            controls=[Path(path) for path in snakemake.input.get("controls", [])],
            samples=list(snakemake.input.samples),
            nearness=list(snakemake.input.nearness),
            lengths=list(snakemake.input.get("lengths", [])),
            splits=snakemake.params.splits,
            tasks=snakemake.params.tasks,
            runs=snakemake.params.runs,
            figures={(one["model"], one["seed"]): one["figures"] for one in snakemake.params.runs},
            output=snakemake.output.table,
            index=snakemake.output.index,
            words=snakemake.log.words,
            logs=Path(snakemake.log[0]).parent,
            quick=snakemake.params.quick,
        )
