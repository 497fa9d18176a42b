"""The compliance tables from a results folder."""

import csv
import json

import pytest

from audit.digest import digest_file
from audit.errors import AuditError
from audit.gate.figures import REQUIRED
from audit.stages.compliance import compliance, compliance_part, write_compliance
from tests.stages.finished import write_finished

HOSTILE = "=cmd|'/C calc'!A0"


@pytest.fixture
def results(tmp_path):
    return write_finished(tmp_path / "zoo", {"cat": "pass", HOSTILE: "flagged"})


def test_files_say_the_same(results):
    told = compliance(results)
    write_compliance(results, told)
    values = json.loads((results / "compliance.json").read_text("utf-8"))
    assert values == told.values() and values["schema_version"] == "1"
    with (results / "compliance.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["evidence"] for r in rows] == ["; ".join(m["evidence"]) for m in values["mapping"]]
    assert set(values["system"].values()) == {"not stated"}
    card = (results / "model_card.md").read_text("utf-8")
    assert card.startswith("# Model card: zoo\n") and r"=cmd\|'/C calc'\!A0" in card


def test_the_same_run_gives_the_same_bytes(results):
    names = ("compliance.json", "compliance.csv", "model_card.md")
    digests = []
    for _ in range(2):
        write_compliance(results, compliance(results))
        digests.append([digest_file(results / name) for name in names])
    assert digests[0] == digests[1]


def test_what_the_config_says_of_the_system_is_repeated(tmp_path):
    system = {"name": "Sorter <3>", "risk_id": "R-7"}
    root = write_finished(tmp_path / "zoo", {"cat": "pass"}, system=system)
    told = compliance(root)
    write_compliance(root, told)
    assert (root / "model_card.md").read_text().startswith("# Model card: Sorter \\<3\\>\n")
    assert told.system["name"] == "Sorter <3>" and told.system["owner"] == "not stated"


def test_a_table_that_was_changed_is_refused(results):
    (results / "per_class.csv").write_text(",".join(REQUIRED))
    with pytest.raises(AuditError, match="was changed after the run"):
        compliance(results)


def test_the_part_of_the_page_says_all_and_escapes_names(tmp_path):
    system = {"name": "<script>x</script>\u202e"}
    told = compliance(write_finished(tmp_path / "zoo", {"<b>": "pass"}, system=system))
    part = str(compliance_part(told))
    assert "<script" not in part and "<b>" not in part.replace("<b>Not covered:</b>", "")
    assert "&lt;script&gt;x&lt;/script&gt;\\u202e" in part and "&lt;b&gt;" in part
    assert all(row.clause in part and row.asks in part for row in told.mapping)
    assert part.count("<details>") == part.count("</details>") == 4
