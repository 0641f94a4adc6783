# Needs: all results. Makes: runs in an experiment tracker, if the config asks for one.


rule track:
    """Send each model's settings, metrics, history and figures to MLflow, once."""
    input:
        unpack(tracking_inputs),
    output:
        sent="<results>/tracking/mlflow.csv",
    log:
        "<logs>/track.log",
    benchmark:
        "<benchmarks>/track.tsv"
    localrule: True  # where there is a network, and the variables with the user's password
    params:
        asked=tracking_asked,
        server=tracking_server,
        settings=settings_to_track,
        code=code_digest("track"),
    threads: 1
    resources:
        mem_mb=scale(2000),
        runtime=scale(60),
    conda:
        "../envs/tracking.yaml"
    message:
        "Sending what is new to MLflow"
    script:
        "../scripts/track.py"
