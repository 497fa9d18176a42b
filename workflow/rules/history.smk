rule history:
    """The finished run, added once to the history; asked for only where the config names one."""
    input:
        per_class=rules.summarise.output.per_class,
        summary=rules.summarise.output.summary,
        provenance=rules.provenance.output,
        verdict=rules.verdict.output,
    output:
        f"{AUDIT.root}/stages/history.json",
    log:
        f"{AUDIT.root}/logs/history.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/history.tsv"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        config=AUDIT.config_path,
        settings=AUDIT.digest("history"),
    shell:
        "focus-audit record --config {params.config:q} --log {log:q}"
