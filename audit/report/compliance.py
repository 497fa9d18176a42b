"""Which figures of a run are evidence for which clause of which framework, and what is not covered.

The clauses are told in our own words; the text that counts is the framework's. A figure is evidence
for a clause: whether the clause is met is for people to say, who know more than this run does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from audit.report import facts
from audit.report.facts import Run

AI_ACT = "EU AI Act, Regulation (EU) 2024/1689"
NIST = "NIST AI RMF 1.0"
ISO = "ISO/IEC 42001:2023"


@dataclass(frozen=True, slots=True)
class Mapped:
    """A clause, and what this run has to show for it."""

    framework: str
    clause: str
    asks: str
    """What the clause asks for, shortly and in our own words."""
    evidence: tuple[str, ...]
    """File and figure."""
    not_covered: str
    """What the clause asks for and this run does not show."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause, and the sentences that are evidence for it."""

    framework: str
    name: str
    asks: str
    shown_by: tuple[Callable[[Run], str], ...]
    not_covered: str


def mapping(run: Run) -> list[Mapped]:
    """A row a clause, in the order of :data:`CLAUSES`."""
    return [
        Mapped(c.framework, c.name, c.asks, tuple(told(run) for told in c.shown_by), c.not_covered)
        for c in CLAUSES
    ]


def _stated(*names: str) -> Callable[[Run], str]:
    """What the config says of the system, field by field."""

    def told(run: Run) -> str:
        fields = (f"{name.replace('_', ' ')}: {run.stated(name)}" for name in names)
        return f"config, section system: {'; '.join(fields)}"

    return told


def _tables(run: Run) -> str:
    tables = run.provenance["hashes"]["tables"]
    return f"logs/ and provenance.json: log of each stage, {len(tables)} tables with their SHA-256"


def _strata(run: Run) -> str:
    columns = ", ".join(run.config("strata").get("columns") or ()) or "no column of metadata"
    return f"strata.csv: figures by size and number of objects, and by {columns}"


def _metrics(run: Run) -> str:
    return (
        f"predictions.csv: {', '.join(run.metrics)}; per_class.csv: beside the pointing accuracy what "
        "chance, the image's centre and other images' heatmaps reach"
    )


def _sensitivity(run: Run) -> str:
    unstable = sum(row.get("verdict_stable") == "False" for row in run.classes)
    return (
        "sensitivity.csv: verdicts under other settings of the rule; "
        f"{facts.many(unstable, 'class', 'classes')} would change"
    )


def _input(run: Run) -> str:
    found = run.provenance["choices"]
    size = f"{found.get('input_height')} x {found.get('input_width')}"
    return f"provenance.json: input of {size} pixels, preprocessing {_preprocess(run)}"


def _preprocess(run: Run) -> str:
    value = run.config("model").get("preprocess")
    return value if isinstance(value, str) else "by mean and standard deviation (config)"


CLAUSES = (
    Clause(
        AI_ACT, "Annex IV, point 2(g)",
        "Procedures of validation and testing, the data that was tested on and its main "
        "characteristics, the metrics of accuracy and robustness, and test reports that are dated "
        "and signed by those who answer for them.",
        (facts.data, facts.methods, _metrics, facts.accuracy, facts.focus, facts.digests, facts.signed),
        "Tests of robustness, cybersecurity and discriminatory impact; data used in training; tests "
        "made by other means.",
    ),
    Clause(
        AI_ACT, "Annex IV, point 3",
        "What the system can and cannot do, its expected accuracy, also for the groups it is used "
        "on, foreseeable unintended outcomes and sources of risk, human oversight, and what its "
        "input has to be.",
        (facts.accuracy, _strata, facts.focus, _input, _stated("limitations", "human_oversight")),
        "Accuracy for persons or groups beyond the classes and columns named; monitoring and "
        "control in use.",
    ),
    Clause(
        AI_ACT, "Annex IV, point 4",
        "Why the performance metrics are the right ones for this system.",
        (_metrics, facts.fitness, _sensitivity),
        "The judgement that these metrics suit the intended purpose: it is the provider's.",
    ),
    Clause(
        AI_ACT, "Article 9",
        "A risk management system over the whole life cycle: risks found and evaluated, measures "
        "taken, residual risk judged acceptable, and tests against metrics and thresholds that were "
        "laid down beforehand.",
        (facts.focus, facts.confirmation, facts.policy, facts.waivers,
         _stated("risk_id", "risk_class", "residual_risk")),
        "The risk management system itself; every risk but reliance on the background; when the "
        "policy's thresholds were laid down.",
    ),
    Clause(
        AI_ACT, "Article 10",
        "Data for training, validation and testing that is relevant, representative enough and as "
        "free of errors and complete as can be, looked through for biases and gaps.",
        (facts.data, facts.data_faults, _strata, facts.digests),
        "Training and validation data; where the data came from and how it was collected; whether "
        "it represents the people and places of use.",
    ),
    Clause(
        AI_ACT, "Article 12",
        "Events recorded by the system itself over its lifetime, so that its working can be traced.",
        (_tables, facts.digests),
        "Logs of the system in use: what is recorded here is this audit.",
    ),
    Clause(
        AI_ACT, "Article 15",
        "An appropriate and lasting level of accuracy, robustness and cybersecurity; accuracy and "
        "its metrics declared in the instructions for use.",
        (facts.accuracy, facts.focus, facts.confirmation),
        "Robustness against noise, faults, shift and attacks; cybersecurity; feedback loops; the "
        "instructions for use.",
    ),
    Clause(
        NIST, "MEASURE 2.1",
        "Test sets, metrics and tools of testing, evaluation, verification and validation are "
        "documented.",
        (facts.data, _metrics, facts.methods, facts.digests, _tables),
        "Test sets and tools of other evaluations.",
    ),
    Clause(
        NIST, "MEASURE 2.5",
        "The system is shown to be valid and reliable, and the limits of generalising beyond the "
        "conditions of its development are documented.",
        (facts.accuracy, facts.focus, facts.confirmation, _strata,
         _stated("deployment_context", "limitations")),
        "Conditions that are not in the audited images; reliability over time.",
    ),
    Clause(
        NIST, "MEASURE 2.9",
        "The model is explained, validated and documented, and its output is read in its context, "
        "for responsible use.",
        (facts.methods, facts.fitness, facts.focus, facts.confirmation, _stated("intended_purpose")),
        "Why the model answers as it does: a heatmap shows where a score comes from, not why; other "
        "kinds of explanation, and how users understand them.",
    ),
    Clause(
        ISO, "Annex A, A.6.2",
        "Processes over the life cycle of an AI system: requirements, design, verification and "
        "validation, deployment, operation and monitoring, technical documentation, event logs.",
        (facts.digests, _tables, facts.signed, _stated("name", "version", "owner", "provider")),
        "All stages of the life cycle but verification and validation.",
    ),
    Clause(
        ISO, "Annex A, A.6.2.4",
        "Measures of verification and validation are defined and documented, with criteria for "
        "their use.",
        (facts.policy, facts.waivers, facts.accuracy, facts.focus, facts.confirmation, facts.fitness),
        "Requirements on the system beyond the policy; the choice of criteria.",
    ),
)  # fmt: skip
