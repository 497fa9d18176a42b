"""``export --to mlflow``: a finished run as a run of MLflow.

Figures of the classes become metrics, choices become parameters, the verdict and digests become
tags, the tables become artifacts. What was not observed is left out. The same results are not sent
twice. MLflow is no part of this package: it is imported here, when asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from audit.digest import digest_bytes, digest_json
from audit.errors import AuditError, one_line
from audit.gate.figures import Row, number
from audit.models.labels import OVERALL
from audit.stages.gate import Results, gate, today

EXTRA = 'pip install "focus-audit[mlflow]"'
# Of per_class.csv; whatever else is there are figures.
NO_FIGURES = (
    "class", "method", "layer", "verdict", "reason", "confirmation", "confirmation_reason",
    "heatmap_verdict", "verdict_stable", "verdict_changes_with", "fitness",
)  # fmt: skip
FURTHER_FILES = (
    "verdict.json", "provenance.json", "report.html", "report.json", "compliance.json",
    "compliance.csv", "model_card.md", "sign_off.jsonl",
)  # fmt: skip
# Tag by which results that are there already are known.
RESULTS_TAG = "focus_audit_results"
# MLflow takes these of a name; all else, and what lies outside of its lengths, is refused there.
ALLOWED = re.compile(r"[^\w.\- ]")
MAX_NAME, MAX_VALUE = 80, 500
METRICS_PER_CALL, PAIRS_PER_CALL = 500, 100


class Sent(NamedTuple):
    """Where a run went."""

    run_id: str
    new: bool
    """False: these very results were there already."""
    n_metrics: int


class Content(NamedTuple):
    """What is sent of a run."""

    name: str
    metrics: dict[str, float]
    params: dict[str, str]
    tags: dict[str, str]
    files: list[Path]
    start: int
    """Milliseconds since 1970, as MLflow counts."""
    end: int


def export_mlflow(root: Path, tracking_uri: str, experiment: str) -> Sent:
    """Send the results in ``root`` to a tracking server or a file store.

    Raises
    ------
    AuditError: MLflow is not installed or refuses, or a table was changed since the run.
    """
    sent = content(root)
    client = _client(tracking_uri)
    with _refusals(tracking_uri):
        found = client.get_experiment_by_name(experiment)
        place = found.experiment_id if found else client.create_experiment(experiment)
        asked = (
            f"tags.{RESULTS_TAG} = '{sent.tags[RESULTS_TAG]}' and attributes.status = 'FINISHED'"
        )
        there = client.search_runs([place], filter_string=asked, max_results=1)
        if there:
            return Sent(there[0].info.run_id, False, len(sent.metrics))
        run = client.create_run(place, start_time=sent.start, run_name=sent.name, tags=sent.tags)
        run_id = run.info.run_id
        try:
            _send(client, run_id, sent)
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id, "FINISHED", end_time=sent.end)
        return Sent(run_id, True, len(sent.metrics))


def content(root: Path) -> Content:
    """What is sent of the results in ``root``; pure but for reading them."""
    verdict, results = gate(root, today()), Results.read(root)
    provenance = results.provenance
    hashes = provenance["hashes"]
    files = [results.table(name) for name in hashes["tables"]]
    files += [path for name in FURTHER_FILES if (path := root / name).is_file()]
    commit = (provenance["git"]["package"] or {}).get("commit")
    tags = {
        "verdict": "pass" if verdict.passes else "fail",
        "reasons": "; ".join(verdict.reasons),
        "focus_audit_version": provenance["focus_audit"],
        "git_commit": commit,
        "model_sha256": next(iter(hashes["model"].values()), None),
        "images_sha256": hashes["images"],
        RESULTS_TAG: digest_json({**hashes["tables"], "verdict": verdict.passes}),
    }
    return Content(
        name=results.summary["name"],
        metrics=metrics_of(results),
        params=params_of(provenance["config"], verdict.method, verdict.layer),
        tags={key: one_line(value)[:MAX_VALUE] for key, value in tags.items() if value},
        files=files,
        start=_milliseconds(provenance["started"]),
        end=_milliseconds(provenance["finished"]),
    )


def metrics_of(results: Results) -> dict[str, float]:
    """Name -> figure: ``accuracy`` over all classes, ``class/cat/accuracy`` of one.

    Those of the first method and layer have their plain names, others ``METHOD.LAYER/`` before it.
    """
    first = results.pair(None, None)
    found = {}
    for pair in dict.fromkeys((row["method"], row["layer"]) for row in results.rows):
        rows = [row for row in results.rows if (row["method"], row["layer"]) == pair]
        before = "" if pair == first else f"{_distinct('.'.join(pair))}/"
        for row in rows:
            own = "" if row["class"] == OVERALL else f"class/{_distinct(row['class'])}/"
            found |= {f"{before}{own}{name}": value for name, value in _figures(row)}
    return found


def params_of(config: Mapping[str, Any], method: str, layer: str) -> dict[str, str]:
    """Choices that figures depend on."""
    sections = ("flags", "targets", "gate")
    told = {"audit": config["audit"]["name"], "seed": config["audit"]["seed"]}
    told |= {"method": method, "layer": layer, "dataset.format": config["dataset"]["format"]}
    told |= {"preprocess": config["model"]["preprocess"], "resize": config["model"]["resize"]}
    for section in sections:
        told |= {f"{section}.{key}": value for key, value in config.get(section, {}).items()}
    return {
        key: one_line(str(value))[:MAX_VALUE] for key, value in told.items() if value is not None
    }


def _figures(row: Row) -> Iterator[tuple[str, float]]:
    for name in row:
        if name not in NO_FIGURES and (value := number(row, name)) is not None:
            yield name, value


def _distinct(name: str) -> str:
    """A name that MLflow takes; one that had to be changed carries a digest, so that two differ."""
    taken = ALLOWED.sub("_", name)[:MAX_NAME].strip(". ")
    if taken and taken == name:
        return name
    return f"{taken}-{digest_bytes(name.encode())[:8]}".lstrip("-")


def _milliseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1000)


def _client(tracking_uri: str) -> Any:
    # Nothing is told to anybody but the server that was named, and one that is away is soon given up.
    os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    if "://" not in tracking_uri or tracking_uri.startswith("file:"):
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # asked for by name
    try:
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise AuditError("mlflow is not installed", hint=EXTRA) from None
    with _refusals(tracking_uri):
        return MlflowClient(tracking_uri=tracking_uri)


def _send(client: Any, run_id: str, sent: Content) -> None:
    from mlflow.entities import Metric, Param

    metrics = [Metric(name, value, sent.end, 0) for name, value in sorted(sent.metrics.items())]
    params = [Param(key, value) for key, value in sorted(sent.params.items())]
    _in_parts(metrics, METRICS_PER_CALL, lambda part: client.log_batch(run_id, metrics=part))
    _in_parts(params, PAIRS_PER_CALL, lambda part: client.log_batch(run_id, params=part))
    for path in sent.files:
        client.log_artifact(run_id, str(path))


def _in_parts(entries: Sequence[Any], size: int, send: Callable[[list[Any]], None]) -> None:
    rest = iter(entries)
    while part := list(islice(rest, size)):
        send(part)


@contextmanager
def _refusals(tracking_uri: str) -> Iterator[None]:
    """What MLflow and what carries it there has to object, in a line."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise AuditError(
            f"needs {error.name}, which comes with the whole of mlflow", where="--tracking-uri",
            hint="name a server (http://...) or a folder, or pip install mlflow",
        ) from None  # fmt: skip
    except Exception as error:
        if isinstance(error, AuditError) or not _of_mlflow(error):
            raise
        told = one_line(str(error).replace(tracking_uri, "the server"))
        raise AuditError(f"mlflow: {told}", where="--tracking-uri") from None


def _of_mlflow(error: Exception) -> bool:
    roots = {kind.__module__.split(".")[0] for kind in type(error).__mro__}
    return bool(roots & {"mlflow", "requests", "urllib3"}) or isinstance(error, OSError)
