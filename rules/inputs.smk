"""Input functions. Everything below prepare_data gets its inputs here, and so asks the checkpoint.

Needs: common.smk. Makes: no file.
"""


def base_of_twin(wildcards):
    """The backbone that an untrained twin is made of; nothing for backbones that are fetched."""
    base = PLAN.backbones[wildcards.backbone]["source"].get("untrained")
    return {"base": f"<resources>/backbones/{base}/backbone.json"} if base else {}


@below_prepare_data
def prepared(wildcards, digest=None):
    """The manifest (ancient) and what the job depends on in it: by default all of the part that is read.

    `digest` names less: `training` (all but the test rows), or `contents` (which samples are labelled, not how).
    """
    dataset = dataset_of(wildcards)
    return {
        "samples": ancient(f"<results>/data/{dataset}/samples.parquet"),
        "digest": f"<results>/data/{dataset}/{digest or wildcards.get('part', 'labelled')}.digest",
    }


def with_contents(wildcards, digest=None):
    """`prepared`, and where the data set's files are."""
    return {
        **prepared(wildcards, digest),
        "dataset": ancient(f"<resources>/datasets/{dataset_of(wildcards)}/dataset.json"),
    }


def to_embed(wildcards):
    """`with_contents` of what a network only looks at: no label, no split makes it run again."""
    return with_contents(wildcards, "pool" if wildcards.get("part") == "pool" else "contents")


@below_prepare_data
def with_backbone(wildcards):
    """`to_embed`, a fetched backbone, and what its preprocessing was fitted to."""
    return {
        **to_embed(wildcards),
        "backbone": f"<resources>/backbones/{wildcards.backbone}/backbone.json",
        **fitted_on(wildcards.dataset, wildcards.backbone),
    }


@below_prepare_data
def fitting_inputs(wildcards):
    """What the preprocessing of vectors is fitted on: no test row, so that these make nothing run again."""
    return {
        **with_contents(wildcards, "training"),
        "backbone": f"<resources>/backbones/{wildcards.backbone}/backbone.json",
    }


def fitted_on(dataset, backbone):
    """What the preprocessing of a backbone learned from a data set; nothing where no step learns."""
    return {"fitted": f"<results>/preprocessing/{dataset}/{backbone}/fitted.safetensors"} if is_fitted(backbone) else {}


@below_prepare_data
def with_trained_backbone(wildcards):
    """`to_embed`, a trained model, and its fetched backbone, which holds the tokenizer."""
    backbone = PLAN.models[wildcards.model]["backbone"]
    return {
        **to_embed(wildcards),
        "model": f"{run_folder(wildcards.model, wildcards.seed)}/ft_model.pt",
        "backbone": f"<resources>/backbones/{backbone}/backbone.json",
    }


@below_prepare_data
def embed_inputs(wildcards):
    """`with_backbone`, and the shares of the other jobs if there are several."""
    folder = f"<results>/features/{wildcards.dataset}/{wildcards.backbone}"
    return {**with_backbone(wildcards), "shards": shards_of(folder, wildcards)}


@below_prepare_data
def embed_model_inputs(wildcards):
    """`with_trained_backbone`, and the shares of the other jobs if there are several."""
    folder = f"<results>/features/{wildcards.dataset}/{wildcards.model}.seed{wildcards.seed}"
    return {**with_trained_backbone(wildcards), "shards": shards_of(folder, wildcards)}


def shards_of(folder, wildcards):
    """What the jobs leave that embed a share each; none if one job embeds all, as it does with vectors."""
    if not is_sharded(backbone_of(wildcards)):
        return []
    return gather.embed(f"{folder}/{wildcards.part}.shards/{{scatteritem}}.json")


@below_prepare_data
def training_inputs(wildcards):
    """What a training reads: train and validation rows, their files, the backbone, its embeddings if the method starts there."""
    model = PLAN.models[wildcards.model]
    inputs = {
        **with_contents(wildcards, "training"),
        "backbone": f"<resources>/backbones/{model['backbone']}/backbone.json",
        **fitted_on(model["dataset"], model["backbone"]),
    }
    if uses_features(model):
        inputs["features"] = f"<results>/features/{model['dataset']}/{model['backbone']}/labelled.parquet"
    if model.get("search"):
        inputs["chosen"] = f"<results>/search/{model['entry']}/chosen.json"
    return inputs


