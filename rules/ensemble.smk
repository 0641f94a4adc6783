# Needs: trained models of any stage, and their predictions. Makes: models that combine what these say; no network runs.


rule ensemble:
    """Make one model of several: who its members are, and what their combined answers mean."""
    input:
        unpack(ensemble_inputs),
    output:
        model="<results>/ensemble/{model}/seed{seed}/ft_model.pt",
    log:
        "<logs>/ensemble/{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/ensemble/{model}.seed{seed}.tsv"
    params:
        settings=model_settings,
        code=code_digest("ensemble"),
    threads: 1
    priority: 30
    resources:
        mem_mb=scale(4000),
        runtime=scale(30),
    conda:
        "../envs/torch.yaml"
    message:
        "Making the ensemble {wildcards.model}"
    script:
        "../scripts/ensemble.py"


rule combine:
    """Combine what the members of an ensemble predict of every sample, the pool too."""
    input:
        unpack(combination_inputs),
    output:
        predictions="<results>/ensemble/{model}/seed{seed}/{target}/predictions.parquet",
        metrics="<results>/ensemble/{model}/seed{seed}/{target}/metrics.json",
        conformal="<results>/ensemble/{model}/seed{seed}/{target}/conformal.json",
    log:
        "<logs>/combine/{model}.seed{seed}.{target}.log",
    benchmark:
        "<benchmarks>/combine/{model}.seed{seed}.{target}.tsv"
    params:
        conformal=conformal_settings,
        code=code_digest("combine"),
    threads: 1
    priority: 30
    resources:
        mem_mb=scale(4000),
        runtime=scale(60),
    conda:
        "../envs/torch.yaml"
    message:
        "Combining what the members of {wildcards.model} predict of {wildcards.target}"
    script:
        "../scripts/combine.py"
