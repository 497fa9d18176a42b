"""JSON files that a stage wrote and another reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from audit.errors import AuditError

AGAIN = "delete it and run again"


def read_json(path: Path, hint: str = AGAIN) -> dict[str, Any]:
    """The object in a file.

    Raises
    ------
    AuditError: it is missing, cannot be read, or holds something else; with ``hint``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise AuditError("is missing", where=str(path), hint=hint) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise AuditError(f"cannot be read: {reason}", where=str(path), hint=hint) from None
    except UnicodeDecodeError as error:
        raise AuditError(f"is damaged: {error}", where=str(path), hint=hint) from None
    return parse_object(text, str(path), hint)


def parse_object(text: str | bytes, where: str, hint: str | None = None) -> dict[str, Any]:
    """The object that a text is.

    Raises
    ------
    AuditError: it is no JSON, or no object.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AuditError(f"is damaged: {error}", where=where, hint=hint) from None
    if not isinstance(values, dict):
        raise AuditError("is no JSON object", where=where, hint=hint)
    return values
