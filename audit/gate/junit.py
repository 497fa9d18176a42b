"""A verdict as JUnit XML, which build servers show as test results.

The dialect that Jenkins, GitHub and GitLab read: one ``testsuite`` an audit, one ``testcase`` a check.
A check that fails is a ``failure``, what is waived or not observed without failing is ``skipped``, a
warning passes and says so in ``system-out``.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from audit.gate.checks import Check
from audit.gate.verdict import Verdict
from audit.gate.waivers import Waived

# What XML 1.0 cannot hold, not even escaped; U+FFFD, the replacement character, stands for it.
IMPOSSIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(verdict: Verdict) -> bytes:
    """The document, UTF-8."""
    waived = {(w.waiver.limit, w.waiver.class_name): w for w in verdict.waivers}
    suite = ElementTree.Element(
        "testsuite",
        name=_text(verdict.name),
        tests=str(len(verdict.checks)),
        failures=str(sum(check.fails for check in verdict.checks)),
        errors="0",
        skipped=str(sum(_skipped(check) for check in verdict.checks)),
        time="0",
        timestamp=f"{verdict.date.isoformat()}T00:00:00",
    )
    suite.extend(
        _case(check, verdict, waived.get((check.finding, check.class_name)))
        for check in verdict.checks
    )
    if verdict.remarks:
        ElementTree.SubElement(suite, "system-out").text = _text("\n".join(verdict.remarks))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(check: Check, verdict: Verdict, waived: Waived | None) -> ElementTree.Element:
    """One check. Its name stays the same from run to run, so that a build server keeps its history."""
    subject = "all classes" if check.class_name is None else f"class {check.class_name}"
    case = ElementTree.Element(
        "testcase",
        classname=_text(f"{verdict.name}.{subject}"),
        name=check.limit,
        time="0",
    )
    if check.fails:
        failure = ElementTree.SubElement(
            case, "failure", message=_text(check.sentence), type=check.found
        )
        failure.text = _text(check.sentence)
    elif _skipped(check):
        told = waived.sentence() if check.waived and waived else check.sentence
        ElementTree.SubElement(case, "skipped", message=_text(told))
    elif check.found == "warn":
        ElementTree.SubElement(case, "system-out").text = _text(f"warning: {check.sentence}")
    return case


def _skipped(check: Check) -> bool:
    return check.waived or (check.found == "not_observed" and not check.fails)


def _text(text: str) -> str:
    """Text that XML can hold; escaping is the library's."""
    return IMPOSSIBLE.sub("\N{REPLACEMENT CHARACTER}", text)
