rule inspect:
    """Load the model once and note its input, outputs and layer, before anything waits for them."""
    output:
        f"{AUDIT.root}/stages/model.json",
    log:
        f"{AUDIT.root}/logs/inspect.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/inspect.tsv"
    threads: workflow.cores
    resources:
        mem_mb=growing(6000),
        runtime=growing(30),
        gpu=a_gpu,
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest("model", "explain", *RUN_OF_MODEL),
        model=AUDIT.model_digest(),
    shell:
        "focus-audit inspect --config {params.config:q} --log {log:q}"


checkpoint index:
    """Annotations and image headers into shards; what is left out; which output each class is."""
    input:
        model=rules.inspect.output,
    output:
        manifest=f"{AUDIT.root}/stages/index/manifest.json",
    log:
        f"{AUDIT.root}/logs/index.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/index.tsv"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest("dataset", "targets", "run.shard_size"),
        data=AUDIT.data_listing(),
    shell:
        "focus-audit index --config {params.config:q} --jobs {threads} --log {log:q}"
