"""The steps of a run, from Snakemake's benchmarks: which there were, and what each wrote."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

BENCHMARK = re.compile(r"benchmarks/([\w-]+)(?:/([\w-]+))?\.tsv")
# Rule -> what it writes into the results folder, in the order in which rules can run.
STEPS: dict[str, tuple[str, ...]] = {
    "inspect": ("stages/model.json",),
    "index": ("stages/index/*",),
    "explain": ("stages/explain/{shard}.*",),
    "score": ("stages/score/{shard}.parquet",),
    "judge": (
        "predictions.csv", "predictions.parquet", "flagged.csv", "thresholds.csv", "excluded.csv",
        "localisation.csv", "strata.csv", "ambiguity.csv", "sensitivity.csv", "heatmap_boxes.json",
        "heatmap_boxes_gt.json", "methods.csv", "methods_agreement.csv", "stages/judge/*",
    ),
    "confirm": ("confirmation.csv", "confirmation/*", "stages/confirm/*"),
    "sanity": ("sanity.csv", "stages/sanity/*"),
    "summarise": ("per_class.csv", "summary.json"),
    "overlays": ("overlays/*",),
    "provenance": ("provenance.json",),
    "verdict": ("verdict.json",),
    "report": ("report.html", "report.json", "gallery/*", "compliance.*", "model_card.md"),
    "history": ("stages/history.json",),
}  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One run of one step."""

    rule: str
    shard: str
    """Empty where the step is not split."""
    usage: Mapping[str, str]
    """The benchmark's row: ``s`` seconds, ``max_rss`` MiB."""

    @property
    def key(self) -> str:
        """Identifier inside the crate."""
        return f"job-{self.rule}-{self.shard}" if self.shard else f"job-{self.rule}"

    def wrote(self, name: str) -> bool:
        """Whether a file of the results folder is this job's."""
        patterns = STEPS.get(self.rule, ())
        return any(fnmatchcase(name, p.replace("{shard}", self.shard)) for p in patterns)


def job_of(name: str, benchmark: bytes) -> Job | None:
    """The job of a benchmark file; None where the file is none."""
    match = BENCHMARK.fullmatch(name)
    rows = list(csv.DictReader(io.StringIO(benchmark.decode("utf-8", "replace")), delimiter="\t"))
    if match is None or not rows:
        return None
    numbers = {k: v for k, v in rows[-1].items() if k and v and _is_number(v)}
    return Job(match[1], match[2] or "", numbers)


def position(rule: str) -> int:
    """Place of a step in the order, from 1; one that is not known here comes last."""
    known = list(STEPS)
    return known.index(rule) + 1 if rule in known else len(known) + 1


def written_by(name: str) -> str | None:
    """The rule that writes a file of the results folder; None where no rule does."""
    for rule, patterns in STEPS.items():
        if any(fnmatchcase(name, pattern.replace("{shard}", "*")) for pattern in patterns):
            return rule
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