@below_prepare_data
def subset_inputs(wildcards):
    """What a training reads, and which validation and test rows there are, whose labels it does not read."""
    return {**training_inputs(wildcards), "judged": prepared(wildcards, "contents")["digest"]}


@below_prepare_data
def plan_inputs(wildcards):
    """The data set that a search is planned for: how many rows it has is asked for with the plan."""
    return {"card": ancient(f"<results>/data/{dataset_of(wildcards)}/data_card.json")}


@below_prepare_data
def trial_inputs(wildcards):
    """What a training reads, of every backbone that the trial may have; and the trials of the rung before."""
    model, rung = model_of(wildcards), int(wildcards.rung)
    return {
        **with_contents(wildcards, "training"),
        **of_backbones(model["dataset"], names_tried(wildcards)),
        "before": trials_of(model, [rung - 1]) if rung else [],
    }


@below_prepare_data
def choice_inputs(wildcards):
    """All trials of a search, the backbones that it may choose, and its plan."""
    model = model_of(wildcards)
    return {
        **prepared(wildcards, "training"),
        "trials": trials_of(model),
        "backbones": of_backbones(model["dataset"], names_tried(wildcards))["backbones"],
        "plan": f"<results>/search/{model['entry']}/plan.json",
    }


def of_backbones(dataset, names):
    """What is fetched of backbones, and their embeddings of the labelled rows of a data set."""
    return {
        "backbones": [f"<resources>/backbones/{name}/backbone.json" for name in names],
        "features": [f"<results>/features/{dataset}/{name}/labelled.parquet" for name in names],
    }


def trials_of(model, rungs=None):
    """What the trials of some rungs of a search write, by default of all."""
    folder, trials = f"<results>/search/{model['entry']}", planned(model["entry"])["trials"]
    return [
        f"{folder}/rung{one['rung']}/{one['place']}/trial.json" for one in trials if not rungs or one["rung"] in rungs
    ]


@below_prepare_data
def adapt_inputs(wildcards):
    """What a model learns from: the source as a training reads it; and all rows but those of test of the target."""
    model = PLAN.models[wildcards.model]
    source, dataset, backbone = model["source"], model["dataset"], model["backbone"]
    folder = f"<results>/features/{dataset}/{backbone}"
    inputs = {
        "samples": ancient(f"<results>/data/{source}/samples.parquet"),
        "digest": f"<results>/data/{source}/training.digest",
        "dataset": ancient(f"<resources>/datasets/{source}/dataset.json"),
        "target_samples": ancient(f"<results>/data/{dataset}/samples.parquet"),
        "target_digest": [f"<results>/data/{dataset}/unlabelled.digest"],
        "target_dataset": ancient(f"<resources>/datasets/{dataset}/dataset.json"),
        "backbone": f"<resources>/backbones/{backbone}/backbone.json",
        **fitted_on(dataset, backbone),
    }
    if uses_features(model):
        inputs["features"] = f"<results>/features/{source}/{backbone}/labelled.parquet"
        inputs["target_features"] = [f"{folder}/{part}.parquet" for part in parts_of(dataset)]
    if is_source_free(model):
        inputs["start"] = f"{run_folder(unadapted(wildcards.model), wildcards.seed)}/ft_model.pt"
    return inputs


@below_prepare_data
def ranking_inputs(wildcards):
    """What the models of an entry of adapt say of the target, and what is known of that."""
    runs = [("adapt", model["name"], seed) for model in adapted_by(wildcards.entry) for seed in model["seeds"]]
    folders = [run_folder(model, seed) for _, model, seed in runs]
    targets = [folder for run in runs for folder in target_folders(*run)]
    return {
        "samples": ancient(f"<results>/data/{dataset_of(wildcards)}/samples.parquet"),
        "models": [f"{folder}/ft_model.pt" for folder in folders],
        "scores": [f"{folder}/validators.json" for folder in folders],
        "predictions": [f"{folder}/predictions.parquet" for folder in targets],
    }


@below_prepare_data
def distill_inputs(wildcards):
    """`training_inputs`, the teacher with its embeddings, and the pool's digest if the student learns from it."""
    student = PLAN.models[wildcards.model]
    teacher = student["teacher"], student["teacher_seed"]
    parts = ["labelled", "pool"] if is_taught_by_pool(student) else ["labelled"]
    return {
        **training_inputs(wildcards),
        "pool_digest": [f"<results>/data/{student['dataset']}/pool.digest" for part in parts if part == "pool"],
        "teacher": f"{run_folder(*teacher)}/ft_model.pt",
        "teacher_features": features_of_model(*teacher, parts),
        "teacher_backbone": backbones_of_model(*teacher),
    }


