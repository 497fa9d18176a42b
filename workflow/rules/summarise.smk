rule summarise:
    """All shards into the tables: one row a record, one a class, the flagged ones worst first."""
    input:
        manifest=rules.index.output.manifest,
        model=rules.inspect.output,
        records=shards("{root}/stages/explain/{shard}.records.parquet"),
        images=shards("{root}/stages/explain/{shard}.images.parquet"),
        scores=shards("{root}/stages/score/{shard}.parquet"),
    output:
        predictions=report(
            f"{AUDIT.root}/predictions.csv",
            caption="../report/predictions.rst",
            category="Tables",
            labels={"table": "predictions"},
        ),
        parquet=f"{AUDIT.root}/predictions.parquet",
        per_class=report(
            f"{AUDIT.root}/per_class.csv",
            caption="../report/per_class.rst",
            category="Tables",
            labels={"table": "per class"},
        ),
        flagged=report(
            f"{AUDIT.root}/flagged.csv",
            caption="../report/flagged.rst",
            category="Tables",
            labels={"table": "flagged"},
        ),
        thresholds=report(
            f"{AUDIT.root}/thresholds.csv",
            caption="../report/thresholds.rst",
            category="Tables",
            labels={"table": "thresholds"},
        ),
        excluded=report(
            f"{AUDIT.root}/excluded.csv",
            caption="../report/excluded.rst",
            category="Tables",
            labels={"table": "excluded"},
        ),
        summary=f"{AUDIT.root}/summary.json",
    log:
        f"{AUDIT.root}/logs/summarise.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/summarise.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest("audit.seed", "flags", "heatmap", "report"),
    shell:
        "focus-audit summarise --config {params.config:q} --log {log:q}"


rule overlays:
    """Draw the worst flagged records and a random sample of others."""
    input:
        manifest=rules.index.output.manifest,
        model=rules.inspect.output,
        predictions=rules.summarise.output.parquet,
        flagged=rules.summarise.output.flagged,
    output:
        index=f"{AUDIT.root}/overlays/index.csv",
    log:
        f"{AUDIT.root}/logs/overlays.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/overlays.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest("audit.seed", "report"),
    shell:
        "focus-audit overlays --config {params.config:q} --log {log:q}"


rule provenance:
    """How the tables came about: config, hashes, versions, choices made."""
    input:
        summary=rules.summarise.output.summary,
        model=rules.inspect.output,
    output:
        f"{AUDIT.root}/provenance.json",
    log:
        f"{AUDIT.root}/logs/provenance.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/provenance.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest(),
    shell:
        "focus-audit provenance --config {params.config:q} --log {log:q}"
