"""graft: fine-tuned, few-shot, distilled and handed-over models from one YAML file. Start with README.md."""

from snakemake.utils import min_version

min_version("9.27")


# A quick look has its own results: they never mix with real ones. What is fetched and computed is shared.
LOOK = "quick" if str(config.get("quick")).lower() == "true" else "."


pathvars:
    results=os.path.normpath(f"results/{LOOK}"),
    resources="resources",
    logs=os.path.normpath(f"logs/{LOOK}"),
    benchmarks=os.path.normpath(f"benchmarks/{LOOK}"),


# The embedded default is loaded only when the user's config names no data set: Snakemake merges config files, so one
# that is always loaded would train on top of the user's own.
if not config.get("datasets"):

    DEFAULT = workflow.current_basedir.join("config/config.yaml")

    configfile: DEFAULT.get_path_or_uri(secret_free=True) if DEFAULT.is_local else workflow.sourcecache.get_path(DEFAULT)


include: "rules/common.smk"
include: "rules/inputs.smk"
include: "rules/params.smk"
include: "rules/fetch.smk"
include: "rules/prepare.smk"
include: "rules/embed.smk"
include: "rules/finetune.smk"
include: "rules/search.smk"
include: "rules/adapt.smk"
include: "rules/distill.smk"
include: "rules/predict.smk"
include: "rules/ensemble.smk"
include: "rules/choose.smk"
include: "rules/few_shot.smk"
include: "rules/zero_shot.smk"
include: "rules/hand_off.smk"
include: "rules/check.smk"
include: "rules/report.smk"
include: "rules/track.smk"


report: "rules/captions/workflow.rst"


onstart:
    stop_if(machine.lacks_slurm(workflow.executor_plugin.name))
    stop_if(lacks_tracker())
    run_lock.note_holder()


onsuccess:
    say_results(Path("results", LOOK), Path("benchmarks", LOOK))


onerror:
    say_reasons_last(log)


rule all:
    """Everything that the config asks for."""
    default_target: True
    input:
        # Named here too, so that data sets are prepared side by side: the checkpoint is asked about one after the other.
        [f"<results>/data/{dataset}/samples.parquet" for dataset in used_datasets()],
        all_results,
