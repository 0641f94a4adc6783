"""Params and resources: functions, so that a job's own Snakemake does not compute those of every other job.

Needs: common.smk. Makes: no file.
"""


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


def column_of_new(wildcards):
    return settings_of_new(wildcards).get("column")


def code_digest(script, **own):
    """A params function: the digest of a script, of what it imports, and of the plug-ins that the job uses.

    `own`: kind of plug-in -> their names, or a function that names them in place of that of PLUGINS.
    """

    def digest(wildcards):  # nothing but wildcards: Snakemake compares no params that depend on more
        file, naming = hosted(script), {**PLUGINS, **own}
        named, more = None, frozenset()
        while more != named:  # a plug-in may load others, of further kinds
            named = more
            kinds = codedigest.kinds_of(script, named, file)
            more = frozenset((kind, name) for kind in kinds for name in names_of(naming[kind], wildcards))
        return codedigest.code_digest(script, named, file)

    return digest


def names_of(naming, wildcards):
    return naming(wildcards) if callable(naming) else naming


def hosted(script):
    """The file of a script that is not beside the library, since the rules come from a hosted repository."""
    return None if SCRIPTS.is_dir() else str(workflow.source_path(f"../scripts/{script}.py"))


def sources_of(wildcards):
    entry = PLAN.datasets[wildcards.dataset] if wildcards.get("dataset") else PLAN.backbones[wildcards.backbone]
    return [kind for kind in plugins.names("source") if entry["source"].get(kind)]


def readers_of(wildcards):
    """The reader that the config names for the data, or that prepare_data took."""
    dataset = dataset_of(wildcards)
    named = PLAN.datasets[dataset]["reader"]
    return [card_of(dataset)["reader"] if named == "auto" else named]


def readers_asked(wildcards):
    """The readers of which prepare_data takes one."""
    named = PLAN.datasets[wildcards.dataset]["reader"]
    return plugins.names("reader") if named == "auto" else [named]


def no_readers(wildcards):
    """New data are what they look like."""
    return []


def libraries_of(wildcards):
    return libraries_in(backbones_read(wildcards))


def steps_used(wildcards):
    return steps_in(backbones_read(wildcards))


def backbones_read(wildcards):
    """The backbone of a job, or those of the members of its ensemble."""
    model = model_of(wildcards)
    if model and is_ensemble(model):
        return [PLAN.models[member["name"]]["backbone"] for member in model["members"]]
    return names_tried(wildcards) if wildcards.get("search") else [backbone_of(wildcards)]


def libraries_in(backbones):
    """The libraries of some backbones, and of those of which a search chooses one."""
    fetched = [one for name in backbones for one in chosen_from(name)]
    return sorted({PLAN.backbones[name]["library"] for name in fetched})


def steps_in(backbones):
    return sorted({step for name in backbones for step in steps_of(name)})


def backbones_of_new(wildcards):
    """The backbones of the model; a lab's own rule, whose wildcards are its own, may predict with any model."""
    entry = settings_of_new(wildcards)
    if not entry.get("model"):
        return list(PLAN.backbones)
    return [PLAN.models[name]["backbone"] for name, _ in answering(entry["model"], entry["seed"])]


def libraries_of_new(wildcards):
    return libraries_in(backbones_of_new(wildcards))


def steps_of_new(wildcards):
    return steps_in(backbones_of_new(wildcards))


def methods_if(kind):
    """A function of wildcards: the method of a job's model, if it is of a kind; none of a job for many models."""

    def methods(wildcards):
        model = model_of(wildcards)
        if not model or method_kind(model) != kind:
            return []
        return methods_tried(model, wildcards) if model.get("search") else [model["method"]]

    return methods


def methods_tried(model, wildcards):
    """The methods by which a search's model, or a trial of it, may be trained."""
    trial = trial_of(wildcards) if wildcards.get("rung") else {}
    if "backbone" in trial:
        return ["linear"]
    return [trial["method"]] if "method" in trial else model["search"]["method"]


def validators_of(wildcards):
    """All: each of them judges every adapted model."""
    return plugins.names("validator")


