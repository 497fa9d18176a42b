"""The bill of materials is CycloneDX by its own schema, complete, and the same bytes each time."""

import json
import os
import subprocess
import sys

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.packaging import bill as module
from tests.packaging.bill import bill
from tests.packaging.packages import LOCK, ROOT, installed, pins_for


@pytest.fixture(scope="module")
def text():
    return bill(epoch=1_780_000_000)


@pytest.fixture(scope="module")
def told(text):
    return json.loads(text)


def test_it_is_valid(text, told):
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    wrong = told | {"components": [told["components"][0] | {"type": "nothing of the kind"}]}
    assert validator.validate_str(json.dumps(wrong)) is not None


def test_every_package_is_there_with_its_pin_purl_hashes_and_licence(told):
    packages, pins = installed(), pins_for(LOCK)
    assert [c["name"] for c in told["components"]] == list(packages)
    for component in told["components"]:
        name, pin = component["name"], pins[component["name"]]
        assert component["purl"] == f"pkg:pypi/{name}@{pin.version}"
        assert sorted(h["content"] for h in component["hashes"]) == sorted(pin.hashes)
        assert component["licenses"]
    scopes = {c["name"]: c["scope"] for c in told["components"]}
    assert (scopes["tensorflow"], scopes["mlflow-skinny"]) == ("required", "optional")


def test_every_package_is_needed_by_something(told):
    needs = {d["ref"]: d.get("dependsOn", []) for d in told["dependencies"]}
    root = told["metadata"]["component"]["bom-ref"]
    reached, queue = set(), [root]
    while queue:
        ref = queue.pop()
        queue += [n for n in needs[ref] if n not in reached]
        reached.update(needs[ref])
    assert reached == {c["bom-ref"] for c in told["components"]}
    assert any(ref.startswith("tensorflow@") for ref in needs[root])
    assert not any(ref.startswith("absl-py@") for ref in needs[root])


def test_the_same_bytes_in_another_process_and_a_time_only_where_one_is_given(text, told):
    assert told["metadata"]["timestamp"] == "2026-05-28T20:26:40+00:00"
    code = "import sys; from tests.packaging.bill import bill; sys.stdout.write(bill(epoch=1780000000))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "11", "TZ": "Asia/Tokyo"},
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert done.stdout == text
    without = json.loads(bill())
    assert "timestamp" not in without["metadata"]
    assert without["serialNumber"] != told["serialNumber"]


def test_a_version_without_a_pin_is_refused(monkeypatch):
    monkeypatch.setattr(module, "pins_for", lambda lock: {})
    with pytest.raises(ValueError, match=r"absl-py [\d.]+ is installed, and not in a lock file"):
        bill()
