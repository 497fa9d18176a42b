"""``inspect``: what the model is, and which of its outputs each class of the data set is.

Runs once, before any shard, so that a fault in the model or the mapping is told before hours of work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audit.config.model import Config
from audit.digest import digest_file
from audit.errors import AuditError, nearest
from audit.models.labels import read_labels, resolve_mapping
from audit.stages.layout import Layout
from audit.stages.runtime import thread_count
from audit.tables.atomic import write_json
from audit.tables.parquet import SCHEMA_VERSION


def run_inspect(config: Config, layout: Layout, manifest: dict[str, Any]) -> dict[str, Any]:
    """Write ``model.json``: facts of the model, labels, class mapping."""
    found = inspect_model(config, manifest["classes"])
    write_json(layout.model, found)
    return found


def inspect_model(config: Config, classes: list[str]) -> dict[str, Any]:
    """Load and trace the model, and check all that depends on it; nothing is written."""
    from audit.models.probe import ModelProbe
    from audit.models.runtime import start

    start(thread_count(config))
    facts = ModelProbe(config).facts
    labels = None
    if config.model.labels:
        labels = read_labels(Path(config.model.labels), facts.n_outputs)
    mapping = resolve_mapping(config.dataset.classes, classes, labels, facts.n_outputs)
    _check_targets(config, mapping)
    return {
        "schema_version": SCHEMA_VERSION,
        "sha256": digest_file(config.model.path or config.model.weights or ""),
        "facts": facts.as_dict(),
        "labels": labels,
        "classes": mapping,
        "classes_not_mapped": [c for c in classes if c not in mapping],
        "classes_without_annotation": [c for c in mapping if c not in classes],
    }


def _check_targets(config: Config, mapping: dict[str, list[int]]) -> None:
    from audit.config.model import TARGET_KEYWORDS

    for name in config.targets.chosen():
        if name not in TARGET_KEYWORDS and name not in mapping:
            raise AuditError(
                f"class {name!r} is not mapped to an output", where="targets.classes",
                hint=nearest(name, (*TARGET_KEYWORDS, *mapping)),
            )  # fmt: skip
