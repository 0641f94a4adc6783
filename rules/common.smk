"""What the rules share: the validated config, and what the plan of models says.

Needs: `config`. Makes: no file. Nothing here imports torch.
"""

import atexit
import functools
import importlib.util
import os
import re
import shlex
import signal
import sys
from pathlib import Path

SCRIPTS = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent / "scripts"
if SCRIPTS.is_dir():
    sys.path.insert(0, str(SCRIPTS))
elif not importlib.util.find_spec("graft"):
    raise WorkflowError(
        "graft's rules come from a hosted repository here, and its library is not installed where Snakemake runs.\n"
        "Install it from the same repository and tag, which your `module` names (here OWNER and TAG):\n"
        "pip install 'graft @ git+https://github.com/OWNER/graft@TAG'"
    )

from graft import config as graft_config
from graft.common import codedigest, machine, plugins, run_lock
from graft.common.credentials import without_credentials
from graft.common.errors import UserError
from graft.common.fingerprint import fingerprint, fingerprint_of_files
from graft.common.outputs import read_json
from graft.config.plan import (
    BEST,
    UNTRAINED,
    WITHIN,
    backbones_tried,
    is_frozen,
    method_kind,
    role_of,
    trained_datasets,
    unadapted,
)
from graft.search import planning


def is_users_own(file):
    """Whether a config file is not the embedded default of a hosted repository, which Snakemake keeps in its cache."""
    return not Path(file).is_relative_to(workflow.sourcecache.cache_path)


def stop_if(error):
    """End before the first job where `error`, a UserError, is not None."""
    if error:
        raise WorkflowError(str(error))


try:
    config.update(graft_config.load(config, [Path(file) for file in workflow.configfiles if is_users_own(file)]))
    PLAN = graft_config.make_plan(config)
except UserError as error:
    raise WorkflowError(f"The config has mistakes.\n{error}") from None

# For the jobs, the names of the data sets whose decoded images are kept.
if not isinstance(config["store"]["images"], list):
    config["store"]["images"] = {True: list(config["datasets"]), False: [], "auto": trained_datasets(PLAN)}[
        config["store"]["images"]
    ]

if workflow.is_main_process and not {"-n", "--dry-run", "--dryrun", "--lint", "--unlock"} & set(sys.argv):
    stop_if(machine.lacks_conda(workflow.deployment_settings.deployment_method))

# Slurm warns all processes of a job ahead of its end (profiles/slurm). The script saves its state; the Snakemake around it
# must live to see that.
if workflow.remote_exec:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)

if workflow.is_main_process:
    atexit.register(lambda folder: say_lock_last(folder), Path.cwd())

# A terminal that hangs up is no reason to leave a lock behind: what runs ends, as after SIGTERM.
if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))

NAME = "[A-Za-z0-9][A-Za-z0-9_-]*"
# Here, since in the rules of an importing workflow its own would hold.
RESULTS, BENCHMARKS = (workflow.pathvars.apply(name) for name in ("<results>", "<benchmarks>"))


wildcard_constraints:
    dataset=NAME,
    backbone=NAME,
    target=NAME,
    model=rf"{NAME}\.{NAME}\.{NAME}",
    task=rf"{NAME}\.{NAME}\.{NAME}",
    seed=r"\d+",
    fold=r"\d+",
    percent=r"\d+",
    draw=r"\d+",
    stage="finetune|adapt|distill|ensemble",
    entry=NAME,
    search=NAME,
    rung=r"\d+",
    place=r"\d+",
    new=NAME,
    part="labelled|pool",


# What the config asks for


def all_runs():
    """(stage, model, seed) of every trained model."""
    return [(model["stage"], name, seed) for name, model in PLAN.models.items() for seed in model["seeds"]]


def all_tasks(stage, dataset=None):
    """The names of the tasks of a stage, few_shot or zero_shot; of one data set, if it is given."""
    return [name for name, one in PLAN.tasks.items() if one["stage"] == stage and dataset in (None, one["dataset"])]


def all_features():
    """(dataset, backbone) of every pretrained backbone whose embeddings something uses."""
    readers = [model for model in PLAN.models.values() if uses_features(model)]
    used = [(name, one) for model in readers for name in datasets_learned(model) for one in backbones_tried(model)]
    tasks = [task for task in PLAN.tasks.values() if task["backbone"] and reads_embeddings(task)]
    used += [(task["dataset"], task["backbone"]) for task in tasks]
    return list(dict.fromkeys(used))


