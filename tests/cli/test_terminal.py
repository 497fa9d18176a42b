"""Names from others reach the terminal as text: no code of theirs is sent to it."""

from types import SimpleNamespace

import pytest

from audit.cli import main

HOSTILE = "cat\x1b[2J\x9b31m\u202e\r\nfocus-audit: all is well"
SEEN = r"cat\x1b[2J\x9b31m\u202e\r\nfocus-audit: all is well"


@pytest.mark.parametrize(
    ("verb", "function", "found"),
    [
        ("check", "audit.stages.check.check_audit", [f"class {HOSTILE}: 3 images"]),
        ("layers", "audit.stages.layers.list_layers", [(HOSTILE, "8x8", "", "")]),
        (
            "compare-methods",
            "audit.stages.compare_methods.compare_run",
            SimpleNamespace(lines=lambda: [HOSTILE]),
        ),
    ],
)
def test_names_are_told_and_do_nothing(verb, function, found, monkeypatch, capsys):
    monkeypatch.setattr(function, lambda *_: found)
    monkeypatch.setattr("audit.stages.compare_methods.results_of", lambda path: path)
    assert main([verb, "x"]) == 0
    told = capsys.readouterr().out
    assert SEEN in told and len(told.splitlines()) == 1
    assert not {"\x1b", "\x9b", "\r", "\u202e"} & set(told)
