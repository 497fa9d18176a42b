"""A model card from a run: the headings of Mitchell et al. 2019 ("Model Cards for Model Reporting",
FAT* 2019), filled in with what the audit knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from audit.report import facts
from audit.report.facts import Run
from audit.report.page import shown_name

# Classes that the card lists; per_class.csv has them all.
MAX_CLASSES = 50
WORST_FIRST = ("flagged", "inconclusive", "insufficient", "pass")
NOT_SEEN = "not covered: this audit sees the trained model and the audited images alone"
# What Markdown, as hosts of code render it, takes for more than a character.
MARKUP = re.compile(r"[\\`*_\[\]<>|~@&#!$]|(?<=www)\.|:(?=//)")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its rows of (field, text)."""

    title: str
    rows: tuple[tuple[str, str], ...]


def model_card(run: Run) -> list[Section]:
    """The sections in their usual order."""
    return [
        Section("Model details", _details(run)),
        Section("Intended use", _stated(run, "intended_purpose", "deployment_context", "limitations")),
        Section("Factors", _factors(run)),
        Section("Metrics", _metrics(run)),
        Section("Evaluation data", _evaluation_data(run)),
        Section("Training data", (("Training data", NOT_SEEN),)),
        Section("Quantitative analyses", _analyses(run)),
        Section("Ethical considerations", _ethics(run)),
        Section("Caveats and recommendations", _caveats(run)),
    ]  # fmt: skip


def markdown(name: str, card: Sequence[Section]) -> str:
    """The card as a page of Markdown; no text in it is taken for markup."""
    lines = [f"# Model card: {escaped(name)}", ""]
    lines += ["Written by focus-audit from the files of the run that lie beside this one.", ""]
    for section in card:
        lines += [f"## {section.title}", "", "| | |", "|---|---|"]
        lines += [f"| {escaped(field)} | {escaped(text)} |" for field, text in section.rows]
        lines.append("")
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Text for one line of Markdown: what does not print is told as its number."""
    words = " ".join(text.split())
    shown = "".join(shown_name(c) for c in words)
    return MARKUP.sub(r"\\\g<0>", shown)


def _details(run: Run) -> tuple[tuple[str, str], ...]:
    model, hashes = run.summary["model"], run.provenance["hashes"]["model"]
    return (
        *_stated(run, "name", "version", "provider", "owner"),
        ("Model file", ", ".join(hashes) or facts.NOT_STATED),
        ("SHA-256", model["sha256"]),
        ("Input", f"{model['input_height']} x {model['input_width']} x {model['channels']}"),
        ("Output", f"{model['n_outputs']} outputs, {model['output']} ({model['output_reason']})"),
        ("Parameters", f"{model['n_parameters']:,}"),
    )


def _factors(run: Run) -> tuple[tuple[str, str], ...]:
    columns = run.config("strata").get("columns") or ()
    return (
        ("Evaluated separately", "classes; size and number of objects; right or wrong prediction"),
        ("Columns of metadata", ", ".join(columns) or "none"),
        ("Groups of persons", "not covered, unless a column of metadata tells them"),
    )


def _metrics(run: Run) -> tuple[tuple[str, str], ...]:
    flags = run.config("flags")
    rule = (
        f"flagged where the background-focused rate is significantly over {flags['max_rate']:.0%} "
        f"(exact binomial test, corrected over the classes, level {flags['alpha']}), with at least "
        f"{flags['min_eligible']} eligible images"
    )
    return (
        ("Performance", "accuracy by class, with 95 % intervals"),
        ("Reliance on the background", "pointing accuracy, energy skill, background-focused rate"),
        ("Rule of the verdict", rule),
        ("Explanation", facts.methods(run)),
        ("Its fitness", facts.fitness(run)),
    )


def _evaluation_data(run: Run) -> tuple[tuple[str, str], ...]:
    dataset = run.config("dataset")
    return (
        ("Format", dataset["format"]),
        ("Images, SHA-256 over all", run.provenance["hashes"]["images"]),
        ("Audited", facts.data(run)),
        ("Faults found", facts.data_faults(run)),
        ("Why these images", facts.NOT_STATED),
    )


def _analyses(run: Run) -> tuple[tuple[str, str], ...]:
    order = {name: k for k, name in enumerate(WORST_FIRST)}
    rows = sorted(run.classes, key=lambda row: order.get(row["verdict"], len(order)))
    told = [("All classes", f"accuracy {facts.rate(run.overall, 'accuracy')}")]
    told += [(row["class"], _class_line(row)) for row in rows[:MAX_CLASSES]]
    if len(rows) > MAX_CLASSES:
        told.append(("Other classes", f"{len(rows) - MAX_CLASSES} more in per_class.csv"))
    return (*told, ("Policy", facts.policy(run)))


def _class_line(row: facts.Row) -> str:
    confirmation = row["confirmation"] or "not_run"
    return (
        f"{row['verdict'] or 'no verdict'} (confirmation: {confirmation}); "
        f"accuracy {facts.rate(row, 'accuracy')}; "
        f"pointing accuracy {facts.rate(row, 'pointing_accuracy')}; "
        f"background-focused {facts.rate(row, 'background_focused_rate')}"
    )


def _ethics(run: Run) -> tuple[tuple[str, str], ...]:
    return (
        ("Ethical considerations", "not covered: this audit asks what the model looks at, not "
         "what its answers do to people"),
        *_stated(run, "risk_id", "risk_class", "residual_risk", "human_oversight"),
    )  # fmt: skip


def _caveats(run: Run) -> tuple[tuple[str, str], ...]:
    warnings = "; ".join(run.summary["warnings"]) or "none"
    return (
        ("Warnings of the run", warnings),
        ("A pass", "clears a class of relying on the background as seen by this method at this "
         "layer; a shortcut on the object itself lies inside the box and cannot show"),
        ("A flag", "is a strong suspicion; what changing the image showed stands beside it"),
        ("Signed off", facts.signed(run)),
    )  # fmt: skip


def _stated(run: Run, *names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name.replace("_", " ").capitalize(), run.stated(name)) for name in names)