def learned_targets():
    """(dataset, target) of every target whose labels models learn from."""
    learned = [model for model in PLAN.models.values() if model["stage"] != "adapt"]
    return list(dict.fromkeys((model["dataset"], target) for model in learned for target in model["targets"]))


def pools_to_label():
    """(dataset, target) of every target that models learn and whose data set has rows without a label."""
    return [(dataset, target) for dataset, target in learned_targets() if "pool" in parts_of(dataset)]


def orders_of_pools():
    """What to label next of each of these."""
    return [f"<results>/handoff/{dataset}/{target}/to_label.csv" for dataset, target in pools_to_label()]


def backbones_ranked(dataset):
    """The backbones whose embeddings of a data set are there to be compared, and the untrained twin of the first."""
    return [*(backbone for name, backbone in all_features() if name == dataset), *twins_of(dataset)]


def controls_of(dataset):
    """The controls of a data set: those that the config names, as far as they can look at its samples."""
    named = plugins.names("control") if config["controls"] == "auto" else config["controls"]
    modality = card_of(dataset)["modality"]
    return [name for name in named if modality in plugins.constant("control", name, "MODALITIES")]


def twins_of(dataset):
    """The untrained twin of a data set's first pretrained backbone, a list of one or none: of many samples only where the config
    asks for it, since their embeddings cost as much as those that are used."""
    if "untrained" not in controls_of(dataset):
        return []
    counts = card_of(dataset)["counts"]
    many = sum(counts[part] for part in counts if part != "pool") > FEW_ENOUGH
    if config["controls"] == "auto" and (many or config["quick"]):
        return []
    twins = [f"{backbone}{UNTRAINED}" for name, backbone in all_features() if name == dataset]
    return [twin for twin in twins if twin in PLAN.backbones][:1]


FEW_ENOUGH = 10_000  # labelled samples, up to which an untrained network looks at them, too


def below_prepare_data(function):
    """An input function of what is below prepare_data; it asks that checkpoint first, for the data sets of the job.

    What reads a file without asking runs again whenever prepare_data ran, whether its digest changed or not.
    """

    @functools.wraps(function)
    def asking(wildcards, *more):
        for dataset in datasets_of(wildcards):
            card_of(dataset)
        return function(wildcards, *more)

    return asking


@below_prepare_data
def all_results(wildcards):
    """The inputs of `all`: what is computed, and after it what is sent elsewhere."""
    sent = ["<results>/tracking/mlflow.csv"] if is_tracked() else []
    return [*computed_results(), *sent]


def computed_results():
    """All files that a run makes for its user."""
    return [
        *(f"{folder}/metrics.json" for run in all_runs() for folder in target_folders(*run)),
        *metrics_of_tasks("few_shot"),
        *metrics_of_tasks("zero_shot"),
        *(f"<results>/adapt/{entry}.csv" for entry in config["adapt"]),
        *tables_of_controls(),
        *files_of_decisions(),
        "<results>/handoff/index.json",
        "<results>/summary.csv",
        *(f"<results>/predict/{name}.csv" for name in config["predict"]),
        *all_figures(),
    ]


def is_tracked():
    """Whether results are sent to a tracker: if the config asks, but not those of a quick look."""
    return config["tracking"]["mlflow"] is not None and not config["quick"]


def metrics_of_tasks(stage, dataset=None):
    """metrics.json of the tasks of a stage."""
    return [f"<results>/{stage}/{task}/metrics.json" for task in all_tasks(stage, dataset)]


def rankings():
    """A ranking of each data set that is learned from and has embeddings by pretrained backbones."""
    learned = dict.fromkeys(dataset for dataset, _ in learned_targets())
    return [f"<results>/rank/{dataset}/transferability.csv" for dataset in learned if backbones_ranked(dataset)]


def tables_of_controls():
    """The metrics of the controls of each target that is learned from."""
    return [
        f"<results>/controls/{dataset}/{target}.csv" for dataset, target in learned_targets() if controls_of(dataset)
    ]


def tables_of_groups():
    """How models do on each group, of the targets whose data sets have groups or subgroups."""
    return [
        f"<results>/groups/{dataset}/{target}.csv"
        for dataset, target in learned_targets()
        if has_groups(dataset) or PLAN.datasets[dataset]["subgroups"]
    ]


