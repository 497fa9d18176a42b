"""The gate's result as an in-toto attestation: a statement about a model, for policy engines.

Statement v1 with the predicate ``test-result`` v0.1 of the in-toto Attestation Framework
(github.com/in-toto/attestation, ``spec/v1`` and ``spec/predicates/test-result.md``). It is not
signed by itself: the bundle's manifest lists it, and the signature is over that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from audit.bundle.manifest import results_digest
from audit.bundle.names import CONFIG, RESULTS

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
LISTS = ("passedTests", "warnedTests", "failedTests")
# A waived check did not pass: somebody answers for it.
LISTED = {"pass": "passedTests", "warn": "warnedTests", "waived": "warnedTests"}


def statement(
    verdict: Mapping[str, Any], provenance: Mapping[str, Any], digests: Mapping[str, str]
) -> dict[str, Any]:
    """The attestation of a run.

    ``digests``: name in the bundle -> SHA-256, the results among them.
    """
    tests = _tests(verdict)
    return {
        "_type": STATEMENT_TYPE,
        "subject": [*_model(provenance), _named(RESULTS, results_digest(digests))],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": _result(verdict, tests),
            "configuration": [
                _named(RESULTS + CONFIG, digests[RESULTS + CONFIG]),
                _named("focus-audit", provenance["hashes"]["package_source"]),
            ],
            **tests,
        },
    }


def _model(provenance: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The model, as it was audited; of a folder the digest is over its files' names and digests."""
    return [_named(PurePath(p).name, d) for p, d in provenance["hashes"]["model"].items()]


def _named(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest}}


def _tests(verdict: Mapping[str, Any]) -> dict[str, list[str]]:
    """The checks by outcome, in the order of the verdict; what was not observed fails or warns."""
    tests: dict[str, list[str]] = {key: [] for key in LISTS}
    for check in verdict["checks"]:
        otherwise = "failedTests" if check["breaks"] else "warnedTests"
        tests[LISTED.get(check["state"], otherwise)].append(_name(check))
    return tests


def _name(check: Mapping[str, Any]) -> str:
    """``overall/LIMIT`` or ``class/LIMIT/CLASS``: a class may have any name, so that it comes last."""
    if check["class_name"] is None:
        return f"overall/{check['limit']}"
    return f"class/{check['limit']}/{check['class_name']}"


def _result(verdict: Mapping[str, Any], tests: Mapping[str, list[str]]) -> str:
    if verdict["result"] != "pass":
        return "FAILED"
    return "WARNED" if tests["warnedTests"] else "PASSED"
