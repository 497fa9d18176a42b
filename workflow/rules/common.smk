"""What all rules share: the checked config, the results folder, and what makes results stale."""

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from audit.config.model import RUN_OF_MODEL
from audit.errors import AuditError
from audit.stages.workflow import AuditRun

if not workflow.configfiles:
    raise WorkflowError(
        "no config: add --configfile CONFIG (configs/template.yaml explains each key)"
    )

try:
    AUDIT = AuditRun.load(workflow.configfiles, workflow.config_settings.config)
except AuditError as error:
    raise WorkflowError(str(error)) from None
if not workflow.is_main_process:
    AUDIT.join()

# The same rules as the config model's, in the form that other tools read. Defaults are filled in
# already, and Snakemake's own filling stumbles over a section that is null.
validate(AUDIT.values, "../schemas/config.schema.json", set_default=False)


def start_audit():
    """What has to be there before the first job."""
    try:
        AUDIT.start()
        AUDIT.share()
    except AuditError as error:
        raise WorkflowError(str(error)) from None


wildcard_constraints:
    shard="[0-9a-f]+-[0-9a-f]{16}",


def growing(first):
    """Resource function: `first`, and as much again at each new attempt, where a profile retries."""

    def amount(wildcards, attempt):
        return first * attempt

    return amount


def a_gpu(wildcards):
    """Resource function: one GPU where the run was told of some (`--resources gpu=N`), else none."""
    return 1 if "gpu" in workflow.global_resources else None


def mapping(wildcards):
    """Digest of which output each class is, known once the index is there."""
    return AUDIT.mapping_digest(checkpoints.index.get().output.manifest)


def shards(pattern):
    """Input function: `pattern` for every shard in the manifest that the index wrote."""

    def paths(wildcards):
        manifest = checkpoints.index.get().output.manifest
        return [pattern.format(root=AUDIT.root, shard=name) for name in AUDIT.shards(manifest)]

    return paths