def tables_of_label_issues():
    """The doubtful labels of each target of classes that is learned from, where there are embeddings by pretrained backbones."""
    return [
        f"<results>/handoff/{dataset}/{target}/label_issues.csv"
        for dataset, target in learned_targets()
        if backbones_ranked(dataset) and kind_of(dataset, target) != "regression"
    ]


def tables_of_curves(dataset=None):
    """The learning curves of each target that is learned from pretrained embeddings, or by a network whose entry asks for its curve;
    of one data set, if it is given."""
    return [
        f"<results>/curves/{name}/{target}.csv"
        for name, target in learned_targets()
        if dataset in (None, name) and (backbones_ranked(name) or networks_with_curves(name, target))
    ]


def files_of_decisions():
    """What else the page of all results shows of each target."""
    return [
        *(f"<results>/compare/{dataset}/{target}.csv" for dataset, target in learned_targets()),
        *rankings(),
        *tables_of_curves(),
        *tables_of_groups(),
        *tables_of_label_issues(),
        *(f"<results>/handoff/{dataset}/{target}/to_label.csv" for dataset, target in pools_to_label()),
    ]


def used_datasets():
    """The data sets that a model or a task needs."""
    return list(
        dict.fromkeys(
            name for entry in (*PLAN.models.values(), *PLAN.tasks.values()) for name in datasets_learned(entry)
        )
    )


def datasets_learned(entry):
    """The data set of a model or task, and before it the one that an adapted model has the labels of, if it is another."""
    return list(dict.fromkeys([entry.get("source", entry["dataset"]), entry["dataset"]]))


def dataset_of(wildcards):
    """The data set of a job whose wildcards name it, a model, a task or new data."""
    return datasets_of(wildcards)[0]


def datasets_of(wildcards):
    """The same as a list, and after it the source's of an adapted model; of a job whose wildcards name none, all data sets."""
    if wildcards.get("dataset"):
        return [wildcards.dataset]
    if wildcards.get("entry"):
        entry = adapted_by(wildcards.entry)[0]
    else:
        entry = PLAN.tasks[wildcards.task] if wildcards.get("task") else model_of(wildcards)
    return datasets_learned(entry)[::-1] if entry else used_datasets()


def model_of(wildcards):
    """Settings of the model that a job's wildcards name, their search finds, or their entry of config's `predict` names; else None."""
    name = wildcards.get("model") or found_by(wildcards) or settings_of_new(wildcards).get("model")
    return PLAN.models[name] if name else None


def found_by(wildcards):
    """The name of the model that the search of a job finds; None of other jobs."""
    return f"{wildcards.search}.{BEST}" if wildcards.get("search") else None


def searches():
    """The names of the searches: their entries, or one for each data set of an entry."""
    return [model["entry"] for model in PLAN.models.values() if model.get("search")]


def chosen_from(backbone):
    """The backbones of which a search chooses one; else the backbone itself and [] of none."""
    return PLAN.backbones[backbone]["source"].get("chosen", [backbone]) if backbone in PLAN.backbones else []


def adapted_by(entry):
    """Settings of the models of an entry of adapt."""
    return [one for one in PLAN.models.values() if (one["stage"], one["entry"]) == ("adapt", entry)]


def settings_of_new(wildcards):
    """The entry of config's predict; empty where a lab's own rule has taken the place of the entries."""
    return config["predict"].get(wildcards.get("new"), {})


# Data set -> the path of its card, and all outputs of prepare_data. Snakemake expands these again for every question.
PREPARED = {}


def card_of(dataset):
    """A data set's card. While prepare_data is still to run, Snakemake asks again later."""
    path, made = PREPARED.get(dataset, (None, None))
    if not made or not made.issubset(checkpoints.created_output or ()):
        output = checkpoints.prepare_data.get(dataset=dataset).output
        path, made = PREPARED[dataset] = output.card, frozenset(output)
    return card_as_it_is(path, os.stat(path).st_mtime_ns)


@functools.cache
def card_as_it_is(path, mtime):
    return read_json(path)


# What the plan says of a model, a run or a data set


def handed_runs():
    """(stage, model, seed) of the models that config's hand_off names; an ensemble brings its members, which answer for it."""
    wanted = config["hand_off"]["models"]
    named = [run for run in all_runs() if wanted == "all" or run[1] in wanted]
    needed = {one for _, model, seed in named for one in [(model, seed), *answering(model, seed)]}
    return [run for run in all_runs() if run[1:] in needed]


