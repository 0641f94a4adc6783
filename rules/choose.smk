# Needs: embeddings by pretrained backbones, the samples, predictions. Makes: what helps to choose: which backbone suits the data, what
# is reached without one, which models differ, on which groups of samples they are bad, and what to label next.


rule rank_backbones:
    """Rank the backbones of a data set before anything is trained."""
    input:
        unpack(ranking_of_backbones_inputs),
    output:
        ranking="<results>/rank/{dataset}/transferability.csv",
    log:
        "<logs>/rank_backbones/{dataset}.log",
    benchmark:
        "<benchmarks>/rank_backbones/{dataset}.tsv"
    params:
        targets=targets_learned,
        code=code_digest("rank_backbones"),
    threads: 1
    priority: 30
    resources:
        mem_mb=scale(8000),
        runtime=scale(60),
    conda:
        "../envs/torch.yaml"
    message:
        "Ranking the backbones of {wildcards.dataset}"
    script:
        "../scripts/rank_backbones.py"


rule fit_controls:
    """Judge what is reached on a data set without a pretrained network."""
    input:
        unpack(controls_inputs),
    output:
        table="<results>/controls/{dataset}/{target}.csv",
        predictions="<results>/controls/{dataset}/{target}.parquet",
    log:
        "<logs>/fit_controls/{dataset}.{target}.log",
    benchmark:
        "<benchmarks>/fit_controls/{dataset}.{target}.tsv"
    params:
        controls=controls_used,
        conformal=conformal_settings,
        code=code_digest("fit_controls"),
    threads: half_of_the_cores
    priority: 30
    resources:
        mem_mb=scale(8000),
        runtime=scale(60),
    conda:
        "../envs/torch.yaml"
    message:
        "Fitting the controls of {wildcards.dataset}, {wildcards.target}"
    script:
        "../scripts/fit_controls.py"


rule fit_curves:
    """Measure how the best backbone's linear head, and networks that ask for it, improve with more labels; and extrapolate."""
    input:
        unpack(curves_inputs),
    output:
        table="<results>/curves/{dataset}/{target}.csv",
    log:
        "<logs>/fit_curves/{dataset}.{target}.log",
    benchmark:
        "<benchmarks>/fit_curves/{dataset}.{target}.tsv"
    params:
        code=code_digest("fit_curves"),
    threads: 1
    priority: 30
    resources:
        mem_mb=scale(8000),
        runtime=scale(60),
    conda:
        "../envs/torch.yaml"
    message:
        "Measuring the learning curve of {wildcards.dataset}, {wildcards.target}"
    script:
        "../scripts/fit_curves.py"


rule compare_models:
    """Compare every pair of models and controls of a target."""
    input:
        unpack(pairs_inputs),
    output:
        pairs="<results>/compare/{dataset}/{target}.csv",
        copies="<results>/compare/{dataset}/{target}.near_duplicates.csv",
    log:
        "<logs>/compare_models/{dataset}.{target}.log",
    benchmark:
        "<benchmarks>/compare_models/{dataset}.{target}.tsv"
    params:
        code=code_digest("compare_models"),
    threads: 1
    resources:
        mem_mb=scale(4000),
        runtime=scale(60),
    conda:
        "../envs/data.yaml"
    message:
        "Comparing the models of {wildcards.dataset}, {wildcards.target}"
    script:
        "../scripts/compare_models.py"


rule compare_groups:
    """Judge every model and control of a target on each group of its samples."""
    input:
        unpack(groups_inputs),
    output:
        groups="<results>/groups/{dataset}/{target}.csv",
    log:
        "<logs>/compare_groups/{dataset}.{target}.log",
    benchmark:
        "<benchmarks>/compare_groups/{dataset}.{target}.tsv"
    params:
        code=code_digest("compare_groups"),
    threads: 1
    resources:
        mem_mb=scale(4000),
        runtime=scale(60),
    conda:
        "../envs/torch.yaml"
    message:
        "Comparing the groups of {wildcards.dataset}, {wildcards.target}"
    script:
        "../scripts/compare_groups.py"


rule order_pool:
    """Put the pool's rows in the order in which their labels would teach most."""
    input:
        unpack(pool_inputs),
    output:
        order="<results>/handoff/{dataset}/{target}/to_label.csv",
    log:
        "<logs>/order_pool/{dataset}.{target}.log",
    benchmark:
        "<benchmarks>/order_pool/{dataset}.{target}.tsv"
    params:
        **config["labelling"],
        code=code_digest("order_pool"),
    threads: 1
    resources:
        mem_mb=scale(4000),
        runtime=scale(60),
    conda:
        "../envs/labelling.yaml"
    message:
        "Ordering the pool of {wildcards.dataset}, {wildcards.target}"
    script:
        "../scripts/order_pool.py"
