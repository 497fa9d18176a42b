"""``sanity``: whether the explanation is fit to judge by."""

from __future__ import annotations

from typing import Any

from audit.config.model import Config
from audit.progress import Progress
from audit.stages.layout import Layout
from audit.tables.atomic import write_json


def run_sanity(
    config: Config,
    layout: Layout,
    manifest: dict[str, Any],
    found: dict[str, Any],
    progress: Progress,
) -> None:
    """Write ``stages/sanity/fitness.json``."""
    write_json(layout.fitness, {})