def handed_tables(run):
    """(data set, target) of each table of predictions that a run belongs to."""
    settings = PLAN.models[run[1]]
    return [(settings["dataset"], target) for target in settings["targets"]]


def all_figures():
    """Every figure of the report."""
    figures = ["<results>/figures/costs.svg"]
    figures += [f"<results>/figures/data/{dataset}.{end}" for dataset in used_datasets() for end in ("svg", "html")]
    figures += [f"<results>/figures/maps/{dataset}/{backbone}.html" for dataset, backbone in all_features()]
    for stage, model, seed in all_runs():
        figures += [f"<results>/figures/{stage}/{model}/seed{seed}/{name}" for name in figures_of(model)]
    learned = dict.fromkeys(dataset for dataset, _ in learned_targets())
    figures += [f"<results>/figures/curves/{dataset}.svg" for dataset in learned if tables_of_curves(dataset)]
    datasets = dict.fromkeys(task["dataset"] for task in PLAN.tasks.values())
    return [*figures, *(f"<results>/figures/few_shot/{dataset}.svg" for dataset in datasets)]


def figures_of(model):
    """The figures of a trained model, by what it predicts, how it was made and whether its data set has groups."""
    settings = PLAN.models[model]
    grouped, taught = has_groups(settings["dataset"]), settings["stage"] == "distill"
    found = [] if is_ensemble(settings) else ["learning_curves.svg"]
    for target in settings["targets"]:
        names = [name for name in FIGURES[kind_of(settings["dataset"], target)] if grouped or name != "groups.svg"]
        found += [f"{target}/{name}" for name in names + (["distillation.svg"] if taught else [])]
    return found


OF_CLASSES = [
    "mistakes.html",
    *(f"{name}.svg" for name in ("confusion", "per_class", "reliability", "roc", "risk_coverage")),
]

# What is drawn of the predictions for each kind of target, groups only where there are some.
FIGURES = {
    "classification": [*OF_CLASSES, "groups.svg"],
    "multilabel": ["labels.svg"],
    "ordinal": [*OF_CLASSES, "groups.svg"],
    "regression": ["errors.html", "regression.svg", "groups.svg"],
}


def model_figure(name, caption, words):
    """A figure of a trained model's predictions, as an output that the report shows."""
    return report(
        f"<results>/figures/{{stage}}/{{model}}/seed{{seed}}/{{target}}/{name}",
        caption=caption,
        category="Models",
        subcategory="{model}",
        labels={"seed": "{seed}", "target": "{target}", "figure": words},
    )


def frozen_networks():
    """The names of the models whose backbone keeps its pretrained weights: only a head is fitted."""
    return [name for name, model in PLAN.models.items() if is_frozen(model)]


def trained_networks():
    """The names of the models that train their backbone."""
    return [name for name, model in networks().items() if not is_frozen(model)]


def networks():
    """Settings of the models that have a network of their own, by name."""
    return {name: model for name, model in PLAN.models.items() if not is_ensemble(model)}


def ensembles():
    """The names of the models that are made of others."""
    return [name for name, model in PLAN.models.items() if is_ensemble(model)]


def is_ensemble(model):
    """Whether a model has no network, and combines what its members say."""
    return model["stage"] == "ensemble"


def is_weighed(ensemble):
    """Whether the members of an ensemble have shares that are learned."""
    return plugins.constant("ensemble", ensemble["method"], "WEIGHS", False)


def answering(model, seed):
    """(model, seed) of the networks that answer for a model: an ensemble's members, or itself."""
    settings = PLAN.models[model]
    if not is_ensemble(settings):
        return [(model, seed)]
    return [(member["name"], member["seed"]) for member in settings["members"]]


def kind_of(dataset, target):
    """What kind of target one is, see graft/targets/kinds."""
    return PLAN.datasets[dataset]["targets"][target]["kind"]


def has_groups(dataset):
    """Whether a data set's samples belong to at least two groups."""
    return card_of(dataset).get("groups", 0) > 1


def subgroups_of_sets(dataset):
    """The column of subgroups of a data set within which sets hold, as a list; none, where they hold within none."""
    within = config["conformal"]["within"]
    return [within] if within not in WITHIN and within in PLAN.datasets[dataset]["subgroups"] else []


