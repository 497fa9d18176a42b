"""Focus Audit: from a trained classifier and boxed images to flagged classes.

Run with `focus-audit run CONFIG`, or with `snakemake --configfile CONFIG --cores N`, which does the
same. One rule is one verb of `focus-audit`; rules/common.smk resolves the config.
"""

from snakemake.utils import min_version

min_version("9.25")


include: "workflow/rules/common.smk"


# Jobs of this workflow need the installed package and nothing else; a cluster brings its own image.
container: AUDIT.container


include: "workflow/rules/index.smk"
include: "workflow/rules/explain.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/summarise.smk"


rule all:
    """The tables, the pictures and the record of how they came about."""
    default_target: True
    input:
        AUDIT.tables,
        f"{AUDIT.root}/overlays/index.csv",
        f"{AUDIT.root}/provenance.json",
