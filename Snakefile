"""Focus Audit: from a trained classifier and boxed images to flagged classes.

Run with `focus-audit run CONFIG`, or with `snakemake --configfile CONFIG --cores N`, which does the
same. One rule is one verb of `focus-audit`; rules/common.smk resolves the config.
"""

from snakemake.utils import min_version

min_version("9.25")


# Jobs need the installed package and nothing else; used only with `--sdm apptainer`, where the image
# has to bring the package.
container: "docker://python:3.11-slim"


include: "workflow/rules/common.smk"
include: "workflow/rules/index.smk"
include: "workflow/rules/explain.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/confirm.smk"
include: "workflow/rules/sanity.smk"
include: "workflow/rules/summarise.smk"
include: "workflow/rules/gate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/history.smk"


onstart:
    # Not a rule: a job that waits for another one behind ancient() is not asked whether its own
    # params changed, so a rewritten config would leave stale results behind.
    start_audit()


rule all:
    """The tables, the pictures, how they came about, the verdict, and the page that shows all."""
    default_target: True
    input:
        AUDIT.tables,
        f"{AUDIT.root}/overlays/index.csv",
        f"{AUDIT.root}/confirmation/index.csv",
        f"{AUDIT.root}/provenance.json",
        f"{AUDIT.root}/verdict.json",
        f"{AUDIT.root}/report.html",
        AUDIT.history(),
