rule summarise:
    """The final verdict of each class, and the summary."""
    input:
        manifest=rules.index.output.manifest,
        model=rules.inspect.output,
        classes=rules.judge.output.classes,
        counts=rules.judge.output.counts,
        confirmed=rules.confirm.output.classes,
        fitness=rules.sanity.output.fitness,
    output:
        per_class=report(
            f"{AUDIT.root}/per_class.csv",
            caption="../report/per_class.rst",
            category="Tables",
            labels={"table": "per class"},
        ),
        summary=f"{AUDIT.root}/summary.json",
    log:
        f"{AUDIT.root}/logs/summarise.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/summarise.tsv"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest("audit.name", "flags"),
    shell:
        "focus-audit summarise --config {params.config:q} --log {log:q}"


rule overlays:
    """Draw the worst flagged records and a random sample of others."""
    input:
        manifest=rules.index.output.manifest,
        model=rules.inspect.output,
        predictions=rules.judge.output.parquet,
        flagged=rules.judge.output.flagged,
    output:
        index=f"{AUDIT.root}/overlays/index.csv",
    log:
        f"{AUDIT.root}/logs/overlays.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/overlays.tsv"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest("audit.seed", "report"),
    shell:
        "focus-audit overlays --config {params.config:q} --log {log:q}"


rule provenance:
    """How the tables came about: config, hashes, versions, choices made."""
    input:
        predictions=rules.judge.output.parquet,
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
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest(),
    shell:
        "focus-audit provenance --config {params.config:q} --log {log:q}"
