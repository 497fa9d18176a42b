rule explain:
    """One shard through the model: predictions and heatmaps on the layer's own grid, in one pass."""
    input:
        config=ancient(rules.settings.output),
        manifest=ancient(rules.index.output.manifest),
        model=ancient(rules.inspect.output[0]),
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
        mem_mb=6000,
        runtime=720,
    params:
        settings=AUDIT.digest("model", "explain", "targets", "dataset", "run.batch_size"),
        model=AUDIT.model_digest(),
    shell:
        "focus-audit explain --config {input.config:q} --shard {wildcards.shard} --log {log:q}"
