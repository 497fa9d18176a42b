rule sanity:
    """Whether the explanation changes with the weights, and is fit to judge by."""
    input:
        manifest=rules.index.output.manifest,
        model=rules.inspect.output,
        predictions=rules.judge.output.parquet,
        classes=rules.judge.output.classes,
    output:
        f"{AUDIT.root}/stages/sanity/fitness.json",
    log:
        f"{AUDIT.root}/logs/sanity.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/sanity.tsv"
    # One model at a time: it takes all cores by itself.
    threads: workflow.cores
    resources:
        mem_mb=6000,
        runtime=720,
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest(
            "audit.seed", "sanity", "model", "explain", "dataset", "run.batch_size"
        ),
        model=AUDIT.model_digest(),
    shell:
        "focus-audit sanity --config {params.config:q} --log {log:q}"
