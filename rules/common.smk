"""Functions that the rules share: the validated config, the plan of models, and inputs that go through the checkpoint.

Needs: `config`. Makes: no file. Nothing here imports torch.
"""

import atexit
import importlib.util
import os
import re
import sys
from pathlib import Path

SCRIPTS = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent / "scripts"
if SCRIPTS.is_dir():
    sys.path.insert(0, str(SCRIPTS))
elif not importlib.util.find_spec("graft"):
    raise WorkflowError(
        "graft's rules come from a hosted repository here, and its library is not installed where Snakemake runs.\n"
        "Install it from the same repository and tag: pip install 'graft @ git+https://github.com/OWNER/graft@TAG'"
    )

from graft import codedigest, config as graft_config
from graft.errors import UserError
from graft.fingerprint import fingerprint, fingerprint_of_files
from graft.outputs import read_json


def is_users_own(file):
    """Whether a config file is not the embedded default of a hosted repository, which Snakemake keeps in its cache."""
    return not Path(file).is_relative_to(workflow.sourcecache.cache_path)


try:
    config.update(graft_config.load(config, [Path(file) for file in workflow.configfiles if is_users_own(file)]))
    PLAN = graft_config.plan(config)
except UserError as error:
    raise WorkflowError(f"The config needs mending.\n{error}") from None

NAME = "[A-Za-z0-9][A-Za-z0-9_-]*"
RESULTS = workflow.pathvars.apply("<results>")  # here, since in the rules of an importing workflow its own would hold


wildcard_constraints:
    dataset=NAME,
    backbone=NAME,
    target=NAME,
    model=rf"{NAME}\.{NAME}\.{NAME}",
    task=rf"{NAME}\.{NAME}\.{NAME}",
    seed=r"\d+",
    fold=r"\d+",
    stage="finetune|distill",
    new=NAME,
    part="labelled|pool",


# What the config asks for


def all_runs():
    """(stage, model, seed) of every trained model."""
    return [(model["stage"], name, seed) for name, model in PLAN.models.items() for seed in model["seeds"]]


def all_tasks():
    """The names of the few-shot tasks."""
    return list(PLAN.tasks)


def all_features():
    """(dataset, backbone) of every pretrained backbone whose embeddings something uses."""
    used = [(m["dataset"], m["backbone"]) for m in PLAN.models.values() if uses_features(m)]
    used += [(task["dataset"], task["backbone"]) for task in PLAN.tasks.values() if task.get("backbone")]
    return list(dict.fromkeys(used))


def all_results(wildcards):
    """The inputs of `all`; it asks every checkpoint, so that a rerun of one reaches only what really changed."""
    ask_all_checkpoints()
    return [
        *(f"<results>/{stage}/{model}/seed{seed}/metrics.json" for stage, model, seed in all_runs()),
        *(f"<results>/few_shot/{task}/metrics.json" for task in all_tasks()),
        "<results>/handoff/index.json",
        "<results>/summary.csv",
        *(f"<results>/predict/{name}.csv" for name in config["predict"]),
        *all_figures(),
    ]


def ask_all_checkpoints():
    for dataset in used_datasets():
        checkpoints.prepare_data.get(dataset=dataset)


def used_datasets():
    """The data sets that a model or a task needs."""
    return list(dict.fromkeys(entry["dataset"] for entry in (*PLAN.models.values(), *PLAN.tasks.values())))


def dataset_of(wildcards):
    """The data set of a rule's wildcards, which name it, a model or a task."""
    if hasattr(wildcards, "dataset"):
        return wildcards.dataset
    return (PLAN.tasks if hasattr(wildcards, "task") else PLAN.models)[wildcards.get("task", wildcards.get("model"))][
        "dataset"
    ]


# Inputs. Everything below prepare_data gets them here, and so asks the checkpoint


