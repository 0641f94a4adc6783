# Needs: labelled rows and embeddings by several backbones. Makes: for entries of finetune with `search`, the trials that their
# minutes pay for, a table of these, and the settings that are taken.


rule plan_search:
    """Write down the trials of a search; a later run keeps them."""
    input:
        unpack(plan_inputs),
    output:
        plan=update("<results>/search/{search}/plan.json"),
    log:
        "<logs>/plan_search/{search}.log",
    benchmark:
        "<benchmarks>/plan_search/{search}.tsv"
    localrule: True
    params:
        plan=plan_of,
        code=code_digest("plan_search"),
    threads: 1
    priority: 40
    resources:
        mem_mb=scale(1000),
        runtime=scale(10),
    conda:
        "../envs/torch.yaml"
    message:
        "Planning the search {wildcards.search}"
    script:
        "../scripts/plan_search.py"


rule try_settings:
    """Train one trial of a search. Its settings are planned, or those of a place of the rung before."""
    input:
        unpack(trial_inputs),
    output:
        trial="<results>/search/{search}/rung{rung}/{place}/trial.json",
        predictions="<results>/search/{search}/rung{rung}/{place}/validation.parquet",
    log:
        "<logs>/try_settings/{search}.rung{rung}.{place}.log",
    benchmark:
        "<benchmarks>/try_settings/{search}.rung{rung}.{place}.tsv"
    params:
        settings=model_settings,
        seed=lambda wildcards: model_of(wildcards)["seeds"][0],
        trial=trial_of,
        names=names_tried,
        mode=training_mode,
        code=code_digest("try_settings"),
    wildcard_constraints:
        rung="[1-9]",
    threads: half_of_the_cores
    priority: 10
    resources:
        gpu=gpus_per_job,
        mem_mb=scale(12000),
        runtime=scale(240),
    conda:
        "../envs/torch.yaml"
    message:
        "Trying settings for {wildcards.search}, rung {wildcards.rung}, place {wildcards.place}"
    script:
        "../scripts/try_settings.py"


use rule try_settings as probe_backbone with:
    """Fit a head on embeddings that are there, to see which backbones to train."""
    wildcard_constraints:
        rung="0",
    threads: 1
    priority: 30
    resources:
        gpu=0,
        mem_mb=by_input(2000, 6),
        runtime=scale(30),


rule choose_settings:
    """Take the best settings of a search, by validation rows alone."""
    input:
        unpack(choice_inputs),
    output:
        trials=report(
            "<results>/search/{search}/trials.csv",
            caption="captions/search.rst",
            category="Search",
            labels={"entry": "{search}", "result": "what was tried"},
        ),
        chosen="<results>/search/{search}/chosen.json",
        backbone="<resources>/backbones/best-of-{search}/backbone.json",
    log:
        "<logs>/choose_settings/{search}.log",
    benchmark:
        "<benchmarks>/choose_settings/{search}.tsv"
    params:
        target=lambda wildcards: model_of(wildcards)["targets"][0],
        methods=lambda wildcards: model_of(wildcards)["search"]["method"],
        names=names_tried,
        entry=lambda wildcards: PLAN.backbones[model_of(wildcards)["backbone"]],
        code=code_digest("choose_settings", source=[]),  # what is copied is here
    wildcard_constraints:
        search=one_of(searches()),
    threads: 1
    priority: 20
    resources:
        mem_mb=scale(4000),
        runtime=scale(30),
    conda:
        "../envs/torch.yaml"
    message:
        "Choosing the settings of {wildcards.search}"
    script:
        "../scripts/choose_settings.py"