def one_of(names):
    """A wildcard constraint: one of the names; of no names, what nothing matches."""
    return "|".join(map(re.escape, names)) or "(?!)"


def run_folder(model, seed):
    """Where a trained model is."""
    return f"<results>/{PLAN.models[model]['stage']}/{model}/seed{seed}"


def target_folders(stage, model, seed):
    """Where what a trained model says of each of its targets is."""
    return [f"{run_folder(model, seed)}/{target}" for target in PLAN.models[model]["targets"]]


def embeddings_of(model, seed):
    """The folder of a trained model's embeddings: those of its backbone if that was frozen."""
    settings = PLAN.models[model]
    name = settings["backbone"] if is_frozen(settings) else f"{model}.seed{seed}"
    return f"<results>/features/{settings['dataset']}/{name}"


def parts_of(dataset):
    """'labelled' and 'pool', as far as the data set has such rows."""
    counts = card_of(dataset)["counts"]
    found = {"labelled": sum(counts[part] for part in counts if part != "pool"), "pool": counts.get("pool")}
    return [part for part, count in found.items() if count]


def folds_of(model):
    """The folds of a network that is also trained without each of them: its data set's, joined to as many as it asks for."""
    settings = PLAN.models[model]
    count = settings.get("folds")
    if not count or is_frozen(settings):
        return []
    found = sorted({fold % count for fold in card_of(settings["dataset"]).get("folds", [])})
    return found if len(found) > 1 else []  # one fold alone leaves nothing to train on


def networks_with_curves(dataset, target):
    """(model, seed) of the networks that learn a target and whose entries ask for their learning curves: the first seed."""
    return [
        (name, model["seeds"][0])
        for name, model in PLAN.models.items()
        if model.get("curve") and not is_frozen(model) and model["dataset"] == dataset and target in model["targets"]
    ]


def subsets_of(model, seed):
    """What the trainings of a network on subsets of its train rows write."""
    settings, folder = PLAN.models[model], run_folder(model, seed)
    return [
        f"{folder}/subset{round(100 * fraction)}.draw{draw}/subset.json"
        for fraction in sorted(settings["curve"])
        for draw in range(settings["curve_draws"])
    ]


def embeddings_to_look_at(dataset):
    """A name and a folder of embeddings by which a data set's splits are compared: a pretrained backbone's if there are
    any, since a trained network has seen the train rows."""
    shared = [backbone for name, backbone in all_features() if name == dataset]
    if shared:
        return shared[0], f"<results>/features/{dataset}/{shared[0]}"
    runs = [
        (name, seed) for name, model in networks().items() for seed in model["seeds"] if model["dataset"] == dataset
    ]
    if runs:
        return runs[0][0], embeddings_of(*runs[0])
    name = next(task["backbone"] for task in PLAN.tasks.values() if task["dataset"] == dataset)
    return name, f"<results>/features/{dataset}/{name}"


def text_backbones(dataset):
    """The backbones that read a data set of texts; none for other data."""
    if card_of(dataset)["modality"] != "text":
        return []
    entries = [one for one in (*PLAN.models.values(), *PLAN.tasks.values()) if one["dataset"] == dataset]
    used = [backbone for entry in entries for backbone in backbones_tried(entry)]
    return [backbone for backbone in dict.fromkeys(used) if backbone]


def uses_features(model):
    """Whether a model's method starts from the stored embeddings of its backbone."""
    if model.get("search"):
        return True
    if model["stage"] == "finetune":
        return plugins.constant("method", model["method"], "USES_FEATURES")
    return model["stage"] == "distill" or is_frozen(model)


def reads_embeddings(task):
    """Whether a task is done on the stored embeddings of its backbone."""
    return task["stage"] == "few_shot" or plugins.constant("zero_shot", task["method"], "READS") == "embeddings"


def reads_second_backbone(task):
    """Whether a zero-shot task's method reads descriptions with a backbone of their own."""
    return plugins.constant("zero_shot", task["method"], "TEXT_BACKBONE", False)


def backbones_of_task(task):
    """The backbones of a zero-shot task: of its samples, and of its descriptions if that is another."""
    return [task["backbone"], *([task["text_backbone"]] if reads_second_backbone(task) else [])]


def is_source_free(model):
    """Whether a model of adapt goes on from a network that was trained on the source, without the source's rows."""
    return not is_frozen(model) and plugins.constant("adaptation_objective", model["method"], "SOURCE_FREE")


