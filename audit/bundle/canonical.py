"""JSON with one spelling, so that a digest over it can be made again by anybody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from audit.digest import digest_bytes


def canonical(values: Mapping[str, Any]) -> bytes:
    """The JSON Canonicalization Scheme's spelling (RFC 8785) of what this package puts into it.

    Keys in ASCII, sorted; no spaces; UTF-8. Of numbers only integers are allowed, whose spelling
    needs no rule.

    Raises
    ------
    UnicodeEncodeError: a text holds half of a surrogate pair.
    TypeError: a float.
    """
    _refuse_floats(values)
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8")


def digest_canonical(values: Mapping[str, Any]) -> str:
    """SHA-256 of :func:`canonical`."""
    return digest_bytes(canonical(values))


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError(f"a float has no place here: {value!r}")
    inner = value.values() if isinstance(value, Mapping) else value
    for item in inner if isinstance(value, Mapping | list | tuple) else ():
        _refuse_floats(item)
