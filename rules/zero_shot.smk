# Needs: embeddings by a backbone, or the samples themselves, and descriptions of the classes. Makes: zero-shot predictions.


rule zero_shot:
    """Classify by descriptions of the classes, without labels."""
    input:
        unpack(zero_shot_inputs),
    output:
        predictions="<results>/zero_shot/{task}/zero_shot_predictions.csv",
        metrics="<results>/zero_shot/{task}/metrics.json",
    log:
        "<logs>/zero_shot/{task}.log",
    benchmark:
        "<benchmarks>/zero_shot/{task}.tsv"
    params:
        settings=lambda wildcards: PLAN.tasks[wildcards.task],
        mode=forward_mode,
        code=code_digest("zero_shot", library=libraries_of_task),
    threads: half_of_the_cores
    priority: 30
    resources:
        gpu=gpus_of_zero_shot,
        mem_mb=scale(8000),
        runtime=scale(120),
    conda:
        "../envs/torch.yaml"
    message:
        "Zero-shot classes of {wildcards.task}"
    script:
        "../scripts/zero_shot.py"
