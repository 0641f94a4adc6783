# Needs: histories, predictions, metrics, few-shot results. Makes: the report's figures and one table of all results.


rule summarize:
    """Gather the results of all models and tasks in one table."""
    input:
        unpack(summary_inputs),
    output:
        table=report(
            "<results>/summary.csv",
            caption="captions/summary.rst",
            category="Summary",
            labels={"table": "all results"},
        ),
    log:
        "<logs>/summarize.log",
    benchmark:
        "<benchmarks>/summarize.tsv"
    params:
        tasks=task_settings,
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


rule plot_learning_curves:
    """Draw how a training went."""
    input:
        unpack(figure_inputs),
    output:
        figure=report(
            "<results>/figures/{stage}/{model}/seed{seed}/learning_curves.svg",
            caption="captions/learning_curves.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "training history"},
        ),
    log:
        "<logs>/plot_learning_curves/{stage}.{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/plot_learning_curves/{stage}.{model}.seed{seed}.tsv"
    params:
        code=code_digest("plot_learning_curves"),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Drawing the training history of {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/plot_learning_curves.py"


rule plot_confusion:
    """Draw which classes a model takes for which."""
    input:
        unpack(figure_inputs),
    output:
        figure=report(
            "<results>/figures/{stage}/{model}/seed{seed}/confusion.svg",
            caption="captions/confusion.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "confusion of classes"},
        ),
    log:
        "<logs>/plot_confusion/{stage}.{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/plot_confusion/{stage}.{model}.seed{seed}.tsv"
    params:
        code=code_digest("plot_confusion"),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Drawing the confusion matrix of {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/plot_confusion.py"


rule plot_reliability:
    """Draw how far a model's confidence can be trusted."""
    input:
        unpack(figure_inputs),
    output:
        figure=report(
            "<results>/figures/{stage}/{model}/seed{seed}/reliability.svg",
            caption="captions/reliability.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "reliability of confidence"},
        ),
    log:
        "<logs>/plot_reliability/{stage}.{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/plot_reliability/{stage}.{model}.seed{seed}.tsv"
    params:
        code=code_digest("plot_reliability"),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Drawing the reliability of {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/plot_reliability.py"


rule plot_regression:
    """Draw predicted against measured values."""
    input:
        unpack(figure_inputs),
    output:
        figure=report(
            "<results>/figures/{stage}/{model}/seed{seed}/regression.svg",
            caption="captions/regression.rst",
            category="Models",
            subcategory="{model}",
            labels={"seed": "{seed}", "figure": "predicted and measured"},
        ),
    log:
        "<logs>/plot_regression/{stage}.{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/plot_regression/{stage}.{model}.seed{seed}.tsv"
    params:
        code=code_digest("plot_regression"),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Drawing the predictions of {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/plot_regression.py"


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