def prepared(wildcards):
    """The manifest (ancient) and the digest of the part that is read, or of the labelled rows."""
    dataset = dataset_of(wildcards)
    checkpoints.prepare_data.get(dataset=dataset)
    part = wildcards.get("part", "labelled")
    return {
        "samples": ancient(f"<results>/data/{dataset}/samples.parquet"),
        "digest": f"<results>/data/{dataset}/{part}.digest",
    }


def with_contents(wildcards):
    """`prepared`, and where the data set's files are."""
    return {
        **prepared(wildcards),
        "dataset": ancient(f"<resources>/datasets/{dataset_of(wildcards)}/dataset.json"),
    }


def with_backbone(wildcards):
    """`with_contents`, and a fetched backbone."""
    return {**with_contents(wildcards), "backbone": f"<resources>/backbones/{wildcards.backbone}/backbone.json"}


def with_trained_backbone(wildcards):
    """`with_contents`, a trained model, and its fetched backbone, which holds the tokenizer."""
    backbone = PLAN.models[wildcards.model]["backbone"]
    return {
        **with_contents(wildcards),
        "model": f"{run_folder(wildcards.model, wildcards.seed)}/ft_model.pt",
        "backbone": f"<resources>/backbones/{backbone}/backbone.json",
    }


def embed_inputs(wildcards):
    """`with_backbone`, and the shares of the other jobs if there are several."""
    folder = f"<results>/features/{wildcards.dataset}/{wildcards.backbone}"
    return {**with_backbone(wildcards), "shards": shards_of(folder, wildcards)}


def embed_model_inputs(wildcards):
    """`with_trained_backbone`, and the shares of the other jobs if there are several."""
    folder = f"<results>/features/{wildcards.dataset}/{wildcards.model}.seed{wildcards.seed}"
    return {**with_trained_backbone(wildcards), "shards": shards_of(folder, wildcards)}


def shards_of(folder, wildcards):
    """What the jobs leave that embed a share each; none if one job embeds all, as it does with vectors."""
    if not is_sharded(backbone_of(wildcards)):
        return []
    return gather.embed(f"{folder}/{wildcards.part}.shards/{{scatteritem}}.json")


def is_sharded(backbone):
    """Whether several jobs compute the embeddings by a backbone."""
    return config["device"]["embedding_jobs"] > 1 and PLAN.backbones[backbone]["library"] != "vectors"


def backbone_of(wildcards):
    """The backbone of a rule's wildcards, which name it or a model."""
    return wildcards.backbone if hasattr(wildcards, "backbone") else PLAN.models[wildcards.model]["backbone"]


def training_inputs(wildcards):
    """What a training reads: labelled rows, their files, the backbone, and its embeddings if the method starts there."""
    model = PLAN.models[wildcards.model]
    inputs = {**with_contents(wildcards), "backbone": f"<resources>/backbones/{model['backbone']}/backbone.json"}
    if uses_features(model):
        inputs["features"] = f"<results>/features/{model['dataset']}/{model['backbone']}/labelled.parquet"
    if uses_pool(model) and "pool" in parts_of(model["dataset"]):
        inputs["pool"] = f"<results>/features/{model['dataset']}/{model['backbone']}/pool.parquet"
        inputs["pool_digest"] = [f"<results>/data/{model['dataset']}/pool.digest"]
    return inputs


def distill_inputs(wildcards):
    """`training_inputs`, and the teacher with its embeddings."""
    student = PLAN.models[wildcards.model]
    return {
        **training_inputs(wildcards),
        "teacher": f"{run_folder(student['teacher'], student['teacher_seed'])}/ft_model.pt",
        "teacher_features": f"{embeddings_of(student['teacher'], student['teacher_seed'])}/labelled.parquet",
        "teacher_backbone": f"<resources>/backbones/{PLAN.models[student['teacher']]['backbone']}/backbone.json",
    }


def comparison_inputs(wildcards):
    """Model, predictions and metrics of a student and of its teacher."""
    student = PLAN.models[wildcards.model]
    files = {"model": "ft_model.pt", "predictions": "predictions.parquet", "metrics": "metrics.json"}
    teacher_folder = run_folder(student["teacher"], student["teacher_seed"])
    student_folder = run_folder(wildcards.model, wildcards.seed)
    checkpoints.prepare_data.get(dataset=student["dataset"])
    return {
        **{f"teacher_{key}": f"{teacher_folder}/{file}" for key, file in files.items()},
        **{key: f"{student_folder}/{file}" for key, file in files.items()},
    }


