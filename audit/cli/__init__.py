"""The command: one file per verb, each with ``add_arguments(parser)`` and ``run(args) -> int``.

A verb imports what it needs inside ``run``, so that ``--help`` answers at once. Exit codes: 0 done,
1 the policy failed, 2 bad input (one line on standard error), 129, 130 and 143 stopped by SIGHUP,
SIGINT (Ctrl-C) and SIGTERM. What else escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from audit import __version__
from audit.cli.log_format import tell_error
from audit.errors import AuditError
from audit.stages.signals import Stopped

# Verb -> (module, one line). Kept here, so that the list needs no import of the modules.
VERBS = {
    "run": ("run", "run an audit from its config"),
    "check": ("check", "say what would be audited, excluded and why, without running"),
    "methods": ("lists", "list the explanation methods"),
    "metrics": ("lists", "list the metrics"),
    "formats": ("lists", "list the annotation formats"),
    "fills": ("lists", "list what can be put in the place of what confirmation removes"),
    "layers": ("layers", "list a model's spatial layers and mark the default"),
    "explain-image": ("explain_image", "heatmaps of one picture, on one sheet"),
    "compare-methods": ("compare_methods", "compare the methods of a finished run"),
    "compare": ("compare", "hold runs against an earlier one: did a class's focus change"),
    "history": ("history", "what became of each class over the runs of a history"),
    "gate": ("gate", "hold the policy against a finished run: 0 it passes, 1 it fails"),
    "export": ("export", "a finished run to MLflow, FiftyOne, or one JSON to post"),
    "sign-off": ("sign_off", "write down who approved or rejected a finished run, and why"),
    "bundle": ("bundle", "pack a finished run as evidence: manifest, crate, attestation"),
    "verify": ("verify", "check a bundle or a results folder: 0 all holds, 1 something does not"),
    "demo": ("demo", "make a small data set with a planted shortcut, train on it, audit it"),
    "prove": ("prove", "measure the audit itself on models of which the truth is known"),
    "inspect": ("stage", "stage: the model's input, outputs and layer"),
    "index": ("stage", "stage: annotations and image headers into shards, class mapping"),
    "explain": ("stage", "stage: one shard through the model"),
    "score": ("stage", "stage: one shard's heatmaps against the boxes"),
    "judge": ("stage", "stage: all shards into tables, and what the heatmaps say of each class"),
    "confirm": ("stage", "stage: what the model answers when the object or its background goes"),
    "sanity": ("stage", "stage: whether the explanation is fit to judge by"),
    "summarise": ("stage", "stage: the final verdict of each class, and the summary"),
    "overlays": ("stage", "stage: pictures of the flagged records and of a sample"),
    "provenance": ("stage", "stage: how the tables came about"),
    "report": ("report", "write the report page of a finished run"),
    "verdict": ("stage", "stage: the policy, held against the tables"),
    "record": ("stage", "stage: the finished run, added to a history"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parse(argv)
        return args.run(args)
    except AuditError as error:
        tell_error(argv[0] if argv else "", str(error))
        return 2
    except Stopped as stopped:  # which the stage has told
        return stopped.exit_code
    except KeyboardInterrupt:
        print("focus-audit: stopped; run it again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a list went away, as `head` does
        sys.stderr.close()
        return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="focus-audit",
        description="Finds out whether an image classifier looks at the object it names.",
    )
    parser.add_argument("--version", action="version", version=f"focus-audit {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    asked = next((a for a in argv if not a.startswith("-")), None)
    for verb, (module, summary) in VERBS.items():
        sub = verbs.add_parser(
            verb, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
        )
        if verb == asked:  # only the verb that is asked for is imported
            loaded = importlib.import_module(f"audit.cli.{module}")
            loaded.add_arguments(sub)
            sub.set_defaults(run=loaded.run)
    # argparse takes what stands behind -- for a positional only where no option comes before it.
    own = argv[: argv.index("--")] if "--" in argv else argv
    args = parser.parse_args(own)
    if passed_on := argv[len(own) + 1 :]:
        if "snakemake" not in args:
            parser.error(f"unrecognized arguments: {' '.join(passed_on)}")
        args.snakemake = passed_on
    return args
