"""The one line that a user reads, whatever the input held."""

import pytest

from audit.errors import MAX_QUOTED, AuditError, nearest, one_line, quote

HOSTILE = [
    "a\nb",
    "a\r\nb",
    "a\x1b[2Jb",
    "a\x00b",
    "a\u202egpj.b",
    "a\u2028b",
    "a\x85b",
    "a\udcffb",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_message_is_one_printable_line_that_can_be_encoded(name):
    error = AuditError(f"bad {name}", where=name, expected=name, received=name, hint=name)
    text = str(error)
    assert text == error.line()
    assert text.splitlines() == [text]
    assert text.isprintable()
    text.encode()


def test_parts_stand_in_order():
    error = AuditError("is bad", where="a.yaml: x", expected="a box", received=[1], hint="look")
    assert str(error) == "a.yaml: x: is bad; expected a box, received [1]; look"
    assert str(AuditError("is bad")) == "is bad"


def test_falsy_values_are_told_and_none_is_not():
    assert str(AuditError("is bad", received="")) == "is bad, received ''"
    assert str(AuditError("is bad", received=0)) == "is bad, received 0"
    assert str(AuditError("is bad", received=None)) == "is bad"


def test_what_is_printable_stays():
    assert one_line("Äpfel 林檎 '\\n'") == "Äpfel 林檎 '\\n'"
    assert one_line("a\nb\u202ec") == "a\\nb\\u202ec"


def test_quotes_are_cut_at_the_limit():
    longest = "x" * (MAX_QUOTED - 2)
    assert quote(longest) == repr(longest)
    cut = quote(longest + "x")
    assert len(cut) == MAX_QUOTED and cut.endswith("x...")


def test_nearest():
    assert nearest("mdoel", ["model", "audit"]) == "did you mean 'model'?"
    assert nearest("zzz", ["b", "a"]) == "the choices are: a, b"
    assert nearest("zzz", []) == "there are no choices"
    many = nearest("zzz", [f"c{i:02d}" for i in range(20)])
    assert "c11" in many and "c12" not in many and many.endswith("and 8 more")