def prediction_inputs(wildcards):
    """A trained model, the embeddings of every part by its backbone, and what its folds' models say of the train rows."""
    dataset = dataset_of(wildcards)
    run, folder = run_folder(wildcards.model, wildcards.seed), embeddings_of(wildcards.model, wildcards.seed)
    return {
        **prepared(wildcards),
        "model": f"{run}/ft_model.pt",
        "features": [f"{folder}/{part}.parquet" for part in parts_of(dataset)],
        "held_out": [f"{run}/fold{fold}/held_out.parquet" for fold in folds_of(wildcards.model)],
    }


def new_data_inputs(wildcards):
    """New data, a trained model, the embeddings that it learned from, and its backbone, which holds the tokenizer."""
    entry = config["predict"][wildcards.new]
    model, seed = entry["model"], entry["seed"]
    dataset = PLAN.models[model]["dataset"]
    checkpoints.prepare_data.get(dataset=dataset)
    return {
        "data": os.path.expanduser(entry["data"]),
        "model": f"{run_folder(model, seed)}/ft_model.pt",
        "samples": ancient(f"<results>/data/{dataset}/samples.parquet"),
        "features": f"{embeddings_of(model, seed)}/labelled.parquet",
        "backbone": f"<resources>/backbones/{PLAN.models[model]['backbone']}/backbone.json",
    }


def check_inputs(wildcards):
    """A data set with all its rows, and how fast its backbones are on it."""
    name = wildcards.dataset
    checkpoints.prepare_data.get(dataset=name)
    backbones = dict.fromkeys(model["backbone"] for model in models_on(wildcards).values())
    return {
        **with_contents(wildcards),
        "pool": f"<results>/data/{name}/pool.digest",
        "speed": [f"<benchmarks>/speed/{name}.{backbone}.json" for backbone in backbones],
    }


def few_shot_inputs(wildcards):
    """The labelled embeddings that a task's episodes are drawn from."""
    task = PLAN.tasks[wildcards.task]
    if task.get("model"):
        folder = embeddings_of(task["model"], task["model_seed"])
    else:
        folder = f"<results>/features/{task['dataset']}/{task['backbone']}"
    return {**prepared(wildcards), "features": f"{folder}/labelled.parquet"}


def figure_inputs(wildcards):
    """What a trained model's figures are drawn from: what it left behind, and the samples that it was judged by."""
    folder = run_folder(wildcards.model, wildcards.seed)
    return {
        **with_contents(wildcards),
        "history": f"{folder}/ft_history.csv",
        "predictions": f"{folder}/predictions.parquet",
    }


def distillation_figure_inputs(wildcards):
    """A student's comparison with its teacher."""
    checkpoints.prepare_data.get(dataset=dataset_of(wildcards))
    return {"agreement": f"{run_folder(wildcards.model, wildcards.seed)}/agreement.json"}


def few_shot_figure_inputs(wildcards):
    """The metrics of every few-shot task on a data set."""
    checkpoints.prepare_data.get(dataset=wildcards.dataset)
    tasks = [name for name, task in PLAN.tasks.items() if task["dataset"] == wildcards.dataset]
    return {"metrics": [f"<results>/few_shot/{task}/metrics.json" for task in tasks]}


def summary_inputs(wildcards):
    """Every trained model with its metrics, and the metrics of every few-shot task."""
    ask_all_checkpoints()
    folders = [run_folder(model, seed) for _, model, seed in all_runs()]
    return {
        "models": [f"{folder}/ft_model.pt" for folder in folders],
        "metrics": [f"{folder}/metrics.json" for folder in folders],
        "few_shot": [f"<results>/few_shot/{task}/metrics.json" for task in all_tasks()],
    }


