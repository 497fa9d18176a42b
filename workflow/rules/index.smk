checkpoint index:
    """Read annotations and image headers; cut the data set into shards; list what is left out."""
    input:
        config=ancient(rules.settings.output),
    output:
        manifest=f"{AUDIT.root}/stages/index/manifest.json",
    log:
        f"{AUDIT.root}/logs/index.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/index.tsv"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=AUDIT.digest("dataset", "run.shard_size"),
        data=AUDIT.data_listing(),
    shell:
        "focus-audit index --config {input.config:q} --log {log:q}"


rule inspect:
    """Load the model once: input, outputs, layer, class mapping. A fault is told before any shard."""
    input:
        config=ancient(rules.settings.output),
        manifest=ancient(rules.index.output.manifest),
    output:
        f"{AUDIT.root}/stages/model.json",
    log:
        f"{AUDIT.root}/logs/inspect.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/inspect.tsv"
    threads: workflow.cores
    resources:
        mem_mb=6000,
        runtime=30,
    params:
        settings=AUDIT.digest("model", "explain", "targets", "dataset", "run.batch_size"),
        data=AUDIT.data_listing(),
        model=AUDIT.model_digest(),
    shell:
        "focus-audit inspect --config {input.config:q} --log {log:q}"
