"""`focus-audit gate`: exit codes, and what is said."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from audit.cli import main
from audit.config.gate import GateSection

REPOSITORY = Path(__file__).resolve().parents[2]
POLICY = """
gate:
  classes: {flagged: warn}
  waivers:
    - {limit: min_judged, owner: Ann, reason: few pictures, expires: 2026-05-31}
"""


def one_check(breaks):
    figure = dict.fromkeys(("bound", "observed", "low", "high", "n", "shown"))
    found = "fail" if breaks else "pass"
    return {
        "scope": "class", "class_name": "cat", "limit": "verdict", "finding": "flagged", **figure,
        "found": found, "breaks": breaks, "sentence": "cat: flagged", "waived": False,
        "state": found,
    }  # fmt: skip


@pytest.fixture
def results(tmp_path):
    """Builds a folder with a verdict of one check, and the tables that it rests on."""

    def build(breaks, waivers=()):
        from audit.digest import digest_bytes

        for name in ("per_class.csv", "summary.json"):
            (tmp_path / name).write_bytes(b"x")
        tables = dict.fromkeys(("per_class.csv", "summary.json"), digest_bytes(b"x"))
        policy = GateSection.model_validate({"waivers": list(waivers)})
        values = {
            "schema_version": "1", "name": "a", "method": "m", "layer": "l", "date": "2026-01-01",
            "policy": policy.model_dump(mode="json"), "checks": [one_check(breaks)],
            "tables": tables, "warnings": [], "baseline": None,
        }  # fmt: skip
        (tmp_path / "verdict.json").write_text(json.dumps(values))
        return tmp_path

    return build


@pytest.mark.parametrize(("breaks", "code"), [(False, 0), (True, 1)])
def test_the_exit_code_is_the_verdict(breaks, code, results, capsys):
    assert main(["gate", str(results(breaks))]) == code
    lines = capsys.readouterr().out.splitlines()
    wanted = ["Gate FAIL: 1 of 1 checks fail", "  cat: flagged"]
    assert lines == (wanted if code else ["Gate pass: no check fails"])


def test_two_is_for_what_cannot_be_told(results, capsys):
    folder = results(False)
    (folder / "per_class.csv").write_text("y")
    assert main(["gate", str(folder)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("focus-audit: error: ") and "was changed after the verdict" in line


@pytest.mark.parametrize(
    ("date", "code"), [("2026-05-30", 0), ("2026-05-31", 0), ("2026-06-01", 1)]
)
def test_the_date_decides_over_waivers(date, code, results):
    waiver = {"limit": "flagged", "class_name": "cat", "owner": "A", "reason": "b"}
    folder = results(True, [{**waiver, "expires": "2026-05-31"}])
    assert main(["gate", str(folder), "--date", date]) == code


@pytest.mark.parametrize("date", ["2026-13-01", "tomorrow", "2026-05-31T10:00"])
def test_a_date_that_is_none(date, results, capsys):
    with pytest.raises(SystemExit) as left:
        main(["gate", str(results(True)), "--date", date])
    assert left.value.code == 2 and "is no day" in capsys.readouterr().err


def test_junit_beside_the_exit_code(results, tmp_path):
    assert main(["gate", str(results(True)), "--junit", str(tmp_path / "out.xml")]) == 1
    assert b'failures="1"' in (tmp_path / "out.xml").read_bytes()


def test_it_answers_at_once_without_anything_heavy(results):
    heavy = ("tensorflow", "keras", "numpy", "pandas", "pyarrow", "cv2", "scipy", "snakemake")
    code = (
        "import sys\nfrom audit.cli import main\ncode = main(sys.argv[1:])\n"
        f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "gate", results(True)], cwd=REPOSITORY, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr.strip() == "[]"


# --- on a whole run


def test_another_policy_on_a_finished_run(audited, tmp_path, capsys):
    root = str(audited[1])
    assert main(["gate", root]) == 0
    (tmp_path / "strict.yaml").write_text("gate: {}\n")
    assert main(["gate", root, "--policy", str(tmp_path / "strict.yaml")]) == 1
    assert "  blue: flagged by the heatmaps" in capsys.readouterr().out
    (tmp_path / "mine.yaml").write_text(POLICY)
    assert main(["gate", root, "--policy", str(tmp_path / "mine.yaml")]) == 0
    assert "the waiver of Ann" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("audit: {name: x}\n", "has no `gate`"),
        ("gate: {clases: {}}\n", "unknown key 'gate.clases'; did you mean 'classes'?"),
        ("gate: {by_class: {cat: {min_acuracy: 1}}}\n", "did you mean 'min_accuracy'?"),
    ],
)
def test_a_policy_with_a_fault_is_one_line(text, line, audited, tmp_path, capsys):
    (tmp_path / "policy.yaml").write_text(text)
    assert main(["gate", str(audited[1]), "--policy", str(tmp_path / "policy.yaml")]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert line in told


def test_a_changed_policy_reruns_the_verdict_and_the_run_ends_with_one(
    audited, tmp_path, focus_audit
):
    import shutil

    import yaml

    folder = tmp_path / "copy"
    shutil.copytree(audited[0], folder)
    values = yaml.safe_load((folder / "audit.yaml").read_text())
    values["gate"] = {"classes": {"confirmed": "fail"}}
    (folder / "audit.yaml").write_text(yaml.safe_dump(values))
    root = folder / "reports" / "colours"
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*.*") if p.is_file()}
    done = focus_audit("run", "audit.yaml", cwd=folder)
    assert done.returncode == 1, done.stderr
    assert "Gate FAIL: 1 of 5 checks fail" in done.stdout
    changed = {p.name for p in before if p.stat().st_mtime_ns != before[p]}
    assert {n for n in changed if not n.endswith((".log", ".tsv", ".webp"))} == {
        "config.json", "digests.json", "heartbeat.json", "provenance.json", "verdict.json",
        "report.html", "report.json", "index.html",
        "compliance.json", "compliance.csv", "model_card.md",
    }  # fmt: skip
    assert (root / "overlays" / "index.csv").stat().st_mtime_ns == before[
        root / "overlays" / "index.csv"
    ]
    # Snakemake alone has done its work, whatever the verdict.
    again = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile",
         "--configfile", "audit.yaml", "--cores", "1"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 0), (2, 2)])
def test_the_demo_shows_a_gate_that_fails_and_ends_well(code, ends, monkeypatch, tmp_path, capsys):
    import audit.demo
    import audit.stages.launch
    from audit.demo.make import DemoPaths

    monkeypatch.setattr(audit.demo, "make_demo", lambda *args, **kwargs: DemoPaths(tmp_path))
    monkeypatch.setattr(audit.stages.launch, "run_audit", lambda *args: code)
    assert main(["demo"]) == ends
    assert ("the gate fails, as it should" in capsys.readouterr().err) == (code == 1)


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        ("{method: saliency}", "gate: method 'saliency' is not in explain.method"),
        ("{by_class: {bleu: {}}}", "gate: by_class: no class 'bleu'; did you mean 'blue'?"),
        ("{baseline: gone, overall: {max_drop_accuracy: 0.1}}", "gate.baseline: no such file"),
    ],
)
def test_a_policy_that_the_audit_cannot_meet_is_told_before_it_runs(
    gate, told, tmp_path, colours, colour_config, write_config, capsys
):
    import yaml

    values = colour_config(colours) | {"gate": yaml.safe_load(gate)}
    path = write_config(tmp_path, values)
    assert main(["check", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
