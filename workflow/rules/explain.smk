rule explain:
    """One shard through the model: predictions and heatmaps on the layer's own grid, in one pass."""
    input:
        manifest=ancient(rules.index.output.manifest),
        model=rules.inspect.output,
    output:
        records=f"{AUDIT.root}/stages/explain/{{shard}}.records.parquet",
        images=f"{AUDIT.root}/stages/explain/{{shard}}.images.parquet",
    log:
        f"{AUDIT.root}/logs/explain/{{shard}}.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/explain/{{shard}}.tsv"
    # One model at a time: it takes all cores by itself.
    threads: workflow.cores
    resources:
        mem_mb=growing(6000),
        runtime=growing(240),
        gpu=a_gpu,
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest("model", "explain", "targets", "dataset", *RUN_OF_MODEL),
        model=AUDIT.model_digest(),
        mapping=mapping,
    shell:
        "focus-audit explain --config {params.config:q} --shard {wildcards.shard} --log {log:q}"