def features_of_model(model, seed, parts=("labelled",)):
    """The embeddings of parts of the rows by a model's network, or by that of each of its members, one member after the other."""
    return [f"{embeddings_of(*one)}/{part}.parquet" for one in answering(model, seed) for part in parts]


def backbones_of_model(model, seed):
    """The backbone of a model, or that of each of its members."""
    names = [PLAN.models[name]["backbone"] for name, _ in answering(model, seed)]
    return [f"<resources>/backbones/{name}/backbone.json" for name in names]


@below_prepare_data
def comparison_inputs(wildcards):
    """Model, predictions and metrics of a student and of its teacher, and the manifest, which names the groups."""
    student, target = PLAN.models[wildcards.model], wildcards.target
    files = {"model": "ft_model.pt"}
    files |= {"predictions": f"{target}/predictions.parquet", "metrics": f"{target}/metrics.json"}
    teacher_folder = run_folder(student["teacher"], student["teacher_seed"])
    student_folder = run_folder(wildcards.model, wildcards.seed)
    return {
        **prepared(wildcards),
        **{f"teacher_{key}": f"{teacher_folder}/{file}" for key, file in files.items()},
        **{key: f"{student_folder}/{file}" for key, file in files.items()},
    }


def what_sets_hold_within(dataset):
    """The digest of a data set's subgroups, where sets hold within one of them."""
    return {"subgroups": f"<results>/data/{dataset}/subgroups.digest"} if subgroups_of_sets(dataset) else {}


@below_prepare_data
def prediction_inputs(wildcards):
    """A trained model, the embeddings of every part by its backbone, and what its folds' models say of the train rows."""
    dataset = dataset_of(wildcards)
    run, folder = run_folder(wildcards.model, wildcards.seed), embeddings_of(wildcards.model, wildcards.seed)
    return {
        **prepared(wildcards),
        "model": f"{run}/ft_model.pt",
        "features": [f"{folder}/{part}.parquet" for part in parts_of(dataset)],
        "hidden": ancient(f"<results>/data/{dataset}/hidden.parquet"),
        "held_out": [f"{run}/fold{fold}/held_out.parquet" for fold in folds_of(wildcards.model)],
        **what_sets_hold_within(dataset),
    }


@below_prepare_data
def ensemble_inputs(wildcards):
    """The members of an ensemble, and the embeddings by which they say what they think of validation rows; if the members are
    weighed, also what they say of train rows that they did not see."""
    runs = answering(wildcards.model, wildcards.seed)
    return {
        **prepared(wildcards, "training"),
        "models": [f"{run_folder(*run)}/ft_model.pt" for run in runs],
        "features": features_of_model(wildcards.model, wildcards.seed),
        "held_out": held_out_of_members(runs) if is_weighed(PLAN.models[wildcards.model]) else [],
    }


def held_out_of_members(runs):
    """What the models of the folds of networks say of the train rows that they did not see."""
    return [f"{run_folder(*run)}/fold{fold}/held_out.parquet" for run in runs for fold in folds_of(run[0])]


@below_prepare_data
def combination_inputs(wildcards):
    """An ensemble, and what its members predict of a target."""
    runs = answering(wildcards.model, wildcards.seed)
    return {
        **prepared(wildcards),
        "model": f"{run_folder(wildcards.model, wildcards.seed)}/ft_model.pt",
        "predictions": [f"{run_folder(*run)}/{wildcards.target}/predictions.parquet" for run in runs],
        "hidden": ancient(f"<results>/data/{dataset_of(wildcards)}/hidden.parquet"),
        **what_sets_hold_within(dataset_of(wildcards)),
    }


@below_prepare_data
def new_data_inputs(wildcards):
    """New data, a trained model, the embeddings that it learned from, and its backbone, which holds the tokenizer."""
    entry = config["predict"][wildcards.new]
    model, seed = entry["model"], entry["seed"]
    dataset = PLAN.models[model]["dataset"]
    return {
        "data": os.path.expanduser(entry["data"]),
        "model": f"{run_folder(model, seed)}/ft_model.pt",
        "samples": ancient(f"<results>/data/{dataset}/samples.parquet"),
        "features": features_of_model(model, seed),
        "backbone": backbones_of_model(model, seed),
        "sets": [f"{one}/conformal.json" for one in target_folders(PLAN.models[model]["stage"], model, seed)],
    }


