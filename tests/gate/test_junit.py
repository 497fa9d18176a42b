"""JUnit XML as build servers read it."""

import datetime

import pytest
from defusedxml import ElementTree

from audit.gate import evaluate, junit, verdict_of

DAY = datetime.date(2026, 5, 31)
HOSTILE = "a\"b<c>&']]>\x00\x1b\ud800\ufffe é\n日本"


@pytest.fixture
def suite(policy, report, row):
    """The parsed suite of a policy's verdict on some rows, once its structure was seen to."""

    def build(*rows, **values):
        asked = policy(**values)
        checks = evaluate(asked, report(*rows), None)
        root = ElementTree.fromstring(junit(verdict_of("a", ("m", "l"), asked, checks, DAY, {})))
        (found,) = root
        assert (root.tag, found.tag) == ("testsuites", "testsuite")
        cases = found.findall("testcase")
        assert int(found.get("tests")) == len(cases) == len(checks)
        assert int(found.get("failures")) == len(found.findall("testcase/failure"))
        assert int(found.get("skipped")) == len(found.findall("testcase/skipped"))
        assert found.get("errors") == "0" and found.get("timestamp") == "2026-05-31T00:00:00"
        assert {child.tag for child in found} <= {"testcase", "system-out"}
        names = [(case.get("classname"), case.get("name")) for case in cases]
        assert len(names) == len(set(names)) and all(a and b for a, b in names)
        for case in cases:
            assert float(case.get("time")) == 0 and len(case) <= 1
            assert {child.tag for child in case} <= {"failure", "skipped", "system-out"}
        return found

    return build


def test_each_state_is_what_build_servers_know(suite, row):
    waiver = {"limit": "flagged", "class_name": "waived", "owner": "Ann", "reason": "known"}
    found = suite(
        row("waived", verdict="flagged"), row("flagged", verdict="flagged"), row("fine"),
        row("warned", verdict="inconclusive"),
        waivers=[{**waiver, "expires": "2026-05-31"}],
    )  # fmt: skip
    told = {c.get("classname"): c for c in found.findall("testcase[@name='verdict']")}
    assert {name: [e.tag for e in case] for name, case in told.items()} == {
        "a.class waived": ["skipped"], "a.class flagged": ["failure"], "a.class fine": [],
        "a.class warned": ["system-out"],
    }  # fmt: skip
    assert "by Ann: known" in told["a.class waived"][0].get("message")
    failure = told["a.class flagged"][0]
    assert failure.get("message") == failure.text and failure.get("type") == "fail"


def test_what_was_not_observed_is_skipped_where_it_does_not_fail(suite, row):
    values = {"classes": {"min_accuracy": 0.5}}
    lenient = suite(row(accuracy=None), not_observed="warn", **values)
    assert lenient.get("failures") == "0" and lenient.get("skipped") == "1"
    strict = suite(row(accuracy=None), **values)
    assert strict.find("testcase/failure").get("type") == "not_observed"


def test_names_that_xml_cannot_hold(suite, row):
    found = suite(row(HOSTILE, verdict="flagged"), row("\x01 other"))
    (name,) = {
        c.get("classname") for c in found.findall("testcase") if "日本" in c.get("classname")
    }
    assert name == "a.class a\"b<c>&']]>\ufffd\ufffd\ufffd\ufffd é\n日本"
    assert found.find("testcase/failure").text.startswith("a\"b<c>&']]>\ufffd")
