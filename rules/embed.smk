# Needs: the manifest and a backbone. Makes: embeddings, forwarding only samples that the store lacks.
#
# Priorities of the whole workflow: what is short and shows results goes first (heads, few-shot, predictions: 30),
# then what that waits for (embeddings by pretrained networks: 20; fetching and preparing: 40, since a head of any data set
# waits for it), then long trainings (10), then figures (0).


scattergather:
    embed=config["device"]["embedding_jobs"],


rule fit_preprocessing:
    """Fit what the preprocessing of vectors learns from data, such as principal components: on train rows alone."""
    input:
        unpack(fitting_inputs),
    output:
        fitted="<results>/preprocessing/{dataset}/{backbone}/fitted.safetensors",
    log:
        "<logs>/fit_preprocessing/{dataset}.{backbone}.log",
    benchmark:
        "<benchmarks>/fit_preprocessing/{dataset}.{backbone}.tsv"
    params:
        code=code_digest("fit_preprocessing"),
    threads: half_of_the_cores
    priority: 20
    resources:
        mem_mb=scale(8000),
        runtime=scale(60),
    conda:
        "../envs/torch.yaml"
    message:
        "Fitting the preprocessing of {wildcards.backbone} on {wildcards.dataset}"
    script:
        "../scripts/fit_preprocessing.py"


rule embed:
    """Compute the embeddings that the store lacks, and line them up with the manifest."""
    input:
        unpack(embed_inputs),
    output:
        features="<results>/features/{dataset}/{backbone}/{part}.parquet",
    log:
        "<logs>/embed/{dataset}.{backbone}.{part}.log",
        counts="<logs>/embed/{dataset}.{backbone}.{part}.json",
    benchmark:
        "<benchmarks>/embed/{dataset}.{backbone}.{part}.tsv"
    params:
        mode=forward_mode,
        code=code_digest("embed"),
    threads: half_of_the_cores
    priority: 20
    resources:
        gpu=gpus_of_embed,
        mem_mb=scale(8000),
        runtime=scale(120),
    conda:
        "../envs/torch.yaml"
    message:
        "Embedding {wildcards.dataset} ({wildcards.part}) with {wildcards.backbone}"
    script:
        "../scripts/embed.py"


use rule embed as embed_model with:
    input:
        unpack(embed_model_inputs),
    output:
        features="<results>/features/{dataset}/{model}.seed{seed}/{part}.parquet",
    log:
        "<logs>/embed/{dataset}.{model}.seed{seed}.{part}.log",
        counts="<logs>/embed/{dataset}.{model}.seed{seed}.{part}.json",
    benchmark:
        "<benchmarks>/embed/{dataset}.{model}.seed{seed}.{part}.tsv"
    priority: 10
    message:
        "Embedding {wildcards.dataset} ({wildcards.part}) with {wildcards.model}, seed {wildcards.seed}"


rule embed_shard:
    """Compute a share of the embeddings that the store lacks: one of several jobs, on several nodes."""
    input:
        unpack(with_backbone),
    output:
        done=temp("<results>/features/{dataset}/{backbone}/{part}.shards/{scatteritem}.json"),
    log:
        "<logs>/embed/{dataset}.{backbone}.{part}.{scatteritem}.log",
        counts="<logs>/embed/{dataset}.{backbone}.{part}.{scatteritem}.json",
    benchmark:
        "<benchmarks>/embed/{dataset}.{backbone}.{part}.{scatteritem}.tsv"
    params:
        mode=forward_mode,
        code=code_digest("embed_shard"),
    threads: half_of_the_cores
    priority: 20
    resources:
        gpu=one_gpu,
        mem_mb=scale(8000),
        runtime=scale(120),
    conda:
        "../envs/torch.yaml"
    message:
        "Embedding {wildcards.scatteritem} of {wildcards.dataset} ({wildcards.part}) with {wildcards.backbone}"
    script:
        "../scripts/embed_shard.py"


use rule embed_shard as embed_model_shard with:
    input:
        unpack(with_trained_backbone),
    output:
        done=temp("<results>/features/{dataset}/{model}.seed{seed}/{part}.shards/{scatteritem}.json"),
    log:
        "<logs>/embed/{dataset}.{model}.seed{seed}.{part}.{scatteritem}.log",
        counts="<logs>/embed/{dataset}.{model}.seed{seed}.{part}.{scatteritem}.json",
    benchmark:
        "<benchmarks>/embed/{dataset}.{model}.seed{seed}.{part}.{scatteritem}.tsv"
    priority: 10
    message:
        "Embedding {wildcards.scatteritem} of {wildcards.dataset} ({wildcards.part}) with {wildcards.model}, seed {wildcards.seed}"
