# Needs: a fetched data set. Makes: its manifest, labels, card and digests; everything below asks this checkpoint.


checkpoint prepare_data:
    """Read a data set once: who its samples are, which split they are in, what is wrong with them."""
    input:
        dataset="<resources>/datasets/{dataset}/dataset.json",
    output:
        samples="<results>/data/{dataset}/samples.parquet",
        labels="<results>/data/{dataset}/labels.json",
        card="<results>/data/{dataset}/data_card.json",
        labelled="<results>/data/{dataset}/labelled.digest",
        training="<results>/data/{dataset}/training.digest",
        contents="<results>/data/{dataset}/contents.digest",
        pool="<results>/data/{dataset}/pool.digest",
        unlabelled="<results>/data/{dataset}/unlabelled.digest",
        subgroups="<results>/data/{dataset}/subgroups.digest",
        hidden="<results>/data/{dataset}/hidden.parquet",
    log:
        "<logs>/prepare_data/{dataset}.log",
    benchmark:
        "<benchmarks>/prepare_data/{dataset}.tsv"
    params:
        entry=lambda wildcards: PLAN.datasets[wildcards.dataset],
        role=lambda wildcards: role_of(wildcards.dataset, PLAN),
        fingerprint=data_fingerprint,
        code=code_digest("prepare_data", reader=readers_asked),
    threads: 4
    priority: 40
    resources:
        mem_mb=scale(4000),
        runtime=scale(120),
    conda:
        "../envs/data.yaml"
    message:
        "Preparing data set {wildcards.dataset}"
    script:
        "../scripts/prepare_data.py"
