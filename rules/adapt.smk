# Needs: labelled rows of one domain and rows of another, which need no label; a backbone. Makes: one model for the other
# domain per model and seed, what validators say of it, and a table that compares the models of an entry.


rule adapt:
    """Train a network on a source's labels for a target domain."""
    input:
        unpack(adapt_inputs),
    output:
        model="<results>/adapt/{model}/seed{seed}/ft_model.pt",
        history="<results>/adapt/{model}/seed{seed}/ft_history.csv",
        scores="<results>/adapt/{model}/seed{seed}/validators.json",
    log:
        "<logs>/adapt/{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/adapt/{model}.seed{seed}.tsv"
    params:
        settings=model_settings,
        mode=training_mode,
        code=code_digest("adapt"),
    wildcard_constraints:
        model=one_of(trained_networks()),
    threads: half_of_the_cores
    priority: 10
    resources:
        gpu=one_gpu,
        mem_mb=scale(12000),
        runtime=scale(240),
    conda:
        "../envs/torch.yaml"
    message:
        "Adapting {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/adapt.py"


use rule adapt as adapt_head with:
    """Fit a head on embeddings of both domains that are there: a short job that needs no GPU."""
    wildcard_constraints:
        model=one_of(frozen_networks()),
    threads: 1
    priority: 30
    resources:
        gpu=0,
        mem_mb=by_input(2000, 6),
        runtime=scale(30),


rule rank_adapted:
    """Rank the models of an entry by a validator; those that do not adapt, and the target's labels, are beside it."""
    input:
        unpack(ranking_inputs),
    output:
        table="<results>/adapt/{entry}.csv",
        choice="<results>/adapt/{entry}.json",
    log:
        "<logs>/rank_adapted/{entry}.log",
    benchmark:
        "<benchmarks>/rank_adapted/{entry}.tsv"
    params:
        validator=lambda wildcards: validator_of(wildcards.entry),
        code=code_digest("rank_adapted"),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/torch.yaml"
    message:
        "Ranking the adapted models of {wildcards.entry}"
    script:
        "../scripts/rank_adapted.py"
