"""A Slurm of one machine: munged, slurmctld and slurmd, with all that they keep in one folder."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
# Steps of a job are started without SLURM_CONF, so that the file has to lie where Slurm looks.
INSTALLED = Path("/etc/slurm/slurm.conf")
CONFIG = """\
ClusterName=audit
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
# A job that holds more memory than it asked for is killed within seconds.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=3600
DefMemPerCPU=100
KillWait=1
GresTypes=gpu
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
# More memory and GPUs than there are: what is asked for is looked at, not what is had.
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=normal Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
# For Snakemake: what the profile leaves to the place, and checks that a test need not wait for.
OPTIONS = (
    "--slurm-no-account", "--slurm-status-command", "squeue",
    "--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2",
    "--latency-wait", "15", "--default-resources", "slurm_partition=normal",
)  # fmt: skip
# Two devices that every machine has stand for GPUs.
GPUS = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n"


def reason_to_skip() -> str | None:
    """Why there can be no Slurm here; None where there can."""
    missing = [name for name in PROGRAMS if _program(name) is None]
    if missing:
        return (
            f"no {missing[0]}: apt-get install --no-install-recommends "
            "slurmctld slurmd slurm-client munge"
        )
    if os.getuid() != 0:
        return "slurmd has to be started as root"
    if INSTALLED.exists():
        return f"{INSTALLED} is another Slurm's"
    return None


class Slurm:
    """The running daemons; times are in seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: dict[str, subprocess.Popen] = {}

    def start_controller(self) -> None:
        """Start slurmctld on the state that the last one left, and wait until it answers."""
        self._start("slurmctld", "-D")
        wait_for(lambda: _ask("scontrol", "ping").stdout.count(" UP"), 60, "slurmctld")

    def kill_controller(self) -> None:
        """SIGKILL to slurmctld, once all jobs are in the state that the next one reads."""
        now = time.time()
        state = self.folder / "state" / "job_state"
        _ask("scontrol", "update", f"JobId={self.jobs()[-1]['JobId']}", "AdminComment=kept")
        wait_for(lambda: state.exists() and state.stat().st_mtime > now, 60, "saved state")
        self._processes["slurmctld"].send_signal(signal.SIGKILL)
        self._processes.pop("slurmctld").wait()

    def jobs(self) -> list[dict[str, str]]:
        """All jobs since the start, the oldest first, as `scontrol show job` tells them."""
        lines = _ask("scontrol", "show", "job", "-o").stdout.splitlines()
        rows = [dict(p.split("=", 1) for p in line.split() if "=" in p) for line in lines]
        return sorted((r for r in rows if "JobId" in r), key=lambda r: int(r["JobId"]))

    def start(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        (self.folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (self.folder / "munge.key").chmod(0o400)
        values = {"host": socket.gethostname(), "folder": self.folder, "cores": os.cpu_count()}
        INSTALLED.write_text(CONFIG.format(**values, ports=_free_ports(2)))
        (INSTALLED.parent / "gres.conf").write_text(GPUS)
        files = [
            f"--{option}={self.folder}/munge.{ending}"
            for option, ending in {
                "key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log",
                "seed-file": "seed",
            }.items()
        ]  # fmt: skip
        self._start("munged", "--foreground", "--force", *files)
        wait_for((self.folder / "munge.socket").exists, 20, "munged")
        self.start_controller()
        self._start("slurmd", "-D")
        wait_for(lambda: "idle" in _ask("sinfo", "-h", "-o", "%t").stdout, 60, "slurmd")

    def stop(self) -> None:
        if "slurmctld" in self._processes:
            _ask("scancel", "--user=root")
            time.sleep(1)
        for process in reversed(self._processes.values()):
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        INSTALLED.unlink(missing_ok=True)
        (INSTALLED.parent / "gres.conf").unlink(missing_ok=True)

    def _start(self, name: str, *options: str) -> None:
        with (self.folder / f"{name}.out").open("a") as out:
            self._processes[name] = subprocess.Popen(
                [_program(name), *options], stdout=out, stderr=out, cwd=self.folder
            )


@contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    """A Slurm that is gone when the block ends; ``folder`` is new and its own."""
    with ExitStack() as stack:
        cluster = Slurm(folder)
        stack.callback(cluster.stop)
        cluster.start()
        yield cluster


def slurm_or_skip() -> Iterator[Slurm]:
    """What a fixture yields: a running Slurm, or the reason why there is none."""
    if reason := reason_to_skip():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, slurm(Path(folder)) as running:
        yield running


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until ``condition`` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.2)


def _ask(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
