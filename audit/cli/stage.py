"""The stages that read the config from the results folder: one rule of the workflow each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from audit.cli.log_format import add_log_format, set_log_format
from audit.errors import AuditError
from audit.stages.layout import Layout
from audit.stages.signals import Stopped, ended_by_signals

if TYPE_CHECKING:
    from audit.progress import Progress

SHARD_VERBS = ("explain", "score")
PARALLEL_VERBS = ("index", "score")
MISSING = "run the stages before this one; where it is damaged, delete it first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verb = parser.prog.split()[-1]
    parser.add_argument(
        "--config", required=True, type=Path, help="stages/config.json of the results folder"
    )
    parser.add_argument("--log", type=Path, help="log file")
    add_log_format(parser)
    if verb in SHARD_VERBS:
        parser.add_argument("--shard", required=True, help="name of the shard")
    if verb in PARALLEL_VERBS:
        parser.add_argument("--jobs", type=int, default=1, help="processes")


def run(args: argparse.Namespace) -> int:
    from audit.stages.runtime import set_threads

    set_threads()  # before NumPy is imported
    shard = getattr(args, "shard", None)
    set_log_format(args.log_format, args.verb, shard)
    file = Layout(args.config.parent.parent).progress_of(args.verb, shard)
    with stage_log(args.verb, args.log, shard, file) as progress:
        progress.begin()
        _stage(args, progress)
        progress.end(0)
    return 0


def _stage(args: argparse.Namespace, progress: Progress) -> None:
    from audit.config.load import read_resolved
    from audit.tables.json_file import read_json

    layout = Layout.of(args.config)
    config = read_resolved(layout.config)
    if args.verb == "inspect":
        from audit.stages.inspect import run_inspect

        run_inspect(config, layout)
        return
    if args.verb == "verdict":
        from audit.stages.gate import run_verdict

        run_verdict(config, layout, progress)
        return
    if args.verb == "record":
        from audit.stages.history import run_record

        run_record(config, layout, progress)
        return
    model = read_json(layout.model, MISSING)
    if args.verb == "index":
        from audit.stages.index import run_index

        run_index(config, layout, model, progress, args.jobs)
        return
    manifest = read_json(layout.manifest, MISSING)
    found = {**model, **manifest["mapping"]}
    if args.verb in SHARD_VERBS:
        _check_shard(args.shard, manifest)
    if args.verb == "explain":
        from audit.stages.explain import run_explain

        run_explain(config, layout, found, args.shard, progress)
    elif args.verb == "score":
        from audit.stages.score import run_score

        run_score(config, layout, found, args.shard, progress, args.jobs)
    elif args.verb == "judge":
        from audit.stages.judge import run_judge

        run_judge(config, layout, manifest, found, progress)
    elif args.verb == "confirm":
        from audit.stages.confirm import run_confirm

        run_confirm(config, layout, manifest, found, progress)
    elif args.verb == "sanity":
        from audit.stages.sanity import run_sanity

        run_sanity(config, layout, manifest, found, progress)
    elif args.verb == "summarise":
        from audit.stages.summarise import run_summarise

        run_summarise(config, layout, manifest, found, progress)
    elif args.verb == "overlays":
        from audit.stages.overlays import run_overlays

        run_overlays(config, layout, found, progress)
    elif args.verb == "provenance":
        from audit.stages.provenance import run_provenance

        run_provenance(config, layout, manifest, found)


@contextmanager
def stage_log(
    verb: str, path: Path | None, shard: str | None = None, file: Path | None = None
) -> Iterator[Progress]:
    """Progress that goes to the terminal and to the log; an error's line goes to both, too.

    A signal ends the block in order, with a line; ``file``: see :class:`Progress`.
    """
    from audit.progress import Progress

    with _log_file(path) as log, closing(Progress(verb, log, shard=shard, file=file)) as progress:
        try:
            with ended_by_signals():
                yield progress
        except Stopped as stopped:
            progress.end(stopped.exit_code, f"{stopped}; run again to go on")
            raise


@contextmanager
def _log_file(path: Path | None) -> Iterator[TextIO | None]:
    """The log of a stage, which keeps why it failed."""
    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as log:
        try:
            yield log
        except AuditError as error:
            log.write(f"focus-audit: error: {error}\n")
            raise
        except Exception:
            import traceback

            traceback.print_exc(file=log)
            raise
        finally:
            sys.stderr.flush()


def _check_shard(shard: str, manifest: dict) -> None:
    if shard not in {s["name"] for s in manifest["shards"]}:
        raise AuditError("no such shard", where="--shard", received=shard, hint="see manifest.json")
