"""Changes of an input: bytes, values of a JSON tree, members of a zip."""

from __future__ import annotations

import io
import json
import random
import re
import zipfile
from typing import Any

MAX_BYTES = 1 << 16
NUMBERS = (
    b"0", b"-1", b"1", b"255", b"256", b"65536", b"2147483648", b"-9223372036854775809", b"1e308",
    b"1e999", b"-0.0", b"nan", b"inf", b"0.1", b"9" * 400, b"9" * 5000, b"1_0", b"0x7f", b"1,5",
)  # fmt: skip
BYTES = (b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"\xed\xa0\x80",
         b"\x1b[2J", b"\xe2\x80\xae", b"../", b"/etc/passwd", b"%s", b'"', b"'", b"<", b">", b"&",
         b"{", b"}", b"[", b"]", b",", b":", b"\\ud800", b"\\u0000", b"!!", b"&a", b"*a",
         b"<<")  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, -(2**63) - 1, 10**400, 1e308, -0.0, 0.5, "", " ", "\ud800",
    "\0", "\x1b[2J", "../x", "/x", "x" * 5000, [], {}, [None], [[]], {"": None}, [1, 2, 3, 4],
    "NaN",
)  # fmt: skip


def changed(
    data: bytes, pool: list[bytes], kind: str, tokens: tuple[bytes, ...], r: random.Random
) -> bytes:
    """``data`` with one to four changes."""
    for _ in range(r.choice((1, 1, 1, 2, 4))):
        if kind == "json" and r.random() < 0.6:
            data = _tree_changed(data, r)
        elif kind == "numbered" and r.random() < 0.6:
            data = data[:1] + _tree_changed(data[1:], r)
        elif kind == "zip" and r.random() < 0.75:
            data = _zip_changed(data, pool, tokens, r)
        else:
            data = _bytes_changed(data, pool, tokens, r)
    return data[:MAX_BYTES]


def _bytes_changed(
    data: bytes, pool: list[bytes], tokens: tuple[bytes, ...], r: random.Random
) -> bytes:
    at, length = _place(data, r)
    before, inside, after = data[:at], data[at : at + length], data[at + length :]
    what = r.randrange(9)
    if what == 0 and inside:
        flipped = bytearray(inside)
        flipped[r.randrange(len(flipped))] ^= 1 << r.randrange(8)
        return before + bytes(flipped) + after
    if what == 1:
        return before + after
    if what == 2:
        return before + inside * r.choice((2, 3, 50)) + after
    if what == 3:
        return before + r.choice(BYTES + tokens) + (inside if r.random() < 0.5 else b"") + after
    if what == 4:
        return _number_changed(data, r)
    if what == 5:
        other = r.choice(pool)
        start, size = _place(other, r)
        return before + other[start : start + size] + after
    if what == 6:
        return before
    if what == 7:
        return before + r.randbytes(r.choice((1, 2, 4, 16))) + after
    return before + r.choice(tokens or BYTES) * r.choice((1, 3, 1500)) + inside + after


def _place(data: bytes, r: random.Random) -> tuple[int, int]:
    at = r.randrange(len(data) + 1)
    return at, min(r.choice((1, 1, 2, 4, 16, 64, 512)), len(data) - at)


def _number_changed(data: bytes, r: random.Random) -> bytes:
    found = list(re.finditer(rb"-?\d+(\.\d+)?", data[:MAX_BYTES]))
    if not found:
        return data + r.choice(NUMBERS)
    match = r.choice(found)
    return data[: match.start()] + r.choice(NUMBERS) + data[match.end() :]


def _tree_changed(data: bytes, r: random.Random) -> bytes:
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return data
    places = list(_places(tree))
    if not places:
        return json.dumps(r.choice(VALUES)).encode()
    holder, key = r.choice(places)
    what = r.randrange(6)
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, list):
        holder.insert(key, holder[key])
    elif what == 2 and isinstance(holder, dict):
        other, name = r.choice(places)
        holder[name if isinstance(name, str) else str(r.choice(VALUES))] = other[name]
    elif what == 3:
        other, name = r.choice(places)
        holder[key] = json.loads(json.dumps(other[name]))
    elif what == 4:
        holder[key] = _nested(r)
    else:
        holder[key] = r.choice(VALUES)
    return json.dumps(tree, ensure_ascii=r.random() < 0.9).encode("utf-8", "surrogatepass")


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value."""
    found, waiting = [], [tree]
    while waiting and len(found) < 20_000:
        holder = waiting.pop()
        keys = (
            holder
            if isinstance(holder, dict)
            else range(len(holder))
            if isinstance(holder, list)
            else ()
        )
        for key in keys:
            found.append((holder, key))
            waiting.append(holder[key])
    return found


def _nested(r: random.Random) -> Any:
    value: Any = 0
    for _ in range(r.choice((3, 50, 400, 900))):
        value = [value] if r.random() < 0.7 else {"a": value}
    return value


def _zip_changed(
    data: bytes, pool: list[bytes], tokens: tuple[bytes, ...], r: random.Random
) -> bytes:
    """A whole archive again, with one member changed, renamed, doubled, taken out or put in."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [
                (i, archive.read(i)) for i in archive.infolist()[:50] if i.file_size < MAX_BYTES
            ]
    except Exception:  # whatever a broken archive raises
        return data
    if not members:
        return data
    at = r.randrange(len(members))
    info, content = members[at]
    what = r.randrange(8)
    name, kind = info.filename, 0o100644
    if what == 0:
        name = r.choice(
            (
                "../x",
                "/x",
                "a\\b",
                "",
                "x" * 2000,
                name + "/",
                "a\0b",
                "assets/x",
                "\x1b[2J",
                name.upper(),
            )
        )
    elif what == 1:
        kind = r.choice((0o120777, 0o060000, 0o010000, 0o040755))
    elif what == 2:
        members.append(members[at])
    elif what == 3:
        del members[at]
    elif what == 4 and name.endswith(".json"):
        content = _tree_changed(content, r)
    else:
        content = _bytes_changed(content, pool, tokens, r)
    if what != 3:
        members[at] = (zipfile.ZipInfo(name), content)
        members[at][0].external_attr = kind << 16
    return _zipped(members, r.choice((0, 0, 8, 8, 12, 14)))


def _zipped(members: list[tuple[zipfile.ZipInfo, bytes]], how: int) -> bytes:
    out = io.BytesIO()
    import warnings

    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")  # of names given twice
        for info, content in members:
            again = zipfile.ZipInfo(info.filename or "x")
            again.external_attr, again.compress_type = info.external_attr, how
            archive.writestr(again, content)
    return out.getvalue()
