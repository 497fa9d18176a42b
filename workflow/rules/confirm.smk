rule confirm:
    """What the model answers when the object, or its background, is taken away."""
    input:
        manifest=rules.index.output.manifest,
        model=rules.inspect.output,
        predictions=rules.judge.output.parquet,
        classes=rules.judge.output.classes,
    output:
        classes=f"{AUDIT.root}/stages/confirm/classes.json",
        records=f"{AUDIT.root}/stages/confirm/records.parquet",
        table=report(
            f"{AUDIT.root}/confirmation.csv",
            caption="../report/confirmation.rst",
            category="Tables",
            labels={"table": "confirmation"},
        ),
        index=f"{AUDIT.root}/confirmation/index.csv",
    log:
        f"{AUDIT.root}/logs/confirm.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/confirm.tsv"
    # One model at a time: it takes all cores by itself.
    threads: workflow.cores
    resources:
        mem_mb=growing(6000),
        runtime=growing(720),
        gpu=a_gpu,
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest("audit.seed", "confirm", "model", "dataset", *RUN_OF_MODEL),
        model=AUDIT.model_digest(),
    shell:
        "focus-audit confirm --config {params.config:q} --log {log:q}"
