"""What a finished run has to say to an auditor, in short sentences that name the file and the figure.

The mapping to clauses (:mod:`audit.report.compliance`) and the model card
(:mod:`audit.report.model_card`) are put together from these. Nothing here reads a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOT_STATED = "not stated"
NOT_OBSERVED = "not observed"
# A row of per_class.csv: numbers as float, None where nothing was observed.
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """What is known of a run: its files as they are, ``None`` for what it does not have."""

    summary: Mapping[str, Any]
    provenance: Mapping[str, Any]
    overall: Row
    """Row `__all__` of the first method and layer."""
    classes: Sequence[Row]
    """The other rows of that method and layer."""
    verdict: Mapping[str, Any] | None = None
    """``verdict.json``."""
    sign_off: str = "not signed off"
    """What the sign-off says, in a line."""
    metrics: Sequence[str] = ()
    """Names of the metrics that were taken."""

    def stated(self, name: str) -> str:
        """A field of the config's section `system`, or that it is not stated."""
        return self.config("system").get(name) or NOT_STATED

    def config(self, section: str) -> Mapping[str, Any]:
        """A section of the run's config; empty where the run's version had none."""
        return self.provenance["config"].get(section) or {}


def share(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A rate as per cent with its interval."""
    if value is None:
        return NOT_OBSERVED
    limits = "" if None in (low, high) else f" (95 % interval {100 * low:.1f} to {100 * high:.1f})"
    return f"{100 * value:.1f} %{limits}"


def rate(row: Row, name: str) -> str:
    """A rate of a row with its interval."""
    return share(row.get(name), row.get(f"{name}_low"), row.get(f"{name}_high"))


def many(count: int, noun: str, plural: str | None = None) -> str:
    """``1 class``, ``2 classes``."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def data(run: Run) -> str:
    """Images and records, and how many were left out."""
    counts = run.summary["counts"]
    return (
        f"summary.json: {counts['images_audited']} of {many(counts['images_in'], 'image')} audited, "
        f"{counts['records_scored']} of {many(counts['records'], 'record')} scored, "
        f"{counts['records_eligible']} eligible for a verdict; excluded.csv: "
        f"{many(counts['images_excluded'], 'image')} and "
        f"{many(counts['boxes_excluded'], 'box', 'boxes')} left out, each with its reason"
    )


def data_faults(run: Run) -> str:
    """What the audit found to be wrong with the data."""
    reasons = run.summary["counts"]["records_not_eligible"]
    return (
        f"ambiguity.csv: {many(reasons.get('likely_label_error', 0), 'likely label error')}, "
        f"{many(reasons.get('near_duplicate', 0), 'near-duplicate')} (counted once), "
        f"{reasons.get('several_classes', 0)} records of images with several classes"
    )


def accuracy(run: Run) -> str:
    """Accuracy over all classes, and its range over them."""
    told = (
        f"per_class.csv: accuracy {rate(run.overall, 'accuracy')} over all classes, for "
        f"{many(len(run.classes), 'class', 'classes')} separately"
    )
    known = [row["accuracy"] for row in run.classes if row.get("accuracy") is not None]
    return told + (f", from {share(min(known))} to {share(max(known))}" if len(known) > 1 else "")


def focus(run: Run) -> str:
    """Rates and verdicts on reliance on the background."""
    verdicts = Counter(row["verdict"] for row in run.classes)
    told = ", ".join(f"{n} {name}" for name, n in sorted(verdicts.items()) if name)
    known = sum(row.get("background_focused_rate") is not None for row in run.classes)
    return (
        f"per_class.csv: background-focused rate with 95 % interval for "
        f"{many(known, 'class', 'classes')}; verdicts: {told or 'none'}"
    )


def confirmation(run: Run) -> str:
    """What changing the image showed."""
    states = Counter(row["confirmation"] or "not_run" for row in run.classes)
    told = ", ".join(f"{n} {name}" for name, n in sorted(states.items()))
    return f"confirmation.csv: causal check of classes by changing the image: {told or 'none'}"


def fitness(run: Run) -> str:
    """Whether the explanation may judge the model."""
    state = next((row["fitness"] for row in run.classes if row.get("fitness")), "not_run")
    told = {
        "fit": "shown fit to judge this model",
        "unfit": "not fit to judge this model, so that no class has a verdict",
        "unknown": "tried, and cannot be told",
        "not_run": "not tried",
    }
    return f"sanity.csv: the explanation with the model's weights redrawn: {told.get(state, state)}"


def methods(run: Run) -> str:
    """What the heatmaps were made with."""
    pairs = [f"{m['method']} at {m['layer']}" for m in run.summary["methods"]]
    return f"provenance.json: heatmaps by {', '.join(pairs)}"


def policy(run: Run) -> str:
    """What the gate says."""
    if run.verdict is None:
        return "verdict.json: there is none; the policy was not held against this run"
    counts = run.verdict["counts"]
    states = ", ".join(f"{n} {name}" for name, n in counts.items() if n and name != "checks")
    return (
        f"verdict.json: {run.verdict['result']} on {run.verdict['date']}; "
        f"{many(counts['checks'], 'check')}: {states}; its policy, written out, lies beside them"
    )


def waivers(run: Run) -> str:
    """What is waived, and by whom."""
    given = (run.verdict or {}).get("waivers", [])
    used = [w for w in given if w["state"] == "used"]
    owners = ", ".join(sorted({w["owner"] for w in used}))
    return f"verdict.json: {many(len(used), 'waiver')} in use" + (f" ({owners})" if owners else "")


def digests(run: Run) -> str:
    """What says that these are the very files."""
    hashes = run.provenance["hashes"]
    model = next(iter(hashes["model"].values()), NOT_STATED)
    return (
        f"provenance.json: SHA-256 of the model ({model[:12]}…), the images, "
        f"{many(len(hashes['annotations']), 'annotation file')} and "
        f"{many(len(hashes['tables']), 'table')}, versions, seeds and choices made"
    )


def signed(run: Run) -> str:
    """Who signed the report off."""
    return f"sign_off.jsonl: {run.sign_off}"
