"""The sign-off log: what breaks its chain, and what does not get in."""

import hashlib
import json

import pytest

from audit.bundle.canonical import canonical
from audit.bundle.chain import SIGNED, START, read_chain, sealed
from audit.errors import AuditError

TEXT = 'Zoë said "no"\n\t\\ \x1f\x7f \u2028 \U0001f600 <!channel>'


def entry(number=1, before=START, **change):
    values = {
        "schema_version": "1", "number": number, "when": "2026-05-01T10:00:00Z",
        "date": "2026-05-01", "reviewer": "Ann", "role": "QA", "decision": "approve",
        "reason": TEXT, "conditions": None, "signed": dict.fromkeys(SIGNED, "a" * 64),
        "seen": {}, "before": before,
    }  # fmt: skip
    return sealed({**values, **change})


def chain(count):
    entries = []
    for number in range(1, count + 1):
        entries.append(entry(number, entries[-1].digest if entries else START))
    return entries


def log(entries):
    return b"".join(e.line() for e in entries)


def test_what_is_written_reads_back():
    entries = chain(3)
    assert read_chain(log(entries)) == (tuple(entries), [])
    assert read_chain(b"") == ((), [])


def test_the_digest_can_be_made_again_by_the_book():
    """As another program would: RFC 8785 over all keys but the digest."""
    values = json.loads(entry().line())
    told = values.pop("digest")
    pairs = (f"{json.dumps(k)}:{spelled(values[k])}" for k in sorted(values))
    assert hashlib.sha256(f"{{{','.join(pairs)}}}".encode()).hexdigest() == told


def spelled(value):
    """A value in canonical JSON, character by character."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{spelled(k)}:{spelled(value[k])}" for k in sorted(value)) + "}"
    if not isinstance(value, str):
        return {None: "null"}.get(value, str(value))
    return f'"{"".join(map(escaped, value))}"'


def escaped(character):
    names = {"\b": "b", "\t": "t", "\n": "n", "\f": "f", "\r": "r", '"': '"', "\\": "\\"}
    if character in names:
        return "\\" + names[character]
    return f"\\u{ord(character):04x}" if character < " " else character


def test_a_float_has_no_spelling_here():
    with pytest.raises(TypeError):
        canonical({"a": [1, {"b": 0.5}]})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"decision":"approve"', b'"decision":"reject"'),
        (b'"number":2', b'"number":3'),
        (b'"date":"2026-05-01"', b'"date":"2026-05-02"'),
        (b'"a', b'"b'),
        (b'"conditions":null', b'"conditions": null'),
        (b'"role":"QA"', b'"role":"QA","role":"QA"'),
        (b'"number":2', b'"number":true'),
        (b'"number":2', b'"number":2.0'),
        (b'"role":"QA"', b'"role":"\\ud800"'),
        (b'"seen":{}', b'"seen":[]'),
    ],
)
def test_an_edited_entry_is_told(old, new):
    entries = chain(3)
    lines = [e.line() for e in entries]
    assert old in lines[1]
    lines[1] = lines[1].replace(old, new, 1)
    kept, faults = read_chain(b"".join(lines))
    assert kept == tuple(entries[:1]) and len(faults) == 1 and faults[0].startswith("entry 2 ")


def test_an_edited_entry_with_a_new_digest_breaks_the_next_one():
    entries = chain(3)
    forged = entry(2, entries[0].digest, reason="another")
    kept, faults = read_chain(log([entries[0], forged, entries[2]]))
    assert len(kept) == 2
    assert faults == ["entry 3 does not follow the entry before it: one was taken out or changed"]


@pytest.mark.parametrize(
    ("order", "fault"),
    [([0, 2], "entry 2 has number 3"), ([1], "entry 1 has number 2"), ([0, 0], "entry 2 has number 1")],
)  # fmt: skip
def test_an_entry_that_was_taken_out_or_doubled(order, fault):
    entries = chain(3)
    _, faults = read_chain(log([entries[i] for i in order]))
    assert len(faults) == 1 and faults[0].startswith(fault)


@pytest.mark.parametrize(
    "data",
    [
        b"{}\n",
        b"[]\n",
        b"no JSON\n",
        b"\n",
        b"\xff\n",
        b'{"a":1}\n',
        b"null\n",
        b"[" * 99999 + b"\n",
    ],
)
def test_what_is_no_log(data):
    entries, faults = read_chain(data)
    assert entries == () and len(faults) == 1


def test_half_a_line():
    entries = chain(2)
    assert read_chain(log(entries)[:-10])[1] == ["the last entry is cut off"]


def test_an_entry_that_signs_less():
    _, faults = read_chain(entry(signed={"verdict.json": "a" * 64}).line())
    assert faults == ["entry 1 does not sign what a sign-off signs"]


def test_a_log_of_another_version():
    _, faults = read_chain(entry(schema_version="2").line())
    assert faults == ["entry 1 is of version 2, not 1"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"reviewer": "  "}, "--reviewer"),
        ({"reason": "x" * 5000}, "--reason"),
        ({"role": "\udcff"}, "--role: is not Unicode"),
        ({"decision": "maybe"}, "--decision"),
        ({"decision": "conditional"}, "--conditions"),
        ({"conditions": "not at night"}, "--conditions"),
    ],
)
def test_what_cannot_be_signed(change, told):
    with pytest.raises(AuditError, match=told):
        entry(**change)