def costs_inputs(wildcards):
    """The table of all results: once it is there, every job that cost something has run."""
    ask_all_checkpoints()
    return {"summary": "<results>/summary.csv"}


def hand_off_inputs(wildcards):
    """The predictions of every handed model on one target, all seeds."""
    checkpoints.prepare_data.get(dataset=wildcards.dataset)
    runs = [run for run in handed_runs() if handed_table(run) == (wildcards.dataset, wildcards.target)]
    return {"predictions": [f"{run_folder(model, seed)}/predictions.parquet" for _, model, seed in runs]}


def hand_off_embeddings_inputs(wildcards):
    """The embeddings of every part of a data set."""
    folder = f"<results>/features/{wildcards.dataset}/{wildcards.backbone}"
    return {"features": [f"{folder}/{part}.parquet" for part in parts_of(wildcards.dataset)]}


def export_inputs(wildcards):
    """A trained model and what its card tells about it."""
    dataset = dataset_of(wildcards)
    checkpoints.prepare_data.get(dataset=dataset)
    folder = run_folder(wildcards.model, wildcards.seed)
    return {
        "model": f"{folder}/ft_model.pt",
        "metrics": f"{folder}/metrics.json",
        "backbone": f"<resources>/backbones/{PLAN.models[wildcards.model]['backbone']}/backbone.json",
        "card": ancient(f"<results>/data/{dataset}/data_card.json"),
        "dataset": ancient(f"<resources>/datasets/{dataset}/dataset.json"),
    }


def index_inputs(wildcards):
    """Every file of the hand-over, and where it comes from."""
    ask_all_checkpoints()
    runs, datasets = handed_runs(), used_datasets()
    used = [backbone for _, backbone in all_features()] + [PLAN.models[model]["backbone"] for _, model, _ in runs]
    return {
        "predictions": [
            f"<results>/handoff/{dataset}/{target}/predictions.parquet"
            for dataset, target in dict.fromkeys(map(handed_table, runs))
        ],
        "embeddings": [
            f"<results>/handoff/{dataset}/{backbone}.embeddings.parquet" for dataset, backbone in all_features()
        ],
        "exports": [f"<results>/handoff/models/{model}/seed{seed}/config.json" for _, model, seed in runs],
        "metrics": [f"{run_folder(model, seed)}/metrics.json" for _, model, seed in runs],
        "few_shot": [f"<results>/few_shot/{task}/metrics.json" for task in all_tasks()],
        "datasets": [ancient(f"<resources>/datasets/{dataset}/dataset.json") for dataset in datasets],
        "labelled": [f"<results>/data/{dataset}/labelled.digest" for dataset in datasets],
        "pool": [f"<results>/data/{dataset}/pool.digest" for dataset in datasets],
        "backbones": [f"<resources>/backbones/{backbone}/backbone.json" for backbone in dict.fromkeys(used)],
    }


def handed_over(file):
    """An input function for workflows that import graft, which gives a file of the hand-over, named within it.

    It asks the checkpoints, too: what reads a file without asking runs again whenever prepare_data ran.
    """

    def inputs(wildcards):
        ask_all_checkpoints()
        return f"{RESULTS}/handoff/{file}"

    return inputs


def handed_runs():
    """(stage, model, seed) of the models that config's hand_off names."""
    wanted = config["hand_off"]["models"]
    return [run for run in all_runs() if wanted == "all" or run[1] in wanted]


def handed_table(run):
    """The data set and target whose table of predictions a run belongs to."""
    return PLAN.models[run[1]]["dataset"], PLAN.models[run[1]]["target"]


def all_figures():
    """Every figure of the report."""
    figures = ["<results>/figures/costs.svg"]
    figures += [f"<results>/figures/data/{dataset}.svg" for dataset in used_datasets()]
    for stage, model, seed in all_runs():
        figures += [f"<results>/figures/{stage}/{model}/seed{seed}/{name}" for name in figures_of(model)]
    datasets = dict.fromkeys(task["dataset"] for task in PLAN.tasks.values())
    return [*figures, *(f"<results>/figures/few_shot/{dataset}.svg" for dataset in datasets)]


