"""Start Snakemake for one audit, relay what our stages say, and tell its faults in one line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO

from audit.config.load import results_folder
from audit.errors import AuditError, nearest
from audit.stages.gate import gate, today, told
from audit.stages.layout import Layout
from audit.stages.lock import HELD, take_lock
from audit.stages.settings import load_settings

OUR_LINES = "focus-audit "
ERROR_LINE = "focus-audit: error: "
# The last line of a traceback; Snakemake's own errors have their text on the line below.
RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit): ")
KILLED = re.compile(r"focus-audit (\w+) .*died with <Signals\.(\w+)")


def run_audit(config_file: Path, cores: str, profile: str, extra: Sequence[str]) -> int:
    """Run the workflow; 0 when it is done and the policy holds, 1 when it does not, 2 when it is not
    done. Prints where the results lie, and what the policy says.
    """
    _check_cores(cores)
    config = load_settings([config_file])
    layout = Layout(results_folder(config))
    with _only_one(layout) as lock:
        command = snakemake_command(config_file, cores, profile, extra)
        code, lines = _relay(command, layout, lock)
        if code and any("LockException" in line for line in lines):
            # We hold the audit's own lock, so no run is alive: Snakemake's was left by one that died.
            print(
                "focus-audit run: an earlier run was killed; going on where it stopped",
                file=sys.stderr,
            )
            _relay([*command, "--unlock"], layout, lock)
            code, lines = _relay(command, layout, lock)
    if code:
        if not any(line.startswith(ERROR_LINE) for line in lines):
            print(f"{ERROR_LINE}{_reason(lines)}; see {layout.root}/logs", file=sys.stderr)
        return 2
    if (layout.root / "summary.json").exists() and not _only_looked(extra):
        print("\n".join(findings(layout.root)))
        return _gate(layout)
    return 0


def snakemake_command(
    config_file: Path, cores: str, profile: str, extra: Sequence[str]
) -> list[str]:
    """The Snakemake call that ``focus-audit run`` makes."""
    root = workflow_root()
    return [
        sys.executable, "-m", "snakemake",
        "--snakefile", str(root / "Snakefile"),
        "--configfile", str(config_file),
        "--cores", cores,
        "--workflow-profile", str(_profile(root, profile)),
        *extra,
    ]  # fmt: skip


def workflow_root() -> Path:
    """The folder with the Snakefile: inside an installed package, or the clone around it."""
    package = Path(__file__).resolve().parent.parent
    for root in (package / "_workflow", package.parent):
        if (root / "Snakefile").exists() and (root / "workflow").is_dir():
            return root
    raise AuditError(
        "the workflow's files are missing", where=str(package), hint="install focus-audit again"
    )


def findings(root: Path) -> list[str]:
    """What was found, in a few lines for the terminal."""
    summary = json.loads((root / "summary.json").read_text("utf-8"))
    counts, verdicts = summary["counts"], summary["verdicts"]
    lines = [
        f"Audited {counts['images_audited']} of {counts['images_in']} images "
        f"({counts['images_excluded']} excluded), {counts['records_scored']} of {counts['records']} "
        "records scored."
    ]
    for verdict in ("flagged", "inconclusive", "insufficient", "pass"):
        if verdicts[verdict]:
            lines.append(f"  {verdict + ':':<13} {', '.join(verdicts[verdict])}")
    lines += [f"  warning: {text}" for text in summary["warnings"]]
    lines.append(f"Report: {root}/report.html; tables: {root}/per_class.csv, {root}/flagged.csv")
    return lines


def _gate(layout: Layout) -> int:
    """0 where the policy holds, 1 where it does not; says why."""
    try:
        verdict = gate(layout.root, today())
    except AuditError as error:  # Snakemake was asked for some of the files only
        print(f"Gate not asked: {error}")
        return 0
    print("\n".join(told(verdict)))
    return 0 if verdict.passes else 1


def _check_cores(cores: str) -> None:
    """Snakemake takes 0 cores, and then waits for one without end."""
    if cores != "all" and not (cores.isdecimal() and int(cores) > 0):
        raise AuditError(
            "is no number of cores", where="--cores", expected="1 or more, or all", received=cores
        )


def _profile(root: Path, name: str) -> Path:
    profiles = root / "workflow" / "profiles"
    if (profiles / name / "config.yaml").exists():
        return profiles / name
    if (Path(name) / "config.yaml").exists():
        return Path(name)
    known = [p.parent.name for p in profiles.glob("*/config.yaml")]
    raise AuditError(f"no profile {name!r}", where="--profile", hint=nearest(name, known))


@contextmanager
def _only_one(layout: Layout) -> Iterator[int]:
    """Hold the audit's lock; Snakemake inherits it, and so keeps it when this process is killed."""
    handle = take_lock(layout)
    try:
        yield handle
    finally:
        os.close(handle)


def _relay(command: Sequence[str], layout: Layout, lock: int) -> tuple[int, list[str]]:
    """Run Snakemake; its own words go to a log, our stages' lines to the terminal."""
    env = {
        **os.environ,
        HELD: "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    told: set[str] = set()
    lines: list[str] = []
    with (
        layout.snakemake_log.open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=env, pass_fds=[lock],
        ) as process,
    ):  # fmt: skip
        for line in _lines(process.stdout):
            log.write(line + "\n")
            lines.append(line)
            # Snakemake shows a failed job's log again; a line is told once.
            if line.startswith((OUR_LINES, ERROR_LINE)) and line not in told:
                told.add(line)
                print(line, file=sys.stderr, flush=True)
    return process.returncode, lines


def _lines(stream: IO[str] | None) -> Iterator[str]:
    for line in stream or ():
        yield line.rstrip("\r\n")


def _reason(lines: Sequence[str]) -> str:
    """The most telling line of Snakemake's output: where a stage crashed, how its traceback ends."""
    for line in lines:
        if RAISED.match(line):
            return line
        if killed := KILLED.search(line):
            return f"the {killed[1]} stage was killed by {killed[2]}, as when memory runs out"
    for title, below in pairwise(lines):
        if title.startswith("WorkflowError"):  # its message stands on the line below
            return below.strip()
    telling = [line.strip() for line in lines if "Error" in line or "Exception" in line]
    return telling[0] if telling else "Snakemake stopped without a reason"


def _only_looked(extra: Sequence[str]) -> bool:
    """True for Snakemake options that run nothing."""
    return bool({"-n", "--dry-run", "--dryrun", "--lint", "--dag", "--summary"} & set(extra))