def is_taught_by_pool(model):
    """Whether a model is a student that learns from the data set's unlabelled rows, too: where there are any, unless told."""
    return model["stage"] == "distill" and model["pool"] is not False and "pool" in parts_of(model["dataset"])


def is_sharded(backbone):
    """Whether several jobs compute the embeddings by a backbone."""
    return config["device"]["embedding_jobs"] > 1 and PLAN.backbones[backbone]["library"] != "vectors"


def steps_of(backbone):
    """The names of the steps of a backbone's preprocessing; [] for most."""
    return [name for step in PLAN.backbones[backbone]["preprocess"] or [] for name in step]


def is_fitted(backbone):
    """Whether a step of a backbone's preprocessing learns from train rows."""
    return any(plugins.constant("preprocessing", name, "FITTED", False) for name in steps_of(backbone))


def backbone_of(wildcards):
    """The backbone of a rule's wildcards, which name it, a model or a task."""
    if wildcards.get("task"):
        return PLAN.tasks[wildcards.task]["backbone"]
    return wildcards.backbone if hasattr(wildcards, "backbone") else PLAN.models[wildcards.model]["backbone"]


# The start and the end of a run


def lacks_tracker():
    """The UserError of a run that ends with sending results and cannot, or None; said hours earlier than by the job."""
    deployed = {str(method) for method in workflow.deployment_settings.deployment_method}
    whole = set(workflow.dag_settings.targets) <= {"all", "track"}
    return machine.lacks_mlflow() if is_tracked() and whole and "conda" not in deployed else None


def named_configs():
    """The user's config files as arguments of make, each with a blank before it."""
    return "".join(f" CONFIG={shlex.quote(os.path.relpath(file))}" for file in workflow.config_settings.configfiles)


def say_results(results, benchmarks):
    """Print what to look at: the data cards after `check`, the pages after `label`, else the best models and their cost."""
    words = Path(benchmarks, "last_words.txt")
    named = named_configs()
    if "check" in workflow.dag_settings.targets:
        pages = [f"{results}/data/{dataset}/data_card.html" for dataset in used_datasets()]
        notes = [Path(benchmarks, "check_data", f"{dataset}.txt") for dataset in used_datasets()]
        said = "".join(note.read_text(encoding="utf-8") for note in notes if note.exists()).splitlines()
        print("", *(["Worth a look:", *(f"  {line}" for line in said)] if said else []), sep="\n")
        print("Look at this before anything is trained:", *pages, f"Then: make run{named}", sep="\n  ")
    elif "tune" in workflow.dag_settings.targets:
        from graft.training import numeric_modes

        print("", numeric_modes.proposal(sorted(Path(benchmarks, "tune").glob("*.json"))), sep="\n")
    elif "label" in workflow.dag_settings.targets:
        pages = [f"{results}/label/{dataset}/{target}.html" for dataset, target in pools_to_label()]
        if not pages:
            return print("", "Every row of the data has a label: there is no page to label on.", sep="\n")
        print("", "Label on this page, and save the file:", *pages, sep="\n  ")
        print("Name the file as the data set's `labels` in the config. Then: make run", named, sep="")
    elif words.exists():
        print("", words.read_text().replace(" CONFIG=...", f"{named:11}"), *left_behind(results), sep="\n")


def left_behind(results):
    """A line about files of earlier versions, which nothing reads any more, if there are any."""
    old = [f"{stage}/*/seed*/{name}" for stage in ("finetune", "distill") for name in OLD_FILES]
    found = sorted(path for pattern in old for path in Path(results).glob(pattern))
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        yield f"Left over from an earlier version, and not read any more: {found[0]}{more}. Delete what you do not need."


OLD_FILES = ("predictions.parquet", "metrics.json", "agreement.json")  # now in a folder of the target's name


def say_reasons_last(snakemake_logs):
    """Print why jobs failed after all that Snakemake itself still has to say."""
    from graft.common import failed_jobs

    atexit.register(print, "", failed_jobs.reasons(snakemake_logs), sep="\n", file=sys.stderr)


def say_lock_last(folder):
    """Print what to do about a lock of the run's folder after all that Snakemake itself has said about it."""
    advice = run_lock.advice(f"make unlock{named_configs()}   (or: snakemake --unlock)", folder)
    if advice:
        print("", advice, sep="\n", file=sys.stderr)