def figures_of(model):
    """The figures of a trained model, by what it predicts, how it was made and whether its data set has groups."""
    names = ["learning_curves.svg", "mistakes.html"]
    if kind_of(model) == "regression":
        names += ["regression.svg"]
    else:
        names += ["confusion.svg", "per_class.svg", "reliability.svg"]
    names += ["groups.svg"] if has_groups(PLAN.models[model]["dataset"]) else []
    return names + (["distillation.svg"] if PLAN.models[model]["stage"] == "distill" else [])


def models_that_predict(kind):
    """The names of the trained models of a kind of target: classification or regression."""
    return [model for model in PLAN.models if kind_of(model) == kind]


def frozen_networks():
    """The names of the models whose backbone keeps its pretrained weights: only a head is fitted."""
    return [name for name, model in PLAN.models.items() if is_frozen(model)]


def trained_networks():
    """The names of the models that train their backbone."""
    return [name for name, model in PLAN.models.items() if not is_frozen(model)]


def kind_of(model):
    """What a trained model predicts: classification (classes) or regression (values)."""
    settings = PLAN.models[model]
    return PLAN.datasets[settings["dataset"]]["targets"][settings["target"]]["kind"]


def has_groups(dataset):
    """Whether a data set's samples belong to at least two groups."""
    card = checkpoints.prepare_data.get(dataset=dataset).output.card
    return read_json(card).get("groups", 0) > 1


def one_of(names):
    """A wildcard constraint: one of the names; of no names, what nothing matches."""
    return "|".join(map(re.escape, names)) or "(?!)"


def run_folder(model, seed):
    """Where a trained model lies."""
    return f"<results>/{PLAN.models[model]['stage']}/{model}/seed{seed}"


def embeddings_of(model, seed):
    """The folder of a trained model's embeddings: those of its backbone if that was frozen."""
    settings = PLAN.models[model]
    name = settings["backbone"] if is_frozen(settings) else f"{model}.seed{seed}"
    return f"<results>/features/{settings['dataset']}/{name}"


def parts_of(dataset):
    """'labelled', and 'pool' if the data set has unlabelled rows."""
    card = checkpoints.prepare_data.get(dataset=dataset).output.card
    return ["labelled", "pool"] if read_json(card)["counts"].get("pool") else ["labelled"]


def folds_of(model):
    """The folds of a network that is also trained without each of them: its data set's, joined to as many as it asks for."""
    settings = PLAN.models[model]
    count = settings.get("folds")
    if not count or is_frozen(settings):
        return []
    card = checkpoints.prepare_data.get(dataset=settings["dataset"]).output.card
    found = sorted({fold % count for fold in read_json(card).get("folds", [])})
    return found if len(found) > 1 else []  # one fold alone leaves nothing to train on


def uses_features(model):
    """Whether a model's method starts from the stored embeddings of its backbone."""
    return model["stage"] == "distill" or codedigest.constant_of(f"graft.methods.{model['method']}", "USES_FEATURES")


def uses_pool(model):
    """Whether a model's method learns from the embeddings of the data set's unlabelled rows, too."""
    return model["stage"] == "finetune" and codedigest.constant_of(
        f"graft.methods.{model['method']}", "USES_POOL", False
    )


def is_frozen(model):
    """Whether a model keeps the weights of its pretrained backbone."""
    return model["stage"] == "finetune" and codedigest.constant_of(f"graft.methods.{model['method']}", "FROZEN")


# Params: functions, so that a job's own Snakemake does not compute those of every other job


def data_fingerprint(wildcards):
    """Digest of the names, sizes and times of a data set's files; Snakemake does not look inside folders."""
    return fingerprint(PLAN.datasets[wildcards.dataset])


