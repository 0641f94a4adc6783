# Needs: a prepared data set and the backbones that it is to meet. Makes: a page about the data, before any training; and,
# asked for by `make tune`, the numeric modes that are the fastest on this machine.


rule check:
    """Fetch and prepare everything that the config names, and show it: `make check`."""
    input:
        [f"<results>/data/{dataset}/data_card.html" for dataset in used_datasets()],


rule measure_speed:
    """Run a backbone on a few samples of a data set, to estimate what all of them will cost."""
    input:
        unpack(with_backbone),
    output:
        measured="<benchmarks>/speed/{dataset}.{backbone}.json",
    log:
        "<logs>/measure_speed/{dataset}.{backbone}.log",
    params:
        mode=forward_mode,
        code=code_digest("measure_speed"),
    threads: half_of_the_cores
    resources:
        gpu=one_gpu,
        mem_mb=scale(8000),
        runtime=scale(30),
    conda:
        "../envs/torch.yaml"
    message:
        "Measuring {wildcards.backbone} on a few samples of {wildcards.dataset}"
    script:
        "../scripts/measure_speed.py"


rule measure_lengths:
    """Count the texts that are longer than a backbone reads, and those with tokens that its vocabulary lacks."""
    input:
        unpack(with_backbone),
        pool="<results>/data/{dataset}/pool.digest",
    output:
        lengths="<results>/data/{dataset}/{backbone}.lengths.json",
    log:
        "<logs>/measure_lengths/{dataset}.{backbone}.log",
    benchmark:
        "<benchmarks>/measure_lengths/{dataset}.{backbone}.tsv"
    params:
        code=code_digest("measure_lengths"),
    threads: 1
    resources:
        mem_mb=scale(4000),
        runtime=scale(60),
    conda:
        "../envs/torch.yaml"
    message:
        "Counting the tokens of {wildcards.dataset} for {wildcards.backbone}"
    script:
        "../scripts/measure_lengths.py"


rule check_data:
    """Show a data set before anything is trained on it: samples, splits, trouble, and what the models will cost."""
    input:
        unpack(check_inputs),
    output:
        page="<results>/data/{dataset}/data_card.html",
    log:
        "<logs>/check_data/{dataset}.log",
        words="<benchmarks>/check_data/{dataset}.txt",  # what is unusual, said at the end of `make check`
    benchmark:
        "<benchmarks>/check_data/{dataset}.tsv"
    params:
        models=models_on,
        code=code_digest("check_data"),
    threads: 2
    resources:
        mem_mb=scale(4000),
        runtime=scale(30),
    conda:
        "../envs/report.yaml"
    message:
        "Looking at data set {wildcards.dataset}"
    script:
        "../scripts/check_data.py"


rule tune:
    """Time the numeric modes of every backbone that the config uses: `make tune`."""
    input:
        tuned_modes(),


rule tune_backbone:
    """Time a few batches of a backbone in every numeric mode."""
    input:
        unpack(with_backbone),
    output:
        modes="<benchmarks>/tune/{dataset}.{backbone}.json",
    log:
        "<logs>/tune/{dataset}.{backbone}.log",
    params:
        code=code_digest("tune"),
    threads: all_cores
    resources:
        gpu=one_gpu,
        mem_mb=scale(12000),
        runtime=scale(60),
    conda:
        "../envs/torch.yaml"
    message:
        "Timing {wildcards.backbone} on {wildcards.dataset} in every numeric mode"
    script:
        "../scripts/tune.py"


rule label:
    """A page for each pool and target, on which its rows are labelled: `make label`."""
    input:
        label_pages,


rule show_pool:
    """Make the page on which the rows of a pool are labelled, in the order of to_label.csv."""
    input:
        unpack(label_page_inputs),
    output:
        page="<results>/label/{dataset}/{target}.html",
    log:
        "<logs>/show_pool/{dataset}.{target}.log",
    benchmark:
        "<benchmarks>/show_pool/{dataset}.{target}.tsv"
    params:
        code=code_digest("show_pool"),
    threads: 2
    resources:
        mem_mb=scale(4000),
        runtime=scale(60),
    conda:
        "../envs/report.yaml"
    message:
        "Making the page on which {wildcards.dataset} is labelled, {wildcards.target}"
    script:
        "../scripts/show_pool.py"
