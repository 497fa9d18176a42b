rule settings:
    """The config as the stages read it: checked, defaults written out, paths absolute."""
    output:
        f"{AUDIT.root}/stages/config.json",
    log:
        f"{AUDIT.root}/logs/settings.log",
    benchmark:
        f"{AUDIT.root}/benchmarks/settings.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        files=AUDIT.files,
        overrides=AUDIT.overrides,
        settings=AUDIT.digest(),
    shell:
        "focus-audit settings --configfile {params.files:q} --set {params.overrides:q}"
        " --output {output:q} --log {log:q}"