def new_data_fingerprint(wildcards):
    """Digest of the names, sizes and times of new data; "" for those that a lab's own rule names (see predict_files)."""
    data = settings_of_new(wildcards).get("data")
    if not data:
        return ""
    path = Path(data).expanduser()
    return fingerprint_of_files(path) if path.is_dir() else fingerprint_of_files(path.parent, [path.name])


def settings_of_new(wildcards):
    """The entry of config's predict; empty where a lab's own rule has taken the place of the entries."""
    return config["predict"].get(wildcards.get("new"), {})


def column_of_new(wildcards):
    return settings_of_new(wildcards).get("column")


def libraries_of_new(wildcards):
    """The module of the model's backbone; of every backbone where a lab's own rule names the model."""
    model = settings_of_new(wildcards).get("model")
    used = [PLAN.models[model]["backbone"]] if model else PLAN.backbones
    return sorted({f"graft.backbones.{PLAN.backbones[name]['library']}" for name in used})


def code_digest(script, plugins=lambda wildcards: ()):
    """A params function: the digest of a script, of what it imports, and of the plug-ins that the config names."""
    return lambda wildcards: codedigest.code_digest(script, tuple(plugins(wildcards)), hosted(script))


def hosted(script):
    """The file of a script that does not lie beside the library, since the rules come from a hosted repository."""
    return None if SCRIPTS.is_dir() else str(workflow.source_path(f"../scripts/{script}.py"))


def library_of(wildcards):
    """The module of a backbone's library."""
    return [f"graft.backbones.{PLAN.backbones[backbone_of(wildcards)]['library']}"]


def method_of(wildcards):
    """The modules that a model's config names: its method or objective, and its backbone's library."""
    model = PLAN.models[wildcards.model]
    methods = {
        "finetune": [
            f"graft.methods.{model['method']}",
            "graft.objectives.cross_entropy",
            "graft.objectives.squared_error",
        ],
        "distill": [f"graft.objectives.{model['method']}"],
    }[model["stage"]]
    return [*methods, *library_of(wildcards)]


def classifier_of(wildcards):
    """The module of a few-shot task's classifier."""
    return [f"graft.few_shot.{PLAN.tasks[wildcards.task]['method']}"]


def handed_models(wildcards):
    """Settings of the models that are handed over, by name."""
    return {model: PLAN.models[model] for _, model, _ in handed_runs()}


def models_on(wildcards):
    """Settings of the trained models of a data set, by name."""
    return {name: model for name, model in PLAN.models.items() if model["dataset"] == wildcards.dataset}


def tuned_modes():
    """For every backbone that runs, its modes as measured on the first data set that uses it."""
    pairs = {model["backbone"]: model["dataset"] for model in reversed(PLAN.models.values())}
    pairs = {name: dataset for name, dataset in pairs.items() if PLAN.backbones[name]["library"] != "vectors"}
    return [f"<benchmarks>/tune/{dataset}.{backbone}.json" for backbone, dataset in pairs.items()]


def jobs_of_runs(wildcards):
    """For every trained model and seed the jobs that it took, step by step, as their benchmark files are called."""
    parts = {dataset: parts_of(dataset) for dataset in used_datasets()}
    return [
        {
            "model": model,
            "seed": seed,
            "jobs": jobs_of(stage, model, seed, parts[PLAN.models[model]["dataset"]], folds_of(model)),
        }
        for stage, model, seed in all_runs()
    ]


def jobs_of(stage, model, seed, parts, folds):
    """The jobs of one model; embeddings by a pretrained backbone are shared with the other models that use it."""
    settings = PLAN.models[model]
    dataset, backbone, frozen = settings["dataset"], settings["backbone"], is_frozen(settings)
    shared = parts if frozen else ["labelled"] if uses_features(settings) else []
    own = [] if frozen else parts
    return {
        "embedding by the pretrained network": embed_jobs(f"{dataset}.{backbone}", backbone, shared),
        "training": [
            f"{stage}/{model}.seed{seed}",
            *(f"finetune_fold/{model}.seed{seed}.fold{fold}" for fold in folds),
        ],
        "embedding by the trained network": embed_jobs(f"{dataset}.{model}.seed{seed}", backbone, own),
        "prediction": [f"predict/{stage}.{model}.seed{seed}"],
    }


