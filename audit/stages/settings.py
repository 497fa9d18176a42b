"""The config, checked against everything that can be known without reading data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.annotations import FORMATS
from audit.config.load import check_paths, dump_config, load_config
from audit.config.model import Config
from audit.errors import AuditError, nearest
from audit.explain import METHODS, chosen_methods
from audit.fills import FILLS
from audit.metrics import METRICS
from audit.stages.metadata import check_labels
from audit.tables.atomic import write_text
from audit.tables.history import check_history


def load_settings(
    files: Sequence[Path | str], overrides: Mapping[str, Any] | None = None
) -> Config:
    """The config from its files, with names looked up in the registries and paths looked for.

    Raises
    ------
    AuditError: anything wrong, with the key and the nearest valid name.
    """
    config = load_config(files, overrides)
    where = str(files[-1])
    FORMATS.get(config.dataset.format, f"{where}: dataset.format")
    chosen_methods(config.explain.methods(), config.explain.options, f"{where}: explain")
    if config.sanity.second_method is not None:
        METHODS.get(config.sanity.second_method, f"{where}: sanity.second_method")
    for name in config.metrics if isinstance(config.metrics, list) else ():
        METRICS.get(name, f"{where}: metrics")
    for name in config.confirm.fills:
        FILLS.get(name, f"{where}: confirm.fills")
    check_paths(config, where)
    check_labels(config, where)
    if config.history.file is not None:
        check_history(Path(config.history.file))
    _check_policy(config, f"{where}: gate")
    _check_confirmed(config, f"{where}: confirm.classes")
    return config


def _check_policy(config: Config, where: str) -> None:
    """What the policy names is in the audit; what only the model or the data know, the gate asks."""
    method, classes = config.gate.method, config.dataset.classes
    if method is not None and method not in config.explain.methods():
        hint = nearest(method, config.explain.methods())
        raise AuditError(f"method {method!r} is not in explain.method", where=where, hint=hint)
    for name in config.gate.by_class if isinstance(classes, Mapping) else ():
        if name not in classes:
            hint = nearest(name, classes)
            raise AuditError(f"by_class: no class {name!r}", where=where, hint=hint)


def _check_confirmed(config: Config, where: str) -> None:
    """The classes that are to be confirmed are in the mapping; one in a file is read later."""
    asked, classes = config.confirm.classes, config.dataset.classes
    for name in asked if isinstance(asked, list) and isinstance(classes, Mapping) else ():
        if name not in classes:
            hint = nearest(name, classes)
            raise AuditError("no such class", where=where, received=name, hint=hint)


def write_settings(config: Config, path: Path) -> None:
    """Write the config that the stages read; its time is that of the run's start."""
    write_text(path, dump_config(config))
