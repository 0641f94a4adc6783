# Needs: histories, predictions, metrics, few-shot and zero-shot results. Makes: the report's figures and one table of all results.


rule measure_nearness:
    """Measure how near validation, test and pool rows are to the train rows, by embeddings that are there already."""
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
        "Measuring how near the splits of {wildcards.dataset} are to its train rows"
    script:
        "../scripts/measure_nearness.py"


rule find_near_duplicates:
    """Find samples that are nearly the same, by their embeddings and by what is in them, and propose groups of them."""
    input:
        unpack(near_duplicates_inputs),
    output:
        pairs="<results>/data/{dataset}/near_duplicates.csv",
        groups="<results>/data/{dataset}/groups.csv",
    log:
        "<logs>/find_near_duplicates/{dataset}.log",
    benchmark:
        "<benchmarks>/find_near_duplicates/{dataset}.tsv"
    params:
        code=code_digest("find_near_duplicates"),
    threads: 2
    resources:
        mem_mb=scale(4000),
        runtime=scale(60),
    conda:
        "../envs/data.yaml"
    message:
        "Looking for near copies in {wildcards.dataset}"
    script:
        "../scripts/find_near_duplicates.py"


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
        index=report(
            "<results>/index.html",  # the report's first page, which captions/workflow.rst finds by its label
            caption="captions/index.rst",
            category="Summary",
            labels={"result": "which model, and why"},
        ),
    log:
        "<logs>/summarize.log",
        words="<benchmarks>/last_words.txt",  # as the run ends on the terminal, with what it cost
    benchmark:
        "<benchmarks>/summarize.tsv"
    params:
        splits=split_settings,
        tasks=task_settings,
        runs=jobs_of_runs,
        maps=lambda wildcards: all_features(),
        quick=config["quick"],
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
    """Show the data when the run is over: what the models cost is known then, and how near the splits are to train rows."""
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


