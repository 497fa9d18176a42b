"""A real MLflow server is given a run, and asked what it has.

The server is one of an environment of its own, since the whole of mlflow would bring its own pandas:
FOCUS_AUDIT_MLFLOW names its executable, and without it the tests skip. `.ci/run` makes one.
"""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from audit.errors import AuditError
from audit.stages.export_mlflow import content, export_mlflow
from tests.stages.finished import write_finished

HOSTILE = "=../.. <b>\n日本"
STARTS_WITHIN = 90


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """URL of a server of our own on localhost."""
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    command = os.environ.get("FOCUS_AUDIT_MLFLOW")
    if not command:
        pytest.skip("no mlflow server: FOCUS_AUDIT_MLFLOW names none")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    options += ["--backend-store-uri", f"sqlite:///{folder}/runs.db"]
    options += ["--artifacts-destination", str(folder / "artifacts")]
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [command, "server", *options], cwd=folder, env=env, stdout=log, stderr=log,
        start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, process, folder / "log")
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)
        log.close()


def wait_for(url, process, log):
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end:
        try:
            if urllib.request.urlopen(f"{url}/health", timeout=2).status == 200:
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None:
                break
            time.sleep(0.5)
    pytest.skip(f"the mlflow server does not start: {log.read_text()[-300:]}")


def ask(server, path):
    with urllib.request.urlopen(f"{server}/api/2.0/mlflow/{path}", timeout=30) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_a_server_has_what_was_sent(server, tmp_path):
    names = {"cat": "pass", HOSTILE: "flagged", **{f"c{k}": "pass" for k in range(60)}}
    root = write_finished(tmp_path / "zoo", names)
    sent, expected = export_mlflow(root, server, "shelf"), content(root)
    run = ask(server, f"runs/get?run_id={sent.run_id}")["run"]
    assert run["info"]["status"] == "FINISHED" and run["info"]["run_name"] == "zoo"
    assert (run["info"]["start_time"], run["info"]["end_time"]) == (expected.start, expected.end)
    assert {m["key"]: m["value"] for m in run["data"]["metrics"]} == expected.metrics
    assert len(expected.metrics) > 1000 and sent.n_metrics == len(expected.metrics)
    assert {p["key"]: p["value"] for p in run["data"]["params"]} == expected.params
    tags = {t["key"]: t["value"] for t in run["data"]["tags"]}
    assert expected.tags.items() <= tags.items()
    files = ask(server, f"artifacts/list?run_id={sent.run_id}")["files"]
    sizes = {f["path"]: int(f["file_size"]) for f in files}
    assert sizes == {path.name: path.stat().st_size for path in expected.files}


@pytest.mark.slow
def test_the_same_results_are_not_sent_twice_and_others_are(server, tmp_path):
    root = write_finished(tmp_path / "zoo", {"cat": "pass"})
    first = export_mlflow(root, server, "twice")
    assert first.new and export_mlflow(root, server, "twice") == first._replace(new=False)
    other = write_finished(tmp_path / "other", {"cat": "flagged"})
    assert export_mlflow(other, server, "twice").run_id != first.run_id


@pytest.mark.slow
def test_what_broke_off_is_marked_and_sent_again(server, tmp_path, monkeypatch):
    from mlflow import MlflowException
    from mlflow.tracking import MlflowClient

    def breaks(*_):
        raise MlflowException("the disk is full\nreally")

    root = write_finished(tmp_path / "zoo", {"cat": "pass"})
    with (
        monkeypatch.context() as broken,
        pytest.raises(AuditError, match=r"mlflow: the disk is full"),
    ):
        broken.setattr(MlflowClient, "log_artifact", breaks)
        export_mlflow(root, server, "broken")
    sent = export_mlflow(root, server, "broken")
    client = MlflowClient(server)
    place = client.get_experiment_by_name("broken").experiment_id
    states = {r.info.run_id: r.info.status for r in client.search_runs([place])}
    assert (
        sent.new and states.pop(sent.run_id) == "FINISHED" and list(states.values()) == ["FAILED"]
    )


@pytest.mark.slow
def test_a_folder_does_as_well(server, tmp_path):
    root = write_finished(tmp_path / "zoo", {"cat": "pass"})
    sent = export_mlflow(root, str(tmp_path / "runs"), "shelf")
    (accuracy,) = (tmp_path / "runs").glob(f"*/{sent.run_id}/metrics/class/cat/accuracy")
    assert float(accuracy.read_text().split()[1]) == 0.75


@pytest.mark.slow
def test_a_server_that_is_away_is_told_in_a_line(server, tmp_path):
    root = write_finished(tmp_path / "zoo", {"cat": "pass"})
    with pytest.raises(AuditError, match="--tracking-uri: mlflow: .*refused") as told:
        export_mlflow(root, "http://127.0.0.1:9", "shelf")
    assert "\n" not in str(told.value)