def validator_of(entry):
    """The validator of an entry of adapt."""
    return adapted_by(entry)[0]["validator"]


def classifiers_of(wildcards):
    return [PLAN.tasks[wildcards.task]["method"]]


def kinds_of(wildcards):
    """The kinds of the targets of a job: the one that it names, or those of its model."""
    if wildcards.get("dataset"):
        named = [wildcards.target] if wildcards.get("target") else targets_learned(wildcards)
        return sorted({kind_of(wildcards.dataset, target) for target in named})
    model = model_of(wildcards)
    if not model:  # a lab's own rule, or one for all models
        return plugins.names("kind")
    named = [wildcards.target] if wildcards.get("target") else model["targets"]
    return sorted({kind_of(model["dataset"], target) for target in named})


def task_weights_of(wildcards):
    model = model_of(wildcards)
    return [model["task_weights"]] if len(model["targets"]) > 1 else []


def zero_shot_methods_of(wildcards):
    return [PLAN.tasks[wildcards.task]["method"]]


def ensemble_methods_of(wildcards):
    """How the members of a job's model, or of its teacher, are combined."""
    model = model_of(wildcards)
    if not model:  # a lab's own rule, or one for all models
        return plugins.names("ensemble")
    made = [one for one in (model, PLAN.models.get(model.get("teacher"))) if one and is_ensemble(one)]
    return [one["method"] for one in made]


def targets_learned(wildcards):
    """The targets of a data set that models learn."""
    return [target for dataset, target in learned_targets() if dataset == wildcards.dataset]


def rankings_of(wildcards):
    """All: each of them scores every backbone."""
    return plugins.names("ranking")


def controls_used(wildcards):
    return controls_of(wildcards.dataset)


def class_scores_of(wildcards):
    """The score that makes sets of classes, if a target of the job has classes."""
    return [config["conformal"]["sets"]] if {"classification", "ordinal"} & set(kinds_of(wildcards)) else []


def number_scores_of(wildcards):
    """The score that makes intervals of numbers, if a target of the job is a number."""
    return [config["conformal"]["intervals"]] if "regression" in kinds_of(wildcards) else []


def strategy_used(wildcards):
    return [config["labelling"]["strategy"]]


def libraries_of_task(wildcards):
    """The libraries of what a zero-shot task reads samples and descriptions with."""
    return libraries_in(backbones_of_task(PLAN.tasks[wildcards.task]))


PLUGINS = {
    "source": sources_of,
    "reader": readers_of,
    "library": libraries_of,
    "kind": kinds_of,
    "preprocessing": steps_used,
    "method": methods_if("method"),
    "task_weights": task_weights_of,
    "objective": methods_if("objective"),
    "adaptation": methods_if("adaptation"),
    "adaptation_objective": methods_if("adaptation_objective"),
    "validator": validators_of,
    "classifier": classifiers_of,
    "zero_shot": zero_shot_methods_of,
    "ensemble": ensemble_methods_of,
    "ranking": rankings_of,
    "control": controls_used,
    "class_score": class_scores_of,
    "number_score": number_scores_of,
    "strategy": strategy_used,
}


def handed_models(wildcards):
    """Settings of the models that are handed over, by name."""
    return {model: PLAN.models[model] for _, model, _ in handed_runs()}


def models_on(wildcards):
    """Settings of the models of a data set that cost something, by name; of a student also the backbones that answer for its
    teacher."""
    found = {name: model for name, model in networks().items() if model["dataset"] == wildcards.dataset}
    return {
        name: (
            model | {"teachers": backbones_answering(model["teacher"], model["teacher_seed"])}
            if model["stage"] == "distill"
            else model
        )
        for name, model in found.items()
    }


def backbones_answering(model, seed):
    """The backbones of a model, or of an ensemble's members."""
    return [PLAN.models[name]["backbone"] for name, _ in answering(model, seed)]


def tuned_modes():
    """For every backbone that runs, its modes as measured on the first data set that uses it."""
    pairs = {name: model["dataset"] for model in reversed(networks().values()) for name in backbones_tried(model)}
    pairs = {name: dataset for name, dataset in pairs.items() if PLAN.backbones[name]["library"] != "vectors"}
    return [f"<benchmarks>/tune/{dataset}.{backbone}.json" for backbone, dataset in pairs.items()]


