"""``export --to summary``: the verdict as one neutral JSON for a scheduler, webhook or chat."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from audit.report.message import FOREMOST, MAX_REASON, message, plain
from audit.stages.gate import Results, gate
from audit.tables.atomic import write_json

# Raised when the meaning of a key changes.
MESSAGE_VERSION = "1"
PAGE = "report.html"


def export_summary(root: Path, day: datetime.date) -> dict[str, Any]:
    """The message of the results in ``root``, waivers settled for ``day``.

    All text in it is plain: names and reasons are as :func:`audit.report.message.plain` makes them.

    Raises
    ------
    AuditError: a table or the verdict is missing, of another version, or was changed since.
    """
    verdict = gate(root, day)
    rows = Results.read(root).report((verdict.method, verdict.layer)).classes
    classes = {
        state: [plain(row["class"]) for row in rows if row["verdict"] == state]
        for state in (*FOREMOST, "pass")
    }
    confirmed = [plain(row["class"]) for row in rows if row["confirmation"] == "confirmed"]
    result = "pass" if verdict.passes else "fail"
    page = root / PAGE
    return {
        "schema_version": MESSAGE_VERSION,
        "text": message(verdict.name, result, day.isoformat(), classes, verdict.reasons),
        "result": result,
        "reasons": [plain(reason, MAX_REASON) for reason in verdict.reasons],
        "classes": {**classes, "confirmed": confirmed},
        "name": verdict.name,
        "date": day.isoformat(),
        "report": str((page if page.is_file() else root).resolve()),
        "compared_with": (verdict.baseline or {}).get("results"),
    }


def write_summary(values: dict[str, Any], path: Path | None) -> None:
    """To a file, atomically, or to standard output."""
    if path is None:
        print(json.dumps(values, indent=2, ensure_ascii=False))
    else:
        write_json(path, values)
