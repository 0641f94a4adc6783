# Needs: a trained model of any stage and the embeddings by its backbone; new data. Makes: prediction tables and metrics.


rule predict:
    """Predict every sample of the model's data set, the pool too; no network is run here."""
    input:
        unpack(prediction_inputs),
    output:
        predictions="<results>/{stage}/{model}/seed{seed}/{target}/predictions.parquet",
        metrics="<results>/{stage}/{model}/seed{seed}/{target}/metrics.json",
        conformal="<results>/{stage}/{model}/seed{seed}/{target}/conformal.json",
    log:
        "<logs>/predict/{stage}.{model}.seed{seed}.{target}.log",
    benchmark:
        "<benchmarks>/predict/{stage}.{model}.seed{seed}.{target}.tsv"
    params:
        conformal=conformal_settings,
        code=code_digest("predict"),
    wildcard_constraints:
        model=one_of(networks()),
    threads: 1
    priority: 30
    resources:
        mem_mb=scale(4000),
        runtime=scale(60),
    conda:
        "../envs/torch.yaml"
    message:
        "Predicting {wildcards.target} with {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/predict.py"


rule predict_files:
    """Predict new data without labels, and say which differ from the training data.

    A lab's own rule takes other data, or a model that another run trained: `use rule predict_files from graft as
    predict_plate with:` input `data` and `model` (an ft_model.pt in its results folder; `samples`, `features`,
    `backbone` and `sets`, the conformal.json of each target, are looked for beside it: name those that the same run writes,
    else the rule may start before them), output `table` (.csv or .parquet), log and benchmark. The tables of further targets
    are beside it, with the target's name.
    """
    input:
        unpack(new_data_inputs),
    output:
        table="<results>/predict/{new}.csv",
    log:
        "<logs>/predict_files/{new}.log",
    benchmark:
        "<benchmarks>/predict_files/{new}.tsv"
    params:
        column=column_of_new,
        data=new_data_fingerprint,
        mode=forward_mode,
        code=code_digest("predict_files", reader=no_readers, library=libraries_of_new, preprocessing=steps_of_new),
    threads: half_of_the_cores
    resources:
        gpu=one_gpu,
        mem_mb=scale(8000),
        runtime=scale(120),
    conda:
        "../envs/torch.yaml"
    message:
        "Predicting new data: {input.data}"
    script:
        "../scripts/predict_files.py"
