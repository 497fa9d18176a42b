rule judge:
    """All shards into tables, and what the heatmaps say of each class; without the model."""
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
        localisation=report(
            f"{AUDIT.root}/localisation.csv",
            caption="../report/localisation.rst",
            category="Tables",
            labels={"table": "localisation"},
        ),
        strata=report(
            f"{AUDIT.root}/strata.csv",
            caption="../report/strata.rst",
            category="Tables",
            labels={"table": "strata"},
        ),
        ambiguity=report(
            f"{AUDIT.root}/ambiguity.csv",
            caption="../report/ambiguity.rst",
            category="Tables",
            labels={"table": "ambiguity"},
        ),
        sensitivity=report(
            f"{AUDIT.root}/sensitivity.csv",
            caption="../report/sensitivity.rst",
            category="Tables",
            labels={"table": "sensitivity"},
        ),
        heatmap_boxes=f"{AUDIT.root}/heatmap_boxes.json",
        heatmap_boxes_gt=f"{AUDIT.root}/heatmap_boxes_gt.json",
        classes=f"{AUDIT.root}/stages/judge/classes.parquet",
        counts=f"{AUDIT.root}/stages/judge/counts.json",
    log:
        f"{AUDIT.root}/logs/judge.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/judge.tsv"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest(
            "audit.seed", "flags", "heatmap", "report", "sensitivity", "strata", "dataset.metadata"
        ),
        labels=AUDIT.labels_digest(),
    shell:
        "focus-audit judge --config {params.config:q} --log {log:q}"
