# Needs: labelled embeddings of a backbone or of a fine-tuned model. Makes: few-shot predictions and their accuracy.


rule few_shot:
    """Classify from a few examples, in many episodes."""
    input:
        unpack(few_shot_inputs),
    output:
        predictions="<results>/few_shot/{task}/few_shot_predictions.csv",
        episodes="<results>/few_shot/{task}/episodes.parquet",
        metrics="<results>/few_shot/{task}/metrics.json",
        validation="<results>/few_shot/{task}/validation.parquet",
    log:
        "<logs>/few_shot/{task}.log",
    benchmark:
        "<benchmarks>/few_shot/{task}.tsv"
    params:
        settings=lambda wildcards: PLAN.tasks[wildcards.task],
        code=code_digest("few_shot"),
    threads: 1  # the products of an episode are small: a second thread gains nothing, and waits where cores are busy
    priority: 30
    resources:
        mem_mb=scale(4000),
        runtime=scale(60),
    conda:
        "../envs/torch.yaml"
    message:
        "Few-shot episodes of {wildcards.task}"
    script:
        "../scripts/few_shot.py"
