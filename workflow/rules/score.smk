rule score:
    """Score one shard's heatmaps against the boxes: no model, no pixels, seconds."""
    input:
        manifest=ancient(rules.index.output.manifest),
        model=rules.inspect.output,
        records=rules.explain.output.records,
    output:
        f"{AUDIT.root}/stages/score/{{shard}}.parquet",
    log:
        f"{AUDIT.root}/logs/score/{{shard}}.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/score/{{shard}}.tsv"
    threads: workflow.cores
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest("heatmap", "metrics", "flags.tolerance", "flags.min_energy_skill"),
        mapping=mapping,
    shell:
        "focus-audit score --config {params.config:q} --shard {wildcards.shard}"
        " --jobs {threads} --log {log:q}"