@below_prepare_data
def check_inputs(wildcards):
    """A data set with all its rows, and how fast its backbones are on it."""
    name = wildcards.dataset
    measured = [model for model in models_on(wildcards).values() if not model.get("search")]
    backbones = dict.fromkeys(model["backbone"] for model in measured)
    return {
        **with_contents(wildcards),
        "pool": f"<results>/data/{name}/pool.digest",
        "speed": [f"<benchmarks>/speed/{name}.{backbone}.json" for backbone in backbones],
        "lengths": lengths_of(name),
    }


@below_prepare_data
def data_page_inputs(wildcards):
    """A data set with all its rows, how near its splits are to its train rows, and how many of its texts are cut."""
    name = wildcards.dataset
    return {
        **with_contents(wildcards),
        "pool": f"<results>/data/{name}/pool.digest",
        "nearness": f"<results>/data/{name}/nearness.json",
        "lengths": lengths_of(name),
    }


def lengths_of(dataset):
    """How many texts of a data set each of its backbones cuts."""
    return [f"<results>/data/{dataset}/{backbone}.lengths.json" for backbone in text_backbones(dataset)]


@below_prepare_data
def nearness_inputs(wildcards):
    """The embeddings of every part of a data set."""
    _, folder = embeddings_to_look_at(wildcards.dataset)
    return {**prepared(wildcards), "features": [f"{folder}/{part}.parquet" for part in parts_of(wildcards.dataset)]}


@below_prepare_data
def near_duplicates_inputs(wildcards):
    """The samples of a data set, and the embeddings of every part."""
    return {**nearness_inputs(wildcards), **with_contents(wildcards)}


@below_prepare_data
def ranking_of_backbones_inputs(wildcards):
    """The labelled embeddings of a data set by each backbone, and what each of these is."""
    names = backbones_ranked(wildcards.dataset)
    return {
        **prepared(wildcards, "training"),
        "features": [f"<results>/features/{wildcards.dataset}/{name}/labelled.parquet" for name in names],
        "backbones": [f"<resources>/backbones/{name}/backbone.json" for name in names],
    }


@below_prepare_data
def curves_inputs(wildcards):
    """`ranking_of_backbones_inputs` with the test rows, which are shown, and the ranking itself, if there are embeddings; and of each
    network whose entry asks for its curve its predictions and its trainings on subsets."""
    dataset, target = wildcards.dataset, wildcards.target
    curved = networks_with_curves(dataset, target)
    return {
        **ranking_of_backbones_inputs(wildcards),
        **prepared(wildcards),
        "ranking": [f"<results>/rank/{dataset}/transferability.csv"] if backbones_ranked(dataset) else [],
        "predictions": [f"{run_folder(*run)}/{target}/predictions.parquet" for run in curved],
        "subsets": [path for run in curved for path in subsets_of(*run)],
    }


@below_prepare_data
def curves_figure_inputs(wildcards):
    """The learning curves of every target of a data set."""
    return {"curves": tables_of_curves(wildcards.dataset)}


@below_prepare_data
def controls_inputs(wildcards):
    """The samples of a data set, and their embeddings by the untrained twin of a backbone, if it has one."""
    twins = twins_of(wildcards.dataset)
    return {
        **with_contents(wildcards),
        "untrained": [f"<results>/features/{wildcards.dataset}/{twin}/labelled.parquet" for twin in twins],
        **what_sets_hold_within(wildcards.dataset),
    }


@below_prepare_data
def pairs_inputs(wildcards):
    """What all models and the controls say of a target."""
    dataset, target = wildcards.dataset, wildcards.target
    folders = [
        f"{run_folder(model, seed)}/{target}"
        for stage, model, seed in all_runs()
        if stage != "adapt" and (dataset, target) in handed_tables((stage, model, seed))
    ]
    controls = [f"<results>/controls/{dataset}/{target}.parquet"] if controls_of(dataset) else []
    return {
        **prepared(wildcards),
        "predictions": [f"{folder}/predictions.parquet" for folder in folders],
        "metrics": [f"{folder}/metrics.json" for folder in folders],
        "controls": controls,
        "near": f"<results>/data/{dataset}/near_duplicates.csv",
    }


