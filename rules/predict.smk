# Needs: a trained model of any stage and the embeddings by its backbone. Makes: the prediction table and metrics.


rule predict:
    """Predict every sample of the model's data set, the pool too; no network is run here."""
    input:
        unpack(prediction_inputs),
    output:
        predictions="<results>/{stage}/{model}/seed{seed}/predictions.parquet",
        metrics="<results>/{stage}/{model}/seed{seed}/metrics.json",
    log:
        "<logs>/predict/{stage}.{model}.seed{seed}.log",
    benchmark:
        "<benchmarks>/predict/{stage}.{model}.seed{seed}.tsv"
    params:
        code=code_digest("predict"),
    threads: 1
    resources:
        mem_mb=scale(4000),
        runtime=scale(60),
    conda:
        "../envs/torch.yaml"
    message:
        "Predicting with {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/predict.py"
