rule sanity:
    """Whether the explanation changes with the weights, and is fit to judge by."""
    input:
        manifest=rules.index.output.manifest,
        model=rules.inspect.output,
        # Not what was judged of them: a new threshold redraws no weights.
        records=shards("{root}/stages/explain/{shard}.records.parquet"),
    output:
        fitness=f"{AUDIT.root}/stages/sanity/fitness.json",
        table=report(
            f"{AUDIT.root}/sanity.csv",
            caption="../report/sanity.rst",
            category="Tables",
            labels={"table": "sanity"},
        ),
    log:
        f"{AUDIT.root}/logs/sanity.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/sanity.tsv"
    # One model at a time; half of its time goes into starting, on one core, so that what follows from
    # the scores may run beside it.
    threads: max(1, workflow.cores - 1)
    resources:
        mem_mb=growing(6000),
        runtime=growing(720),
        gpu=a_gpu,
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest("audit.seed", "sanity", "model", "explain", "dataset", *RUN_OF_MODEL),
        model=AUDIT.model_digest(),
    shell:
        "focus-audit sanity --config {params.config:q} --log {log:q}"
