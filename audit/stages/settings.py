"""The config, checked against everything that can be known without reading data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.annotations import FORMATS
from audit.config.load import check_paths, dump_config, load_config
from audit.config.model import Config
from audit.explain import chosen_methods
from audit.metrics import METRICS
from audit.tables.atomic import write_text


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
    for name in config.metrics or ():
        METRICS.get(name, f"{where}: metrics")
    check_paths(config, where)
    return config


def write_settings(config: Config, path: Path) -> None:
    """Write the config that the stages read; its time is that of the run's start."""
    write_text(path, dump_config(config))