def jobs_of_runs(wildcards):
    """For every trained model and seed its figures, and the jobs that it took, step by step, as their benchmark files are
    called."""
    parts = {dataset: parts_of(dataset) for dataset in used_datasets()}
    return [
        {
            "model": model,
            "seed": seed,
            "figures": figures_of(model),
            "library": PLAN.backbones[PLAN.models[answering(model, seed)[0][0]]["backbone"]]["library"],
            "jobs": jobs_of(model, seed, parts[PLAN.models[model]["dataset"]]),
        }
        for _, model, seed in all_runs()
    ]


def jobs_of(model, seed, parts):
    """The jobs of one model, step by step; an ensemble's are those of its members, and its own."""
    settings, steps = PLAN.models[model], {}
    for run in answering(model, seed):
        for step, jobs in jobs_of_network(*run, parts).items():
            steps[step] = list(dict.fromkeys([*steps.get(step, []), *jobs]))
    if is_ensemble(settings):
        steps["training"].append(f"ensemble/{model}.seed{seed}")
        steps["prediction"] += [f"combine/{model}.seed{seed}.{target}" for target in settings["targets"]]
    return steps


def jobs_of_network(model, seed, parts):
    """The jobs of a network; embeddings by a pretrained backbone are shared with the other models that use it."""
    settings, folds = PLAN.models[model], folds_of(model)
    stage = settings["stage"]
    dataset, backbone, frozen = settings["dataset"], settings["backbone"], is_frozen(settings)
    shared = parts if frozen else ["labelled"] if uses_features(settings) else []
    own = [] if frozen else parts
    return {
        "embedding by the pretrained network": [
            *([f"fit_preprocessing/{dataset}.{backbone}"] if is_fitted(backbone) else []),
            *embed_jobs(f"{dataset}.{backbone}", backbone, shared),
        ],
        "training": [
            f"{stage}/{model}.seed{seed}",
            *(f"finetune_fold/{model}.seed{seed}.fold{fold}" for fold in folds),
            *(jobs_of_search(settings) if settings.get("search") else []),
        ],
        "embedding by the trained network": embed_jobs(f"{dataset}.{model}.seed{seed}", backbone, own),
        "prediction": [f"predict/{stage}.{model}.seed{seed}.{target}" for target in settings["targets"]],
    }


def jobs_of_search(model):
    """The trials of a search."""
    trials = planned(model["entry"])["trials"]
    return [f"try_settings/{model['entry']}.rung{one['rung']}.{one['place']}" for one in trials]


def embed_jobs(name, backbone, parts):
    """The jobs that embed the parts of a data set, those that embed a share included."""
    jobs = [f"embed/{name}.{part}" for part in parts]
    shares = gather.embed("{scatteritem}") if is_sharded(backbone) else []
    return [*jobs, *(f"{job}.{item}" for job in jobs for item in shares)]


def tracking_asked(wildcards):
    """`tracking.mlflow` of the config."""
    return config["tracking"]["mlflow"]


def tracking_server(wildcards):
    """The server that MLflow's own variables name, without a password; a job that sends to another one is another job."""
    asked = tracking_asked(wildcards) or {}
    return None if asked.get("uri") else without_credentials(os.environ.get("MLFLOW_TRACKING_URI", ""))


def settings_to_track(wildcards):
    """Settings of all models and tasks, by name."""
    return {**PLAN.models, **PLAN.tasks}


def split_settings(wildcards):
    """What the config says of the splits of each data set."""
    return {name: PLAN.datasets[name]["split"] for name in used_datasets()}


def task_settings(wildcards):
    """Settings of the few-shot and zero-shot tasks, by name."""
    return PLAN.tasks