def embed_jobs(name, backbone, parts):
    """The jobs that embed the parts of a data set, those that embed a share included."""
    jobs = [f"embed/{name}.{part}" for part in parts]
    shares = gather.embed("{scatteritem}") if is_sharded(backbone) else []
    return [*jobs, *(f"{job}.{item}" for job in jobs for item in shares)]


def task_settings(wildcards):
    """Settings of the few-shot tasks, by name."""
    return PLAN.tasks


def model_settings(wildcards):
    """A model's settings, without its seeds and folds: adding one must not retrain the others."""
    return {key: value for key, value in PLAN.models[wildcards.model].items() if key not in ("seeds", "folds")}


def forward_mode(wildcards):
    """In which numbers, laid out how, a backbone is run forward."""
    device = device_of(wildcards)
    return {"precision": device["precision"], "layout": device["layout"]}


def training_mode(wildcards):
    """The same for training, and whether it is compiled."""
    device = device_of(wildcards)
    precision = device["training_precision"] or device["precision"]
    return {"precision": precision, "layout": device["layout"], "compile": config["device"]["compile"]}


def device_of(wildcards):
    """The config's `device`, with what it says of the backbone of a rule's wildcards."""
    name = wildcards.get("backbone")
    if not name:
        model = wildcards.get("model") or settings_of_new(wildcards).get("model")
        name = PLAN.models[model]["backbone"] if model else None
    own = config["device"]["backbones"].get(name, {})
    return {**config["device"], **{key: value for key, value in own.items() if value is not None}}


def gpus_per_job(wildcards):
    return config["device"]["gpus_per_job"]


def one_gpu(wildcards):
    """At most one, for what only runs forward: several jobs do that on several GPUs (device.embedding_jobs)."""
    return min(1, config["device"]["gpus_per_job"])


def gpus_of_embed(wildcards):
    """None for a job that only gathers what others have embedded."""
    return 0 if is_sharded(backbone_of(wildcards)) else one_gpu(wildcards)


def half_of_the_cores(wildcards):
    """Threads of a job that runs a network on a CPU, 8 at most.

    Two jobs of half the cores get 15 to 30 % more done than one after the other with all of them (measured).
    """
    return max(1, min(8, all_cores(wildcards) // 2))


def all_cores(wildcards):
    """The cores that this run may use. A cluster has no such number: there 16, so that jobs ask for the same everywhere."""
    return 16 if workflow.non_local_exec or workflow.remote_exec else workflow.cores


def scale(amount):
    """A resource that grows with each attempt."""
    return lambda wildcards, attempt: amount * attempt


def by_input(base, times):
    """Memory that grows with the job's input files, and with each attempt."""
    return lambda wildcards, input, attempt: int(base + times * input.size_mb) * attempt


# The end of a run


def say_results(results, benchmarks):
    """Print what to look at: the data cards after `check`, else where the results are, the best models and their cost."""
    words = Path(benchmarks, "last_words.txt")
    named = "".join(f" CONFIG={os.path.relpath(file)}" for file in workflow.config_settings.configfiles)
    if "check" in workflow.dag_settings.targets:
        pages = [f"{results}/data/{dataset}/data_card.html" for dataset in used_datasets()]
        print("\nLook at this before anything is trained:", *pages, f"Then: make run{named}", sep="\n  ")
    elif "tune" in workflow.dag_settings.targets:
        from graft import modes

        print("", modes.proposal(sorted(Path(benchmarks, "tune").glob("*.json"))), sep="\n")
    elif words.exists():
        print("", words.read_text().replace(" CONFIG=...", f"{named:11}"), sep="\n")


def say_reasons_last(snakemake_logs):
    """Print why jobs failed after all that Snakemake itself still has to say."""
    from graft import closing  # needs pandas, which no parsing waits for

    atexit.register(print, "", closing.reasons(snakemake_logs), sep="\n", file=sys.stderr)