@below_prepare_data
def groups_inputs(wildcards):
    """The same, and which subgroups the samples are of."""
    return {**pairs_inputs(wildcards), "subgroups": f"<results>/data/{wildcards.dataset}/subgroups.digest"}


@below_prepare_data
def pool_inputs(wildcards):
    """What the models of a target say of all rows, and embeddings of these."""
    dataset = wildcards.dataset
    _, folder = embeddings_to_look_at(dataset)
    models = pairs_inputs(wildcards)
    return {
        **{key: models[key] for key in ("samples", "digest", "predictions", "metrics")},
        "features": [f"{folder}/{part}.parquet" for part in parts_of(dataset)],
    }


@below_prepare_data
def label_pages(wildcards):
    """A page for each order of a pool."""
    return [f"<results>/label/{dataset}/{target}.html" for dataset, target in pools_to_label()]


@below_prepare_data
def label_page_inputs(wildcards):
    """The order of a pool's rows, and where their files are."""
    return {
        **with_contents(wildcards, "pool"),
        "order": f"<results>/handoff/{wildcards.dataset}/{wildcards.target}/to_label.csv",
    }


@below_prepare_data
def few_shot_inputs(wildcards):
    """The labelled embeddings that a task's episodes are drawn from."""
    task = PLAN.tasks[wildcards.task]
    if task.get("model"):
        folder = embeddings_of(task["model"], task["model_seed"])
    else:
        folder = f"<results>/features/{task['dataset']}/{task['backbone']}"
    return {**prepared(wildcards), "features": f"{folder}/labelled.parquet"}


@below_prepare_data
def zero_shot_inputs(wildcards):
    """What a zero-shot task's method reads, and the few-shot tasks of the same backbone that it is compared with."""
    task, same = PLAN.tasks[wildcards.task], ("dataset", "target", "backbone")
    inputs = {
        **with_contents(wildcards),
        "pool": f"<results>/data/{task['dataset']}/pool.digest",
        "backbone": f"<resources>/backbones/{task['backbone']}/backbone.json",
        "few_shot": [
            f"<results>/few_shot/{name}/few_shot_predictions.csv"
            for name in all_tasks("few_shot", task["dataset"])
            if all(PLAN.tasks[name][key] == task[key] for key in same)
        ],
    }
    if reads_embeddings(task):
        folder = f"<results>/features/{task['dataset']}/{task['backbone']}"
        inputs["features"] = [f"{folder}/{part}.parquet" for part in parts_of(task["dataset"])]
    if reads_second_backbone(task):
        inputs["text_backbone"] = f"<resources>/backbones/{task['text_backbone']}/backbone.json"
    return inputs


@below_prepare_data
def figure_inputs(wildcards):
    """What the figures of a trained model's target are drawn from: its predictions, and the samples that it was judged by."""
    folder = run_folder(wildcards.model, wildcards.seed)
    return {**with_contents(wildcards), "predictions": f"{folder}/{wildcards.target}/predictions.parquet"}


@below_prepare_data
def mistakes_inputs(wildcards):
    """`figure_inputs`, and the embeddings by which train rows are near: by the pretrained backbone of the model, if they are there."""
    dataset, first = dataset_of(wildcards), answering(wildcards.model, wildcards.seed)[0][0]
    backbone = PLAN.models[first]["backbone"]
    stored = f"<results>/features/{dataset}/{backbone}"
    folder = stored if (dataset, backbone) in all_features() else embeddings_to_look_at(dataset)[1]
    parts = [part for part in parts_of(dataset) if part == "labelled"]
    return {**figure_inputs(wildcards), "features": [f"{folder}/{part}.parquet" for part in parts]}


@below_prepare_data
def map_inputs(wildcards):
    """The samples of a data set with their embeddings by a backbone, and what its models say of them."""
    dataset = wildcards.dataset
    runs = [run for run in all_runs() if run[0] != "adapt" and PLAN.models[run[1]]["dataset"] == dataset]
    folders = [folder for run in runs for folder in target_folders(*run)]
    stored = f"<results>/features/{dataset}/{wildcards.backbone}"
    return {
        **with_contents(wildcards),
        "features": [f"{stored}/{part}.parquet" for part in parts_of(dataset)],
        "predictions": [f"{folder}/predictions.parquet" for folder in folders],
        "metrics": [f"{folder}/metrics.json" for folder in folders],
    }