def model_settings(wildcards):
    """A model's settings, without its seeds, folds and curve: adding one must not retrain the others. Of a network that is trained on
    labels, half of the validation rows calibrate sets, where sets are asked for. More minutes for a search do not change its trials.
    """
    model = model_of(wildcards)
    found = {
        key: value for key, value in model.items() if key not in ("seeds", "folds", "curve", "curve_draws", "search")
    }
    trained = model["stage"] in ("finetune", "distill") and not is_frozen(model)
    return found | ({"keep_aside": True} if trained and config["conformal"]["levels"] else {})


def conformal_settings(wildcards):
    """`conformal` of the config; where its `within` names a column of subgroups, a data set without that has `auto`."""
    named = subgroups_of_sets(dataset_of(wildcards))
    within = config["conformal"]["within"] if named or config["conformal"]["within"] in WITHIN else "auto"
    return {**config["conformal"], "within": within}


@functools.cache
def planned(search):
    """The plan of a search: that of its last run if it has been asked for the same, else a new one (see graft.search.planning)."""
    model = PLAN.models[f"{search}.{BEST}"]
    request = {
        **{key: model["search"][key] for key in ("minutes", "backbone", *planning.SEARCHED)},
        "epochs": model["epochs"],
        "trainings": len(model["seeds"]) * (1 + (model["folds"] or 0)),
        "counts": card_of(model["dataset"])["counts"],
    }
    path = Path(RESULTS, "search", search, "plan.json")
    if path.exists() and (kept := read_json(path))["request"] == request:
        return kept
    gpus, rates = config["device"]["gpus_per_job"], {}
    for name in request["backbone"]:
        measured = sorted(Path(BENCHMARKS, "tune").glob(f"*.{name}.json"))
        rates[name] = planning.rate_of(name, PLAN.backbones[name], read_json(measured[0]) if measured else None, gpus)
    try:
        return planning.plan(request, rates)
    except UserError as error:
        raise WorkflowError(f"finetune.{search}.search.minutes: {error}") from None


def plan_of(wildcards):
    return planned(wildcards.search)


def trial_of(wildcards):
    """A trial as it is planned."""
    place = {"rung": int(wildcards.rung), "place": int(wildcards.place)}
    return next(one for one in planned(wildcards.search)["trials"] if place.items() <= one.items())


def names_tried(wildcards):
    """The backbones that a search, or a trial of it, may take."""
    if wildcards.get("rung") == "0":
        return [trial_of(wildcards)["backbone"]]
    return model_of(wildcards)["search"]["backbone"]


def forward_mode(wildcards):
    """In which numbers, laid out how, a backbone is run forward."""
    device = device_of(wildcards)
    return {key: device[key] for key in ("precision", "layout", "engine")}


def training_mode(wildcards):
    """The same for training: whether it is compiled, and whether CPUs have kernels of their own for it."""
    device = device_of(wildcards)
    own = {key: device[key] for key in ("layout", "compile", "cpu_kernels")}
    return {"precision": device["training_precision"] or device["precision"], **own}


def distilling_mode(wildcards):
    """The same, and what runs the teacher."""
    return {**training_mode(wildcards), "engine": device_of(wildcards)["engine"]}


def device_of(wildcards):
    """The config's `device`, with what it says of the backbone of a rule's wildcards."""
    name = wildcards.get("backbone") or (backbone_of(wildcards) if wildcards.get("task") else None)
    if not name:
        model = PLAN.models.get(
            wildcards.get("model") or found_by(wildcards) or settings_of_new(wildcards).get("model")
        )  # a lab's may be no model
        name = model["backbone"] if model else None
    said = [config["device"]["backbones"].get(one, {}) for one in chosen_from(name)]
    own = said[0] if said and all(one == said[0] for one in said) else {}
    return {**config["device"], **{key: value for key, value in own.items() if value is not None}}


def gpus_per_job(wildcards):
    return config["device"]["gpus_per_job"]


def one_gpu(wildcards):
    """At most one, for what only runs forward: several jobs do that on several GPUs (device.embedding_jobs)."""
    return min(1, config["device"]["gpus_per_job"])


def gpus_of_zero_shot(wildcards):
    """None for a job on stored embeddings, which forwards no more than the descriptions."""
    return 0 if reads_embeddings(PLAN.tasks[wildcards.task]) else one_gpu(wildcards)


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
