"""The examples of unattended audits: every file is what it says, and its commands exist and run."""

import ast
import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from audit.cli import _parse
from tests.stages.finished import write_finished

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "configs" / "examples"
FILES = {"README.md", "crontab", "post-summary.sh", "github-actions.yml", "airflow_dag.py"}
OPERATORS = set("();<>|&")


def commands(text):
    """Arguments of every focus-audit that a shell text calls."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.lstrip().startswith("#"):
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
        for at, word in enumerate(words):
            if word == "focus-audit":
                rest = words[at + 1 :]
                end = next((k for k, w in enumerate(rest) if set(w) <= OPERATORS), len(rest))
                found.append(rest[:end])
    return found


def cron_line():
    (line,) = [t for t in text("crontab").splitlines() if re.match(r"[\d*]", t)]
    return line.split(maxsplit=5)


def workflow_steps():
    (job,) = yaml.safe_load(text("github-actions.yml"))["jobs"].values()
    return job["steps"]


def dag_tasks():
    """Task -> bash command."""
    calls = [n for n in ast.walk(ast.parse(text("airflow_dag.py"))) if isinstance(n, ast.Call)]
    operators = [c for c in calls if getattr(c.func, "id", "") == "BashOperator"]
    values = [{k.arg: k.value for k in call.keywords} for call in operators]
    return {v["task_id"].value: v["bash_command"].value for v in values}


def text(name):
    return (EXAMPLES / name).read_text("utf-8")


SHELL = {
    "crontab": lambda: cron_line()[5],
    "post-summary.sh": lambda: text("post-summary.sh"),
    "github-actions.yml": lambda: "\n".join(s["run"] for s in workflow_steps() if "run" in s),
    "airflow_dag.py": lambda: "\n".join(dag_tasks().values()),
}


def test_every_example_is_told_of_and_tested():
    there = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert there == FILES == {*SHELL, "README.md"}
    assert all(f"]({name})" in text("README.md") for name in SHELL)


@pytest.mark.parametrize("name", SHELL)
def test_every_command_and_option_exists(name):
    called = commands(SHELL[name]())
    assert called
    for arguments in called:
        assert _parse(arguments).verb == arguments[0]  # an unknown option would exit


@pytest.mark.parametrize("name", SHELL)
def test_the_shell_can_read_it(name):
    done = subprocess.run(["sh", "-n"], input=SHELL[name](), text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_times_and_the_schedule_are_the_same_everywhere():
    schedule = " ".join(cron_line()[:5])
    workflow = yaml.safe_load(text("github-actions.yml"))
    assert workflow["on"]["schedule"] == [{"cron": schedule}]
    assert f'schedule="{schedule}"' in text("airflow_dag.py")
    assert "%" not in cron_line()[5]  # a line break, to cron


def test_the_verdict_alone_turns_the_workflow_red():
    runs = [s["run"] for s in workflow_steps() if "run" in s]
    assert [run.split()[1] for run in runs] == ["install", "run", "export", "gate"]
    assert list(dag_tasks()) == ["audit", "message", "post", "gate"]


# --- run for real, on a finished run


@pytest.fixture
def hook():
    """A webhook on localhost: (address, what was posted)."""
    posted = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", posted
        server.shutdown()


@pytest.fixture
def run_cron(tmp_path, hook):
    """Runs the cron line in a folder with results; the audit itself ends with a code of the test's."""
    write_finished(tmp_path / "reports" / "my-audit", {"cat": "flagged"})
    shutil.copy(EXAMPLES / "post-summary.sh", tmp_path)
    stub = tmp_path / "bin" / "focus-audit"
    stub.parent.mkdir()

    def run(code):
        real = f'exec {sys.executable} -m audit "$@"'
        stub.write_text(
            f'#!/bin/sh\nif [ "$1" = run ]; then echo told >&2; exit {code}; fi\n{real}\n'
        )
        stub.chmod(0o755)
        env = {"AUDITS": str(tmp_path), "WEBHOOK": hook[0], "PYTHONPATH": str(REPOSITORY)}
        env["PATH"] = f"{stub.parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["/bin/sh", "-c", cron_line()[5]], env=env, capture_output=True, text=True, timeout=60
        )

    return run


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("code", [0, 1])
def test_the_cron_line_posts_the_verdict(code, run_cron, hook):
    done = run_cron(code)
    assert (done.stdout, done.stderr) == ("", "")  # cron mails nothing
    (posted,) = hook[1]
    assert posted["result"] == "fail" and posted["classes"]["flagged"] == ["cat"]


def test_after_a_fault_nothing_old_is_posted(run_cron, hook):
    assert run_cron(2).stdout == "told\n" and hook[1] == []
