"""Run one audit: start Snakemake, wait for its end, and tell what came of it."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from audit.config.load import results_folder
from audit.errors import AuditError, nearest, one_line
from audit.stages.gate import gate, today, told
from audit.stages.layout import Layout
from audit.stages.lock import take_lock
from audit.stages.relay import Ended, relay
from audit.stages.settings import load_settings
from audit.stages.signals import Wish, caught
from audit.stages.snakemake_lines import reason
from audit.stages.watch import Watch
from audit.tables.json_file import read_json

# Seconds by which the clock of a file server may be ahead of ours.
CLOCKS_DIFFER = 60.0


def run_audit(config_file: Path, cores: str, profile: str, extra: Sequence[str]) -> int:
    """Run the workflow; 0 when it is done and the policy holds, 1 when it does not, 2 when it is not
    done, 128 and the signal's number when one stopped it. Prints where the results lie, and what the
    policy says.
    """
    _check_cores(cores)
    config = load_settings([config_file])
    layout = Layout(results_folder(config))
    command = snakemake_command(config_file, cores, profile, extra)
    wish = Wish()
    with _only_one(layout) as lock, caught(wish):
        remove_leftovers(layout)
        watch = Watch(layout)
        if ahead := take_back_times(layout):
            watch.say(f"{ahead} files were of the future, as after a clock was set back", "warning")
        code = 2  # unless it ends well
        try:
            ended = _run_snakemake(command, layout, lock, watch, wish)
            remove_leftovers(layout)
            watch.quiet()
            if ended.code and wish.stopped:
                code = wish.stopped.exit_code
                watch.stopped(wish.stopped)
            else:
                code = _finish(ended, layout, watch, extra)
        finally:
            watch.ended(code)
    return code


def _run_snakemake(
    command: Sequence[str], layout: Layout, lock: int, watch: Watch, wish: Wish
) -> Ended:
    ended = relay(command, layout, lock, watch, wish)
    if ended.code and any("LockException" in line for line in ended.lines):
        # We hold the audit's own lock, so no run is alive: Snakemake's was left by one that died.
        watch.say("an earlier run was killed; going on where it stopped", "warning")
        relay([*command, "--unlock"], layout, lock, watch, wish)
        ended = relay(command, layout, lock, watch, wish)
    return ended


def _finish(ended: Ended, layout: Layout, watch: Watch, extra: Sequence[str]) -> int:
    """Tell how it ended; the exit code."""
    if ended.code:
        if not watch.error_told:
            watch.say(f"{reason(ended.lines)}; see {layout.root}/logs", "error")
        return 2
    if (layout.root / "summary.json").exists() and not _only_looked(extra):
        print("\n".join(map(one_line, findings(layout.root))))
        return _gate(layout)
    return 0


def remove_leftovers(layout: Layout) -> None:
    """Half-written files of a run that was killed; only while the audit's lock is held."""
    shutil.rmtree(layout.progress, ignore_errors=True)
    for path in _files(layout.root):
        name = os.path.basename(path)
        if name.startswith(".") and name.endswith(".part"):
            with suppress(OSError):
                os.unlink(path)


def take_back_times(layout: Layout) -> int:
    """Give files whose times are in the future the time of now; how many there were.

    Snakemake gives up where a new file looks older than what it was made from. Their order is not
    lost on it: what is stale is told by digests.
    """
    now, ahead = time.time(), 0
    for path in _files(layout.root):
        with suppress(OSError):
            if os.lstat(path).st_mtime > now + CLOCKS_DIFFER:
                os.utime(path, (now, now), follow_symlinks=False)
                ahead += 1
    return ahead


def _files(root: Path) -> Iterator[str]:
    """Paths of all files below a folder; no link is followed."""
    return (os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names)


def snakemake_command(
    config_file: Path, cores: str | None, profile: str, extra: Sequence[str]
) -> list[str]:
    """The Snakemake call that ``focus-audit run`` makes."""
    root = workflow_root()
    folder = _profile(root, profile)
    _offer_plugins(folder)
    return [
        sys.executable, "-m", "snakemake",
        "--snakefile", str(root / "Snakefile"),
        "--configfile", str(config_file),
        "--cores", cores or _cores(folder),
        "--workflow-profile", str(folder),
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
    summary = read_json(root / "summary.json")
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


def _cores(profile: Path) -> str:
    """The profile's, which on a cluster are those of one job; all of this machine's without any."""
    values = yaml.safe_load((profile / "config.yaml").read_text("utf-8")) or {}
    return str(values.get("cores", "all"))


def _offer_plugins(profile: Path) -> None:
    """Let Snakemake find the executor that a profile brings along."""
    if (profile / "plugins").is_dir():
        found = [str(profile / "plugins"), os.environ.get("PYTHONPATH")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, found))


def _check_cores(cores: str | None) -> None:
    """Snakemake takes 0 cores, and then waits for one without end."""
    if cores not in (None, "all") and not (cores.isdecimal() and int(cores) > 0):
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


def _only_looked(extra: Sequence[str]) -> bool:
    """True for Snakemake options that run nothing."""
    return bool({"-n", "--dry-run", "--dryrun", "--lint", "--dag", "--summary"} & set(extra))
