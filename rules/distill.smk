# Needs: a trained teacher and a student's backbone. Makes: a small model, and how it compares with its teacher.


rule distill:
    """Train a student on a teacher's probabilities and the labels."""
    input:
        unpack(distill_inputs),
    output:
        model="<results>/distill/{model}/seed{seed}/ft_model.pt",
        history="<results>/distill/{model}/seed{seed}/ft_history.csv",
    log:
        "<logs>/distill/{model}.seed{seed}.log",
        counts="<logs>/distill/{model}.seed{seed}.json",
    benchmark:
        "<benchmarks>/distill/{model}.seed{seed}.tsv"
    params:
        settings=model_settings,
        mode=distilling_mode,
        code=code_digest("distill"),
    threads: half_of_the_cores
    priority: 10
    resources:
        gpu=gpus_per_job,
        mem_mb=scale(12000),
        runtime=scale(240),
    conda:
        "../envs/torch.yaml"
    message:
        "Distilling {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/distill.py"


rule compare:
    """Hold a student against its teacher."""
    input:
        unpack(comparison_inputs),
    output:
        agreement="<results>/distill/{model}/seed{seed}/{target}/agreement.json",
    log:
        "<logs>/compare/{model}.seed{seed}.{target}.log",
    benchmark:
        "<benchmarks>/compare/{model}.seed{seed}.{target}.tsv"
    params:
        code=code_digest("compare"),
    threads: 1
    resources:
        mem_mb=scale(4000),
        runtime=scale(30),
    conda:
        "../envs/torch.yaml"
    message:
        "Comparing {wildcards.model} with its teacher"
    script:
        "../scripts/compare.py"
