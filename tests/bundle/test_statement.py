"""The attestation: what a policy engine is told for each kind of check."""

import pytest

from audit.bundle.statement import statement

DIGESTS = {"results/stages/config.json": "c" * 64, "results/a.csv": "a" * 64, "README.md": "b" * 64}
PROVENANCE = {"hashes": {"model": {"/there/my model.keras": "d" * 64}, "package_source": "e" * 64}}


def verdict(result, *checks):
    keys = ("class_name", "limit", "state", "breaks")
    return {"result": result, "checks": [dict(zip(keys, check, strict=True)) for check in checks]}


def predicate(result, *checks):
    return statement(verdict(result, *checks), PROVENANCE, DIGESTS)["predicate"]


def test_what_it_is_about():
    made = statement(verdict("pass"), PROVENANCE, DIGESTS)
    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    model, results = made["subject"]
    assert model == {"name": "my model.keras", "digest": {"sha256": "d" * 64}}
    assert results["name"] == "results/" and len(results["digest"]["sha256"]) == 64
    config, package = made["predicate"]["configuration"]
    assert config["digest"] == {"sha256": "c" * 64} and package["digest"] == {"sha256": "e" * 64}


def test_another_file_is_another_subject_and_the_readme_is_no_part():
    subject = statement(verdict("pass"), PROVENANCE, DIGESTS)["subject"]
    assert (
        statement(verdict("pass"), PROVENANCE, DIGESTS | {"README.md": "0" * 64})["subject"]
        == subject
    )
    assert (
        statement(verdict("pass"), PROVENANCE, DIGESTS | {"results/a.csv": "0" * 64})["subject"]
        != subject
    )


def test_checks_by_outcome():
    told = predicate(
        "fail",
        (None, "fitness", "pass", False),
        ("cat/dog", "verdict", "fail", True),
        ("cat", "min_accuracy", "warn", False),
        ("cat", "max_rate", "waived", True),
        ("cat", "a", "not_observed", True),
        ("cat", "b", "not_observed", False),
    )
    assert told["passedTests"] == ["overall/fitness"]
    assert told["failedTests"] == ["class/verdict/cat/dog", "class/a/cat"]
    assert told["warnedTests"] == ["class/min_accuracy/cat", "class/max_rate/cat", "class/b/cat"]


@pytest.mark.parametrize(
    ("result", "state", "told"),
    [("pass", "pass", "PASSED"), ("pass", "waived", "WARNED"), ("pass", "warn", "WARNED"),
     ("fail", "fail", "FAILED"), ("fail", "pass", "FAILED")],
)  # fmt: skip
def test_the_result(result, state, told):
    assert predicate(result, (None, "x", state, state == "fail"))["result"] == told
