rule report:
    """The page that a person reads, and its figures."""
    input:
        AUDIT.tables,
        manifest=rules.index.output.manifest,
        model=rules.inspect.output,
        fitness=rules.sanity.output.fitness,
        overlays=rules.overlays.output.index,
        confirmation=rules.confirm.output.index,
        provenance=rules.provenance.output,
        verdict=rules.verdict.output,
    output:
        page=report(
            f"{AUDIT.root}/report.html",
            caption="../report/page.rst",
            category="Report",
            labels={"table": "the whole report"},
        ),
        figures=f"{AUDIT.root}/report.json",
    log:
        f"{AUDIT.root}/logs/report.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/report.tsv"
    threads: 2
    resources:
        mem_mb=growing(1500),
        runtime=growing(30),
    params:
        settings=AUDIT.digest("audit.seed", "report", "gate", "system"),
    shell:
        "focus-audit report $(dirname {output.page:q}) --log {log:q}"
