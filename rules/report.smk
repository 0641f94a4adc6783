# Needs: histories, predictions, metrics, few-shot results. Makes: the report's figures and one table of all results.


rule measure_nearness:
    """Measure how near validation, test and pool rows lie to the train rows, by embeddings that are there already."""
    input:
        unpack(nearness_inputs),
    output:
        nearness="<results>/data/{dataset}/nearness.json",
    log:
        "<logs>/measure_nearness/{dataset}.log",
    benchmark:
        "<benchmarks>/measure_nearness/{dataset}.tsv"
    params:
        backbone=lambda wildcards: embeddings_to_look_at(wildcards.dataset)[0],
        code=code_digest("measure_nearness"),
    threads: 2
    resources:
        mem_mb=scale(4000),
        runtime=scale(60),
    conda:
        "../envs/report.yaml"
    message:
        "Measuring how near the splits of {wildcards.dataset} lie to its train rows"
    script:
        "../scripts/measure_nearness.py"


rule summarize:
    """Gather the results of all models and tasks in one table."""
    input:
        unpack(summary_inputs),
    output:
        table=report(
            "<results>/summary.csv",
            caption="captions/summary.rst",
            category="Summary",
            labels={"result": "all results"},
        ),
        index="<results>/index.html",
    log:
        "<logs>/summarize.log",
        words="<benchmarks>/last_words.txt",  # as the run ends on the terminal, with what it cost
    benchmark:
        "<benchmarks>/summarize.tsv"
    params:
        tasks=task_settings,
        runs=jobs_of_runs,
        code=code_digest("summarize"),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/torch.yaml"
    message:
        "Summarising all results"
    script:
        "../scripts/summarize.py"


use rule check_data as show_data with:
    # Once more when the run is over: what the models cost is known then, and how near the splits lie to the train rows.
    input:
        unpack(data_page_inputs),
    output:
        page=report(
            "<results>/figures/data/{dataset}.html",
            caption="captions/data.rst",
            category="Data",
            labels={"data set": "{dataset}", "figure": "samples, splits, trouble"},
        ),
    log:
        "<logs>/show_data/{dataset}.log",
    benchmark:
        "<benchmarks>/show_data/{dataset}.tsv"
    message:
        "Showing data set {wildcards.dataset}"


rule plot_costs:
    """Draw what each trained model cost beside how good it is."""
    input:
        unpack(costs_inputs),
    output:
        figure=report(
            "<results>/figures/costs.svg",
            caption="captions/costs.rst",
            category="Summary",
            labels={"result": "cost and quality"},
        ),
    log:
        "<logs>/plot_costs.log",
        costs="<benchmarks>/costs.csv",  # durations belong beside the benchmark files that they are read from
    benchmark:
        "<benchmarks>/plot_costs.tsv"
    params:
        runs=jobs_of_runs,
        code=code_digest("plot_costs"),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Drawing what the models cost"
    script:
        "../scripts/plot_costs.py"


rule plot_classes:
    """Draw how many labelled samples each class has in each split."""
    input:
        unpack(prepared),
    output:
        figure=report(
            "<results>/figures/data/{dataset}.svg",
            caption="captions/classes.rst",
            category="Data",
            labels={"data set": "{dataset}", "figure": "labelled samples"},
        ),
    log:
        "<logs>/plot_classes/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_classes/{dataset}.tsv"
    params:
        code=code_digest("plot_classes"),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Drawing the classes of {wildcards.dataset}"
    script:
        "../scripts/plot_classes.py"


rule plot_classifier:
    """Draw what a trained classifier has learnt: its training, confusions, classes, calibration, mistakes."""
    input:
        unpack(figure_inputs),
    output:
        learning_curves=report(
            "<results>/figures/{stage}/{model}/seed{seed}/learning_curves.svg",
            caption="captions/learning_curves.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "training history"},
        ),
        confusion=report(
            "<results>/figures/{stage}/{model}/seed{seed}/confusion.svg",
            caption="captions/confusion.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "confusion of classes"},
        ),
        per_class=report(
            "<results>/figures/{stage}/{model}/seed{seed}/per_class.svg",
            caption="captions/per_class.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "quality per class"},
        ),
        reliability=report(
            "<results>/figures/{stage}/{model}/seed{seed}/reliability.svg",
            caption="captions/reliability.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "reliability of confidence"},
        ),
        mistakes=report(
            "<results>/figures/{stage}/{model}/seed{seed}/mistakes.html",
            caption="captions/mistakes.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "most confident mistakes"},
        ),
    log:
        "<logs>/plot_classifier/{stage}.{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/plot_classifier/{stage}.{model}.seed{seed}.tsv"
    params:
        data_set=dataset_of,
        code=code_digest("plot_classifier"),
    wildcard_constraints:
        model=one_of(models_that_predict("classification")),
    threads: 1
    resources:
        mem_mb=scale(4000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Drawing {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/plot_classifier.py"


rule plot_regressor:
    """Draw what a model of a measured value has learnt: its training, predictions, error bars, largest errors."""
    input:
        unpack(figure_inputs),
    output:
        learning_curves=report(
            "<results>/figures/{stage}/{model}/seed{seed}/learning_curves.svg",
            caption="captions/learning_curves.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "training history"},
        ),
        regression=report(
            "<results>/figures/{stage}/{model}/seed{seed}/regression.svg",
            caption="captions/regression.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "predicted and measured"},
        ),
        mistakes=report(
            "<results>/figures/{stage}/{model}/seed{seed}/mistakes.html",
            caption="captions/errors.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "largest errors"},
        ),
    log:
        "<logs>/plot_regressor/{stage}.{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/plot_regressor/{stage}.{model}.seed{seed}.tsv"
    params:
        data_set=dataset_of,
        code=code_digest("plot_regressor"),
    wildcard_constraints:
        model=one_of(models_that_predict("regression")),
    threads: 1
    resources:
        mem_mb=scale(4000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Drawing {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/plot_regressor.py"


rule plot_groups:
    """Draw how a model does on each group of its data set."""
    input:
        unpack(figure_inputs),
    output:
        figure=report(
            "<results>/figures/{stage}/{model}/seed{seed}/groups.svg",
            caption="captions/groups.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "quality per group"},
        ),
    log:
        "<logs>/plot_groups/{stage}.{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/plot_groups/{stage}.{model}.seed{seed}.tsv"
    params:
        code=code_digest("plot_groups"),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Drawing the groups of {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/plot_groups.py"


rule plot_distillation:
    """Draw a student beside its teacher."""
    input:
        unpack(distillation_figure_inputs),
    output:
        figure=report(
            "<results>/figures/distill/{model}/seed{seed}/distillation.svg",
            caption="captions/distillation.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "student and teacher"},
        ),
    log:
        "<logs>/plot_distillation/{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/plot_distillation/{model}.seed{seed}.tsv"
    params:
        code=code_digest("plot_distillation"),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Drawing {wildcards.model} beside its teacher"
    script:
        "../scripts/plot_distillation.py"


rule plot_few_shot:
    """Draw accuracy against the number of examples, for all tasks of a data set."""
    input:
        unpack(few_shot_figure_inputs),
    output:
        figure=report(
            "<results>/figures/few_shot/{dataset}.svg",
            caption="captions/few_shot.rst",
            category="Few-shot",
            labels={"data set": "{dataset}", "figure": "accuracy and shots"},
        ),
    log:
        "<logs>/plot_few_shot/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_few_shot/{dataset}.tsv"
    params:
        code=code_digest("plot_few_shot"),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Drawing the few-shot accuracy on {wildcards.dataset}"
    script:
        "../scripts/plot_few_shot.py"