@below_prepare_data
def history_inputs(wildcards):
    """How a training went."""
    return {"history": f"{run_folder(wildcards.model, wildcards.seed)}/ft_history.csv"}


@below_prepare_data
def distillation_figure_inputs(wildcards):
    """A student's comparison with its teacher."""
    return {"agreement": f"{run_folder(wildcards.model, wildcards.seed)}/{wildcards.target}/agreement.json"}


@below_prepare_data
def few_shot_figure_inputs(wildcards):
    """The metrics of every few-shot and zero-shot task on a data set."""
    return {
        "metrics": metrics_of_tasks("few_shot", wildcards.dataset),
        "zero_shot": metrics_of_tasks("zero_shot", wildcards.dataset),
    }


@below_prepare_data
def summary_inputs(wildcards):
    """Every trained model with its metrics and predictions, the metrics of every task, and what the data are like."""
    folders, datasets = [folder for run in all_runs() for folder in target_folders(*run)], used_datasets()
    return {
        "models": [f"{run_folder(model, seed)}/ft_model.pt" for _, model, seed in all_runs()],
        "metrics": [f"{folder}/metrics.json" for folder in folders],
        "predictions": [f"{folder}/predictions.parquet" for folder in folders],
        "few_shot": metrics_of_tasks("few_shot"),
        "zero_shot": metrics_of_tasks("zero_shot"),
        "adapted": [f"<results>/adapt/{entry}.json" for entry in config["adapt"]],
        "controls": tables_of_controls(),
        "control_predictions": [path.replace(".csv", ".parquet") for path in tables_of_controls()],
        "samples": [ancient(f"<results>/data/{dataset}/samples.parquet") for dataset in datasets],
        "labelled": [f"<results>/data/{dataset}/labelled.digest" for dataset in datasets],
        "nearness": [f"<results>/data/{dataset}/nearness.json" for dataset in datasets],
        "lengths": [path for dataset in datasets for path in lengths_of(dataset)],
        "near": [f"<results>/data/{dataset}/near_duplicates.csv" for dataset in datasets],
        "sets": [f"{folder}/conformal.json" for folder in folders],
        "without": [
            f"<results>/compare/{dataset}/{target}.near_duplicates.csv" for dataset, target in learned_targets()
        ],
        "files": files_of_decisions(),
    }


@below_prepare_data
def costs_inputs(wildcards):
    """The table of all results: once it is there, every job that cost something has run."""
    return {"summary": "<results>/summary.csv"}


@below_prepare_data
def hand_off_inputs(wildcards):
    """The predictions of every handed model on one target, all seeds."""
    runs = [run for run in handed_runs() if (wildcards.dataset, wildcards.target) in handed_tables(run)]
    return {
        "predictions": [f"{run_folder(model, seed)}/{wildcards.target}/predictions.parquet" for _, model, seed in runs]
    }


@below_prepare_data
def label_issues_inputs(wildcards):
    """The labelled embeddings of a data set by each pretrained backbone, and which of these suits the target."""
    folder = f"<results>/features/{wildcards.dataset}"
    names = [name for name in backbones_ranked(wildcards.dataset) if name not in twins_of(wildcards.dataset)]
    return {
        **prepared(wildcards),
        "features": [f"{folder}/{name}/labelled.parquet" for name in names],
        "ranking": f"<results>/rank/{wildcards.dataset}/transferability.csv",
    }


@below_prepare_data
def hand_off_embeddings_inputs(wildcards):
    """The embeddings of every part of a data set."""
    folder = f"<results>/features/{wildcards.dataset}/{wildcards.backbone}"
    return {"features": [f"{folder}/{part}.parquet" for part in parts_of(wildcards.dataset)]}


@below_prepare_data
def export_inputs(wildcards):
    """A trained model and what its card says about it."""
    dataset = dataset_of(wildcards)
    folder, stage = run_folder(wildcards.model, wildcards.seed), model_of(wildcards)["stage"]
    return {
        "model": f"{folder}/ft_model.pt",
        "metrics": [f"{one}/metrics.json" for one in target_folders(stage, wildcards.model, wildcards.seed)],
        "sets": [f"{one}/conformal.json" for one in target_folders(stage, wildcards.model, wildcards.seed)],
        "backbone": f"<resources>/backbones/{PLAN.models[wildcards.model]['backbone']}/backbone.json",
        "card": ancient(f"<results>/data/{dataset}/data_card.json"),
        "dataset": ancient(f"<resources>/datasets/{dataset}/dataset.json"),
    }