# An output of the figures below is called like the module that draws it.
rule plot_classes:
    """Draw how many labelled samples each class has in each split."""
    input:
        unpack(prepared),
    output:
        classes=report(
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
        dataset=dataset_of,
        code=code_digest("plot", figure=["classes"]),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Drawing the classes of {wildcards.dataset}"
    script:
        "../scripts/plot.py"


use rule plot_classes as plot_map with:
    """Draw a map of a data set's embeddings: what is alike to a backbone, with classes, splits and mistakes."""
    input:
        unpack(map_inputs),
    output:
        embedding_map=report(
            "<results>/figures/maps/{dataset}/{backbone}.html",
            caption="captions/embedding_map.rst",
            category="Data",
            labels={"data set": "{dataset}", "figure": "map of the embeddings by {backbone}"},
        ),
    log:
        "<logs>/plot_map/{dataset}.{backbone}.log",
    benchmark:
        "<benchmarks>/plot_map/{dataset}.{backbone}.tsv"
    params:
        code=code_digest("plot", figure=["embedding_map"]),
    resources:
        mem_mb=scale(4000),
        runtime=scale(30),
    message:
        "Drawing the map of {wildcards.dataset} by {wildcards.backbone}"


use rule plot_classes as plot_training with:
    """Draw how the training of a model went."""
    input:
        unpack(history_inputs),
    output:
        learning_curves=report(
            "<results>/figures/{stage}/{model}/seed{seed}/learning_curves.svg",
            caption="captions/learning_curves.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "training history"},
        ),
    log:
        "<logs>/plot_training/{stage}.{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/plot_training/{stage}.{model}.seed{seed}.tsv"
    params:
        code=code_digest("plot", figure=["learning_curves"]),
    message:
        "Drawing the training of {wildcards.model}, seed {wildcards.seed}"


use rule plot_classes as plot_classifier with:
    """Draw what a classifier has learned: its confusions, classes, calibration, mistakes."""
    input:
        unpack(mistakes_inputs),
    output:
        confusion=model_figure("confusion.svg", "captions/confusion.rst", "confusion of classes"),
        per_class=model_figure("per_class.svg", "captions/per_class.rst", "quality per class"),
        reliability=model_figure("reliability.svg", "captions/reliability.rst", "reliability of confidence"),
        roc=model_figure("roc.svg", "captions/roc.rst", "ROC and precision-recall"),
        risk_coverage=model_figure("risk_coverage.svg", "captions/risk_coverage.rst", "error of the surest answers"),
        mistakes=model_figure("mistakes.html", "captions/mistakes.rst", "most confident mistakes"),
    log:
        "<logs>/plot_classifier/{stage}.{model}.seed{seed}.{target}.log",
    benchmark:
        "<benchmarks>/plot_classifier/{stage}.{model}.seed{seed}.{target}.tsv"
    params:
        code=code_digest("plot", figure=["confusion", "per_class", "reliability", "roc", "risk_coverage", "mistakes"]),
    resources:
        mem_mb=scale(4000),
        runtime=scale(30),
    message:
        "Drawing {wildcards.target} by {wildcards.model}, seed {wildcards.seed}"


use rule plot_classifier as plot_regressor with:
    """Draw what a regressor has learned: its predictions, error bars, largest errors."""
    output:
        regression=model_figure("regression.svg", "captions/regression.rst", "predicted and measured"),
        errors=model_figure("errors.html", "captions/errors.rst", "largest errors"),
    log:
        "<logs>/plot_regressor/{stage}.{model}.seed{seed}.{target}.log",
    benchmark:
        "<benchmarks>/plot_regressor/{stage}.{model}.seed{seed}.{target}.tsv"
    params:
        code=code_digest("plot", figure=["regression", "errors"]),


use rule plot_classes as plot_labels with:
    """Draw how well each of several labels is found."""
    input:
        unpack(figure_inputs),
    output:
        labels=model_figure("labels.svg", "captions/labels.rst", "quality per label"),
    log:
        "<logs>/plot_labels/{stage}.{model}.seed{seed}.{target}.log",
    benchmark:
        "<benchmarks>/plot_labels/{stage}.{model}.seed{seed}.{target}.tsv"
    params:
        code=code_digest("plot", figure=["labels"]),
    message:
        "Drawing the labels of {wildcards.target} by {wildcards.model}, seed {wildcards.seed}"


use rule plot_classes as plot_groups with:
    """Draw how a model does on each group of its data set."""
    input:
        unpack(figure_inputs),
    output:
        groups=model_figure("groups.svg", "captions/groups.rst", "quality per group"),
    log:
        "<logs>/plot_groups/{stage}.{model}.seed{seed}.{target}.log",
    benchmark:
        "<benchmarks>/plot_groups/{stage}.{model}.seed{seed}.{target}.tsv"
    params:
        code=code_digest("plot", figure=["groups"]),
    message:
        "Drawing the groups of {wildcards.model}, seed {wildcards.seed}"


use rule plot_classes as plot_distillation with:
    """Draw a student beside its teacher."""
    input:
        unpack(distillation_figure_inputs),
    output:
        distillation=model_figure("distillation.svg", "captions/distillation.rst", "student and teacher"),
    log:
        "<logs>/plot_distillation/{stage}.{model}.seed{seed}.{target}.log",
    benchmark:
        "<benchmarks>/plot_distillation/{stage}.{model}.seed{seed}.{target}.tsv"
    params:
        code=code_digest("plot", figure=["distillation"]),
    message:
        "Drawing {wildcards.model} beside its teacher"


use rule plot_classes as plot_curves with:
    """Draw how a data set is learned better with more labels."""
    input:
        unpack(curves_figure_inputs),
    output:
        curves=report(
            "<results>/figures/curves/{dataset}.svg",
            caption="captions/curves.rst",
            category="Data",
            labels={"data set": "{dataset}", "figure": "more labels"},
        ),
    log:
        "<logs>/plot_curves/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_curves/{dataset}.tsv"
    params:
        code=code_digest("plot", figure=["curves"]),
    message:
        "Drawing the learning curves of {wildcards.dataset}"


use rule plot_classes as plot_few_shot with:
    """Draw accuracy against the number of examples, none for zero-shot, for all tasks of a data set."""
    input:
        unpack(few_shot_figure_inputs),
    output:
        few_shot=report(
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
        code=code_digest("plot", figure=["few_shot"]),
    message:
        "Drawing the few-shot accuracy on {wildcards.dataset}"
