"""Snakemake's executor for Kubernetes, with files on a volume that all pods mount.

Snakemake's own takes it that pods share nothing, so that every file goes through an object store,
which an audit's folder of images should not. Here pods and the process that submits them have one
volume at the same path and run the same image; all else is the original's.
"""

import shlex
from dataclasses import replace

from snakemake_executor_plugin_kubernetes import Executor as PodExecutor
from snakemake_executor_plugin_kubernetes import ExecutorSettings
from snakemake_executor_plugin_kubernetes import common_settings as pod_settings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]

common_settings = replace(
    pod_settings,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    # Nothing is installed when a pod starts: the image holds it all.
    auto_deploy_default_storage_provider=False,
)


class Executor(PodExecutor):
    """Jobs of Kubernetes that work in the folder of the process that submits them."""

    def get_job_exec_prefix(self, job):
        return f"cd {shlex.quote(self.workflow.workdir_init)}"

    def get_python_executable(self):
        return "python"