@below_prepare_data
def export_ensemble_inputs(wildcards):
    """An ensemble, what its card says about it, and its exported members."""
    dataset, settings = dataset_of(wildcards), model_of(wildcards)
    folders = [
        f"<results>/handoff/models/{name}/seed{seed}" for name, seed in answering(wildcards.model, wildcards.seed)
    ]
    return {
        "model": f"{run_folder(wildcards.model, wildcards.seed)}/ft_model.pt",
        "metrics": [
            f"{one}/metrics.json" for one in target_folders(settings["stage"], wildcards.model, wildcards.seed)
        ],
        "sets": [f"{one}/conformal.json" for one in target_folders(settings["stage"], wildcards.model, wildcards.seed)],
        "members": [f"{folder}/config.json" for folder in folders],
        "card": ancient(f"<results>/data/{dataset}/data_card.json"),
        "dataset": ancient(f"<resources>/datasets/{dataset}/dataset.json"),
    }


@below_prepare_data
def index_inputs(wildcards):
    """Every file of the hand-over, and where it comes from."""
    runs, datasets = handed_runs(), used_datasets()
    used = [backbone for _, backbone in all_features()]
    used += [PLAN.models[name]["backbone"] for _, model, seed in runs for name, _ in answering(model, seed)]
    used += [name for task in PLAN.tasks.values() if task["stage"] == "zero_shot" for name in backbones_of_task(task)]
    return {
        "predictions": [
            f"<results>/handoff/{dataset}/{target}/predictions.parquet"
            for dataset, target in dict.fromkeys(table for run in runs for table in handed_tables(run))
        ],
        "embeddings": [
            f"<results>/handoff/{dataset}/{backbone}.embeddings.parquet" for dataset, backbone in all_features()
        ],
        "label_issues": tables_of_label_issues(),
        "to_label": orders_of_pools(),
        "exports": [f"<results>/handoff/models/{model}/seed{seed}/config.json" for _, model, seed in runs],
        "metrics": [f"{folder}/metrics.json" for run in runs for folder in target_folders(*run)],
        "few_shot": metrics_of_tasks("few_shot"),
        "zero_shot": metrics_of_tasks("zero_shot"),
        "datasets": [ancient(f"<resources>/datasets/{dataset}/dataset.json") for dataset in datasets],
        "labelled": [f"<results>/data/{dataset}/labelled.digest" for dataset in datasets],
        "pool": [f"<results>/data/{dataset}/pool.digest" for dataset in datasets],
        "backbones": [f"<resources>/backbones/{backbone}/backbone.json" for backbone in dict.fromkeys(used)],
    }


@below_prepare_data
def tracking_inputs(wildcards):
    """What is sent to a tracker. All else that the run makes comes first: a server that does not answer then keeps nothing back."""
    if not is_tracked():
        raise WorkflowError(
            "Nothing is sent to a tracker: the config has no block `tracking: {mlflow: {}}`, or it is a quick look."
        )
    trained = [(stage, model, seed) for stage, model, seed in all_runs()]
    networks = [run for run in trained if not is_ensemble(PLAN.models[run[1]])]
    figures = [
        f"<results>/figures/{stage}/{model}/seed{seed}/{name}"
        for stage, model, seed in trained
        for name in figures_of(model)
    ]
    return {
        "summary": "<results>/summary.csv",
        "chosen": [f"<results>/search/{search}/chosen.json" for search in searches()],
        "labelled": [f"<results>/data/{dataset}/labelled.digest" for dataset in used_datasets()],
        "histories": [f"{run_folder(model, seed)}/ft_history.csv" for _, model, seed in networks],
        "predictions": [f"{folder}/predictions.parquet" for run in trained for folder in target_folders(*run)],
        "figures": figures,
        "exports": [f"<results>/handoff/models/{model}/seed{seed}/config.json" for _, model, seed in handed_runs()],
        "others": computed_results(),
    }


def handed_over(file):
    """An input function for workflows that import graft, which gives a file of the hand-over, named within it.

    It asks the checkpoints, too: what reads a file without asking runs again whenever prepare_data ran.
    """

    def inputs(wildcards):  # the wildcards are the lab's own
        for dataset in used_datasets():
            card_of(dataset)
        return f"{RESULTS}/handoff/{file}"

    return inputs
