# Needs: the manifest and a backbone. Makes: embeddings, forwarding only samples that the store lacks.


rule embed:
    """Compute the embeddings that the store lacks, and line them up with the manifest."""
    input:
        unpack(with_contents),
        backbone="<resources>/backbones/{backbone}/backbone.json",
    output:
        features="<results>/features/{dataset}/{backbone}/{part}.parquet",
    log:
        "<logs>/embed/{dataset}.{backbone}.{part}.log",
        counts="<logs>/embed/{dataset}.{backbone}.{part}.json",
    benchmark:
        "<benchmarks>/embed/{dataset}.{backbone}.{part}.tsv"
    params:
        mode=forward_mode,
        code=code_digest("embed", library_of),
    threads: half_of_the_cores
    priority: 10
    resources:
        gpu=gpus_per_job,
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
        unpack(with_contents),
        model=lambda wildcards: f"{run_folder(wildcards.model, wildcards.seed)}/ft_model.pt",
        backbone=lambda wildcards: f"<resources>/backbones/{PLAN.models[wildcards.model]['backbone']}/backbone.json",
    output:
        features="<results>/features/{dataset}/{model}.seed{seed}/{part}.parquet",
    log:
        "<logs>/embed/{dataset}.{model}.seed{seed}.{part}.log",
        counts="<logs>/embed/{dataset}.{model}.seed{seed}.{part}.json",
    benchmark:
        "<benchmarks>/embed/{dataset}.{model}.seed{seed}.{part}.tsv"
    message:
        "Embedding {wildcards.dataset} ({wildcards.part}) with {wildcards.model}, seed {wildcards.seed}"
