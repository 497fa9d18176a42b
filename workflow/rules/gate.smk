rule verdict:
    """The policy held against the tables. It never fails: the verb `gate` makes the exit code."""
    input:
        per_class=rules.summarise.output.per_class,
        summary=rules.summarise.output.summary,
        provenance=rules.provenance.output,
    output:
        f"{AUDIT.root}/verdict.json",
    log:
        f"{AUDIT.root}/logs/verdict.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/verdict.tsv"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest("gate"),
        baseline=AUDIT.baseline_digest(),
    shell:
        "focus-audit verdict --config {params.config:q} --log {log:q}"
