# Needs: predictions, embeddings, trained models. Makes: results/handoff/, what the lab's own rules read, and its index.


rule hand_off:
    """Put the predictions of all models and seeds for one target into one table."""
    input:
        unpack(hand_off_inputs),
    output:
        predictions="<results>/handoff/{dataset}/{target}/predictions.parquet",
    log:
        "<logs>/hand_off/{dataset}.{target}.log",
    benchmark:
        "<benchmarks>/hand_off/{dataset}.{target}.tsv"
    params:
        code=code_digest("hand_off"),
    threads: 1
    resources:
        mem_mb=scale(4000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Handing over the predictions of {wildcards.target} in {wildcards.dataset}"
    script:
        "../scripts/hand_off.py"


rule find_label_issues:
    """Name the labels of a target that are probably wrong, by heads on stored embeddings that did not see them."""
    input:
        unpack(label_issues_inputs),
    output:
        issues="<results>/handoff/{dataset}/{target}/label_issues.csv",
    log:
        "<logs>/find_label_issues/{dataset}.{target}.log",
    benchmark:
        "<benchmarks>/find_label_issues/{dataset}.{target}.tsv"
    params:
        code=code_digest("find_label_issues"),
    threads: 1
    resources:
        mem_mb=scale(8000),
        runtime=scale(60),
    conda:
        "../envs/torch.yaml"
    message:
        "Looking for wrong labels of {wildcards.target} in {wildcards.dataset}"
    script:
        "../scripts/find_label_issues.py"


rule hand_off_embeddings:
    """Put the embeddings of the labelled samples and of the pool into one file."""
    input:
        unpack(hand_off_embeddings_inputs),
    output:
        embeddings="<results>/handoff/{dataset}/{backbone}.embeddings.parquet",
    log:
        "<logs>/hand_off_embeddings/{dataset}.{backbone}.log",
    benchmark:
        "<benchmarks>/hand_off_embeddings/{dataset}.{backbone}.tsv"
    params:
        code=code_digest("hand_off_embeddings"),
    threads: 1
    resources:
        mem_mb=scale(4000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Handing over the embeddings of {wildcards.dataset} by {wildcards.backbone}"
    script:
        "../scripts/hand_off_embeddings.py"


rule export_model:
    """Write a trained model as plain files; tokenizer and preprocessing files are beside the declared ones."""
    input:
        unpack(export_inputs),
    output:
        weights="<results>/handoff/models/{model}/seed{seed}/model.safetensors",
        config="<results>/handoff/models/{model}/seed{seed}/config.json",
        labels="<results>/handoff/models/{model}/seed{seed}/labels.json",
        card="<results>/handoff/models/{model}/seed{seed}/README.md",
    log:
        "<logs>/export_model/{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/export_model/{model}.seed{seed}.tsv"
    params:
        code=code_digest("export_model"),
    wildcard_constraints:
        model=one_of(networks()),
    threads: 1
    resources:
        mem_mb=scale(4000),
        runtime=scale(30),
    conda:
        "../envs/torch.yaml"
    message:
        "Exporting {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/export_model.py"


rule export_ensemble:
    """Write an ensemble as plain files; its members are exported beside it."""
    input:
        unpack(export_ensemble_inputs),
    output:
        config="<results>/handoff/models/{model}/seed{seed}/config.json",
        labels="<results>/handoff/models/{model}/seed{seed}/labels.json",
        card="<results>/handoff/models/{model}/seed{seed}/README.md",
    log:
        "<logs>/export_ensemble/{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/export_ensemble/{model}.seed{seed}.tsv"
    params:
        code=code_digest("export_ensemble"),
    wildcard_constraints:
        model=one_of(ensembles()),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/torch.yaml"
    message:
        "Exporting the ensemble {wildcards.model}"
    script:
        "../scripts/export_ensemble.py"


rule index_results:
    """Name every file of the hand-over with its digest, its metrics and where it comes from."""
    input:
        unpack(index_inputs),
    output:
        index="<results>/handoff/index.json",
    log:
        "<logs>/index_results.log",
    benchmark:
        "<benchmarks>/index_results.tsv"
    params:
        models=handed_models,
        tasks=task_settings,
        code=code_digest("index_results"),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Writing the index of the hand-over"
    script:
        "../scripts/index_results.py"
