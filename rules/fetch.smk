# Needs: the config's sources. Makes: data sets and backbones under resources/, every byte checked.


rule fetch_dataset:
    """Bring a data set here, or note where it is."""
    output:
        "<resources>/datasets/{dataset}/dataset.json",
    log:
        "<logs>/fetch_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/fetch_dataset/{dataset}.tsv"
    localrule: True  # where there is a network; in the rule, since a list of names would not follow an importer's names
    params:
        entry=lambda wildcards: {"source": PLAN.datasets[wildcards.dataset]["source"]},
        code=code_digest("fetch_dataset"),
    threads: 1
    priority: 40
    resources:
        mem_mb=scale(2000),
        runtime=scale(120),
    conda:
        "../envs/torch.yaml"
    message:
        "Fetching data set {wildcards.dataset}"
    script:
        "../scripts/fetch_dataset.py"


rule fetch_backbone:
    """Bring a pretrained backbone here and write it in one format; or make the untrained twin of one."""
    input:
        unpack(base_of_twin),
    output:
        "<resources>/backbones/{backbone}/backbone.json",
    log:
        "<logs>/fetch_backbone/{backbone}.log",
    benchmark:
        "<benchmarks>/fetch_backbone/{backbone}.tsv"
    localrule: True  # where there is a network; in the rule, since a list of names would not follow an importer's names
    params:
        entry=lambda wildcards: PLAN.backbones[wildcards.backbone],
        code=code_digest("fetch_backbone"),
    wildcard_constraints:
        backbone=one_of(name for name in PLAN.backbones if chosen_from(name) == [name]),
    threads: 1
    priority: 40
    resources:
        mem_mb=scale(4000),
        runtime=scale(120),
    conda:
        "../envs/torch.yaml"
    message:
        "Fetching backbone {wildcards.backbone}"
    script:
        "../scripts/fetch_backbone.py"
