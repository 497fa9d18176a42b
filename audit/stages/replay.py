"""``verify --replay``: the audit once more from the recorded config; are its tables the same?"""

from __future__ import annotations

import csv
import io
import json
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Any

from audit.config.load import dump_config, load_config, parse_config
from audit.config.model import Config
from audit.digest import digest_file, package_digest
from audit.errors import AuditError
from audit.stages.bundle_files import Folder, Results, tables_of
from audit.stages.launch import run_audit
from audit.stages.layout import Layout
from audit.stages.provenance import annotation_files, images_digest, installed
from audit.stages.verify import Verification, results_within
from audit.tables.atomic import write_text
from audit.tables.json_file import read_json

# What the tables do not depend on: the policy, which may name a baseline that is not here, and the
# record of runs, which a replay is none of.
LEFT_OUT = ("gate", "history")
CONFIG = "config.yaml"
UNASKED = (*LEFT_OUT, "audit", "run", "report")
# Where a path may lie elsewhere now.
PATHS = ("path", "weights", "labels", "annotations", "images", "names", "metadata")
# Seconds are measured anew.
MEASURED = {"methods.csv": ("seconds_per_image",)}


def replay(found: Verification, bundle: Path, config_file: Path | None, cores: str) -> None:
    """Run the audit again into a temporary folder; what differs is a fault of ``found``.

    ``config_file``: a config for the same audit, where model and images lie elsewhere now.

    Raises
    ------
    AuditError: a file is not where the config says, or the run does not come to its end.
    """
    recorded = results_within(bundle)
    config = _config(recorded, config_file)
    if faults := list(_inputs(config, recorded.provenance)):
        found.faults += faults
        found.note("not replayed, since it would not be the same audit")
        return
    for text in _surroundings(config, recorded.provenance):
        found.note(text)
    with tempfile.TemporaryDirectory() as folder:
        root = _prepared(config, Path(folder).resolve())
        # The images are read once for the index, before the model sees any.
        _run(root, cores, Layout(root).manifest)
        if _images(root) != recorded.provenance["hashes"]["images"]:
            found.faults.append("images: are not those that were audited: their SHA-256 is another")
            return
        _run(root, cores, Layout(root).provenance)
        found.faults += _compared(found, recorded, Results(Folder(root)))


def _config(recorded: Results, config_file: Path | None) -> Config:
    if config_file is not None:
        return load_config([config_file])
    return parse_config(recorded.provenance["config"], "provenance.json: config")


def _inputs(config: Config, provenance: Mapping[str, Any]) -> Iterator[str]:
    """Model and annotations that are not those of the record."""
    hashes = provenance["hashes"]
    model = config.model.path or config.model.weights
    if model is not None and _digest(model) not in hashes["model"].values():
        yield f"{model}: is not the model that was audited: its SHA-256 is another one"
    files = [Path(p) for p in config.dataset.annotation_paths()]
    if missing := [str(p) for p in files if not p.exists()]:
        raise AuditError("no such annotations", where=missing[0])
    for path in annotation_files(config):
        if digest_file(path) not in hashes["annotations"].values():
            yield f"{path}: are not the annotations that were used: their SHA-256 is another one"


def _digest(path: str) -> str:
    if not Path(path).exists():
        raise AuditError(
            "no such model",
            where=path,
            hint="give --replay a config with the paths of this machine",
        )
    return digest_file(path)


def _surroundings(config: Config, provenance: Mapping[str, Any]) -> Iterator[str]:
    """What may explain a difference."""
    for name, there in provenance["versions"].items():
        here = platform.python_version() if name == "python" else installed(name)
        if here != there:
            yield f"replayed with {name} {here}; the run had {there}"
    if provenance["hashes"]["package_source"] != package_digest():
        yield "replayed with another state of focus-audit than the run's"
    now = json.loads(dump_config(config))
    for section, values in provenance["config"].items():
        if section not in UNASKED and _settings(now.get(section)) != _settings(values):
            yield f"replayed with another config than the run's in its section {section!r}"


def _settings(section: Any) -> Any:
    """A section without its paths."""
    if not isinstance(section, Mapping):
        return section
    return {key: value for key, value in section.items() if key not in PATHS}


def _prepared(config: Config, folder: Path) -> Path:
    """The results folder of a new run, which writes nothing outside of ``folder``."""
    root = folder / "results"
    values = json.loads(dump_config(config))
    for section in LEFT_OUT:
        values.pop(section, None)
    values["audit"]["output"] = str(root)
    # JSON is YAML.
    write_text(folder / CONFIG, json.dumps(values, indent=2))
    return root


def _run(root: Path, cores: str, target: Path) -> None:
    """The run as far as one of its files. What it says was said by the run that is verified."""
    with chdir(root.parent), redirect_stdout(io.StringIO()):
        code = run_audit(root.parent / CONFIG, cores, "default", (str(target),))
    if code > 1:
        raise AuditError("the replay did not come to its end", where=str(root))


def _images(root: Path) -> str:
    layout = Layout(root)
    return images_digest(layout, read_json(layout.manifest))


def _compared(found: Verification, recorded: Results, again: Results) -> Iterator[str]:
    """The tables that are not the same, byte for byte."""
    new = tables_of(again.provenance)
    same = []
    for name, digest in tables_of(recorded.provenance).items():
        if new.get(name) == digest or _but_seconds(name, recorded, again):
            same.append(name)
        else:
            yield f"{name}: the replay wrote other figures"
    for name in sorted(set(new) - set(tables_of(recorded.provenance))):
        yield f"{name}: was not written by the run, and is by the replay"
    found.note(f"replayed: {len(same)} of {len(new)} tables are the same")


def _but_seconds(name: str, recorded: Results, again: Results) -> bool:
    """Whether a table with a measured column is the same in all others."""
    if name not in MEASURED:
        return False
    rows = []
    for results in (recorded, again):
        table = csv.DictReader(io.StringIO(results.files.read(name).decode("utf-8"), newline=""))
        rows.append([{k: v for k, v in r.items() if k not in MEASURED[name]} for r in table])
    return rows[0] == rows[1]
