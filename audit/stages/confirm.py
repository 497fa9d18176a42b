"""``confirm``: what the model answers when the object, or its background, is taken away."""

from __future__ import annotations

from typing import Any

from audit.config.model import Config
from audit.progress import Progress
from audit.stages.layout import Layout
from audit.tables.atomic import write_json


def run_confirm(
    config: Config,
    layout: Layout,
    manifest: dict[str, Any],
    found: dict[str, Any],
    progress: Progress,
) -> None:
    """Write ``stages/confirm/classes.json``."""
    write_json(layout.confirmed, {})
