# Needs: labelled rows and a backbone. Makes: one trained model per model and seed; and, for networks with `folds`, what a
# model that did not see them says of the train rows, and with `curve`, what models of fewer train rows say of the others.


rule finetune:
    """Fine-tune a backbone by the method that the model's name ends with."""
    input:
        unpack(training_inputs),
    output:
        model="<results>/finetune/{model}/seed{seed}/ft_model.pt",
        history="<results>/finetune/{model}/seed{seed}/ft_history.csv",
    log:
        "<logs>/finetune/{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/finetune/{model}.seed{seed}.tsv"
    params:
        settings=model_settings,
        mode=training_mode,
        code=code_digest("finetune"),
    wildcard_constraints:
        model=one_of(trained_networks()),
    threads: half_of_the_cores
    priority: 10
    resources:
        gpu=gpus_per_job,
        mem_mb=scale(12000),
        runtime=scale(240),
    conda:
        "../envs/torch.yaml"
    message:
        "Fine-tuning {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/finetune.py"


use rule finetune as fit_head with:
    """Fit a head on embeddings that are there: a short job that needs no GPU."""
    wildcard_constraints:
        model=one_of(frozen_networks()),
    threads: 1
    priority: 30
    resources:
        gpu=0,
        mem_mb=by_input(2000, 6),
        runtime=scale(30),


rule finetune_fold:
    """Train a network again without one fold of its train rows, and keep what it says of these."""
    input:
        unpack(training_inputs),
    output:
        held_out="<results>/finetune/{model}/seed{seed}/fold{fold}/held_out.parquet",
    log:
        "<logs>/finetune_fold/{model}.seed{seed}.fold{fold}.log",
    benchmark:
        "<benchmarks>/finetune_fold/{model}.seed{seed}.fold{fold}.tsv"
    params:
        settings=model_settings,
        folds=lambda wildcards: PLAN.models[wildcards.model]["folds"],
        mode=training_mode,
        code=code_digest("finetune_fold"),
    threads: half_of_the_cores
    priority: 10
    resources:
        gpu=gpus_per_job,
        mem_mb=scale(12000),
        runtime=scale(240),
    conda:
        "../envs/torch.yaml"
    message:
        "Training {wildcards.model}, seed {wildcards.seed}, without fold {wildcards.fold}"
    script:
        "../scripts/finetune_fold.py"


rule finetune_subset:
    """Train a network again on a subset of its train rows, for its learning curve."""
    input:
        unpack(subset_inputs),
    output:
        subset="<results>/finetune/{model}/seed{seed}/subset{percent}.draw{draw}/subset.json",
        judged="<results>/finetune/{model}/seed{seed}/subset{percent}.draw{draw}/judged.parquet",
    log:
        "<logs>/finetune_subset/{model}.seed{seed}.subset{percent}.draw{draw}.log",
    benchmark:
        "<benchmarks>/finetune_subset/{model}.seed{seed}.subset{percent}.draw{draw}.tsv"
    params:
        settings=model_settings,
        mode=training_mode,
        code=code_digest("finetune_subset"),
    threads: half_of_the_cores
    priority: 10
    resources:
        gpu=gpus_per_job,
        mem_mb=scale(12000),
        runtime=scale(240),
    conda:
        "../envs/torch.yaml"
    message:
        "Learning from {wildcards.percent} % with {wildcards.model}, seed {wildcards.seed}, draw {wildcards.draw}"
    script:
        "../scripts/finetune_subset.py"
