"""The report's sections: what the templates are given, from the tables of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audit.errors import AuditError
from audit.gate.figures import number
from audit.report import svg
from audit.report.page import figure, percent, shown_name
from audit.report.words import (
    BASELINE_METHODS,
    CALLED,
    DEFINITIONS,
    LIMITS,
    MEANS,
    SIGNS,
    three_reasons,
)
from audit.stages.compare_files import output_folders, write_comparison
from audit.stages.compare_runs import compare_runs
from audit.stages.report_classes import CONFIRM_HEAD, DETAILED, STRATA_HEAD, class_rows
from audit.stages.report_method import method_part
from audit.stages.report_pictures import gallery
from audit.stages.report_run import Run
from audit.stages.report_tables import Row
from audit.stages.sign_off import sign_off_state
from audit.tables.json_file import read_json

# What fits a page of 5 MB: classes in the table, advice at its top, excluded images.
LISTED, STEPS, EXCLUDED = 1000, 3, 100
# Outputs of a class that are told.
EACH = 10
OUT = ("kind", "file_name", "where", "reason", "detail")
AREAS = (0.01, 0.05, 0.15, 0.3, 0.5, 1.0)


def figures(
    run: Run, maps: Mapping[str, Any], shown: Sequence[Mapping[str, Any]], n_scored: int
) -> dict[str, Any]:
    """What is in no other table, for ``report.json``."""
    area = run.records["area_fraction"].to_numpy(float)
    counts, _ = np.histogram(area[np.isfinite(area)], bins=(0.0, *AREAS))
    by_class = run.records["target_class"].value_counts()
    return {
        "method": run.pair[0],
        "layer": run.pair[1],
        "n_scored": n_scored,
        "records_by_class": {name: int(by_class[name]) for name in sorted(by_class.index)},
        "area_fraction": {"edges": [0.0, *AREAS], "records": counts.tolist()},
        "near_duplicates": int(run.records["duplicate_of"].notna().sum()),
        "mean_maps": {name: maps[name] for name in sorted(maps)},
        "pictures": [
            {"key": r["key"], "kind": r["kind"], "types": r["types"], "note": r["note"]}
            | {name: r[name] for name in ("file_name", "target_class", "method", "layer")}
            for r in shown
        ],
    }


def sections(
    run: Run, data: Mapping[str, Any], shown: Sequence[dict[str, Any]], headline: str
) -> dict[str, Any]:
    """All that ``report.html.j2`` asks for."""
    classes = class_rows(run, data)
    return {
        "signs": SIGNS, "called": CALLED, "means": MEANS, "rule": run.config.flags,
        "checks": [[c["state"], c["sentence"]] for c in run.verdict.values()["checks"]],
        "pair": run.pair, "verdicts": _states(classes, "verdict"),
        "confirmations": _states(classes, "confirmation"),
        "run": _banner(run, classes, headline), "facts": _facts(run),
        "warnings": run.results.summary["warnings"],
        "classes": classes[:LISTED], "more_classes": max(len(classes) - LISTED, 0),
        "confirm_head": CONFIRM_HEAD, "strata_head": STRATA_HEAD,
        **gallery(run, shown, data["n_scored"], inside=True),
        "more_pictures": run.config.report.gallery,
        **method_part(run), **_quality(run, data),
        "limits": LIMITS, "definitions": DEFINITIONS, "baseline_methods": BASELINE_METHODS,
        "findings": _findings(run.config.report.proving),
        "provenance": _provenance(run.results.provenance),
        "tables": sorted(run.results.provenance["hashes"]["tables"].items()),
    }  # fmt: skip


# -- top


def _banner(run: Run, classes: Sequence[Row], headline: str) -> dict[str, Any]:
    verdict = run.verdict.values()
    reasons = three_reasons(verdict, classes)
    urgent = [c for c in classes if c["verdict"] == "flagged"] or [
        c for c in classes if c["verdict"] == "inconclusive"
    ]
    return {
        "name": verdict["name"],
        **_title(verdict["result"], classes),
        "headline": f"{headline}, on {verdict['date']} (UTC).",
        "reasons": reasons,
        "more_reasons": max(len(verdict["reasons"]) - len(reasons), 0),
        "next": [
            {"class": c["class"], "anchor": c["anchor"], "told": c["advice"]}
            for c in urgent[:STEPS]
        ],
        "baseline": _baseline(run),
        "sign_off": _sign_off(run.layout.root),
    }


def _sign_off(root: Path) -> str:
    """The state, and the conditions where there are any."""
    found = sign_off_state(root)
    asked = found.last.conditions if found.last else ""
    return f"{found.sentence()}." + (f" Conditions: {asked}" if asked else "")


def _baseline(run: Run) -> dict[str, str]:
    """What changed since the run that the policy names, which is compared image by image."""
    named = run.verdict.policy.baseline
    if named is None:
        return {"told": "none was named, so nothing is known.", "page": ""}
    found = compare_runs(
        Path(named), run.layout.root, method=run.pair[0], layer=run.pair[1],
        despite_differences=run.verdict.policy.baseline_differences == "report",
    )  # fmt: skip
    folder = output_folders(Path(named), [run.layout.root], None)[0]
    write_comparison(found, folder)
    page = folder.relative_to(run.layout.root) / "comparison.html"
    changed = [
        f"{state}: {', '.join(map(shown_name, names))}."
        for state in ("worse", "better")
        if (names := found.of_state(state))
    ]
    return {"told": " ".join([found.overall["sentence"], *changed]), "page": page.as_posix()}


def _title(result: str, classes: Sequence[Row]) -> dict[str, str]:
    """The result in a line, and its tone: a policy may hold although a class was not cleared."""
    if result == "fail":
        return {"title": f"{SIGNS['fail']} The policy fails", "tone": "fail"}
    left = sum(c["verdict"] != "pass" for c in classes)
    if not left:
        return {"title": f"{SIGNS['pass']} The policy holds", "tone": "pass"}
    told = f"The policy holds, but not all classes were cleared: {left} of {len(classes)} were not"
    return {"title": f"{SIGNS['warn']} {told}", "tone": "doubt"}


def _facts(run: Run) -> list[dict[str, str]]:
    summary = run.results.summary
    counts, whole_run = summary["counts"], run.results.report(run.pair).overall
    verdicts = {row["class"]: row["verdict"] for row in run.classes}
    passing = sum(v == "pass" for v in verdicts.values())
    flagged = sum(v == "flagged" for v in verdicts.values())
    confirmed = sum(row["confirmation"] == "confirmed" for row in run.classes)
    judged = figure(int(number(whole_run, "n_eligible") or 0))
    out = counts["images_excluded"]
    left_out = f"{figure(out)} left out, listed below" if out else "none left out"
    told = (
        ("Classes flagged", f"{flagged} of {len(verdicts)}", f"{confirmed} confirmed by changes"),
        ("Classes that pass", f"{passing} of {len(verdicts)}", "shown to look at the object"),
        ("Images", figure(counts["images_audited"]), left_out),
        ("Accuracy", percent(number(whole_run, "accuracy")), "of the model on these images"),
        (
            "Pointing accuracy", percent(number(whole_run, "pointing_accuracy")),
            f"chance {percent(number(whole_run, 'pointing_chance'))}",
        ),
        (
            "Background-focused", percent(number(whole_run, "background_focused_rate"), 1),
            f"of {judged} records judged",
        ),
    )  # fmt: skip
    return [dict(zip(("what", "much", "told"), fact, strict=True)) for fact in told]


def _states(classes: Sequence[Row], name: str) -> list[str]:
    return sorted({row[name] for row in classes})


def _findings(folder: str | None) -> list[str]:
    """What the proving ground found on this model and these images."""
    if folder is None:
        return []
    path = Path(folder) / "own.json"
    if not path.is_file():
        raise AuditError(
            "is missing", where=f"report.proving: {path}",
            hint="`focus-audit prove --config CONFIG --out FOLDER` writes it",
        )  # fmt: skip
    return list(read_json(path)["findings"])


# -- data


def _quality(run: Run, data: Mapping[str, Any]) -> dict[str, Any]:
    summary = run.results.summary
    counts = summary["counts"]
    plain = [[name.replace("_", " "), n] for name, n in counts.items() if isinstance(n, int)]
    why_not = [[k.replace("_", " "), n] for k, n in counts["records_not_eligible"].items()]
    excluded = run.table("excluded.csv")
    classes = sorted(data["records_by_class"].items(), key=lambda item: (-item[1], item[0]))
    edges = data["area_fraction"]["edges"]
    areas = [
        (f"{percent(low)} to {percent(high)}", n)
        for low, high, n in zip(edges, edges[1:], data["area_fraction"]["records"], strict=False)
    ]
    shown = [(shown_name(name), n) for name, n in classes[:DETAILED]]
    return {
        "counts": plain, "why_not": why_not, "duplicates": data["near_duplicates"],
        "by_class": svg.bars(shown, "Records by class: " + _told(shown)),
        "by_area": svg.bars(areas, "Records by the boxes' share of the image: " + _told(areas)),
        "excluded": [[row[k] or "" for k in OUT] for row in excluded[:EXCLUDED]],
        "n_excluded": len(excluded),
        "unmapped": ", ".join(map(shown_name, summary["classes_not_mapped"])),
    }  # fmt: skip


def _told(counts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts)


def _provenance(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    git = (found["git"] or {}).get("package") or {}
    model = "; ".join(f"{Path(path).name} {sha}" for path, sha in found["hashes"]["model"].items())
    choices = found["choices"]
    commit = git.get("commit", "not in a repository")
    layers = "; ".join(f"{layer['path']}: {layer['reason']}" for layer in choices["layers"])
    return [
        ("Audit", found["config"]["audit"]["name"]),
        ("Run", f"{found['started']} to {found['finished']}"),
        ("Model (SHA-256)", model),
        ("Images (SHA-256 of all)", found["hashes"]["images"]),
        ("focus-audit", f"{found['focus_audit']}, source {found['hashes']['package_source']}"),
        ("Commit", f"{commit}, with changes that are in no commit" if git.get("dirty") else commit),
        ("Classes and the model's outputs", _outputs(choices["classes"])),
        ("Output", f"{choices['output']}: {choices['output_reason']}"),
        ("Score explained", f"{choices['score']}: {choices['score_reason']}"),
        ("Layer", layers),
        ("Seed", str(found["config"]["audit"]["seed"])),
        ("Versions", ", ".join(f"{name} {v}" for name, v in found["versions"].items() if v)),
        ("Machine", f"{found['host']['system']}, {found['host']['processor']}"),
    ]  # fmt: skip


def _outputs(classes: Mapping[str, Sequence[int]]) -> str:
    """Class -> outputs, the first of very many."""
    told = [
        f"{shown_name(name)}: {', '.join(map(str, units[:EACH]))}"
        for name, units in classes.items()
    ]
    more = len(told) - EXCLUDED
    return "; ".join(told[:EXCLUDED]) + (f"; and {more} more" if more > 0 else "")
