"""``provenance``: how the tables came about, so that another person can make them again."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from audit import __version__
from audit.config.model import Config
from audit.digest import digest_file, package_digest
from audit.stages.layout import TABLES, Layout
from audit.stages.runtime import thread_count
from audit.stages.timing import noted
from audit.tables.atomic import write_json
from audit.tables.parquet import SCHEMA_VERSION, iterate_rows

PACKAGES = (
    "tensorflow", "keras", "numpy", "pandas", "pyarrow", "scipy", "scikit-image",
    "opencv-python-headless", "pycocotools", "pillow", "pydantic", "snakemake",
)  # fmt: skip
# Written where there are several methods or layers.
FURTHER_TABLES = ("methods.csv", "methods_agreement.csv")


def run_provenance(
    config: Config, layout: Layout, manifest: dict[str, Any], found: dict[str, Any]
) -> None:
    """Write ``provenance.json``."""
    model = config.model.path or config.model.weights
    write_json(
        layout.root / "provenance.json",
        {
            "schema_version": SCHEMA_VERSION,
            "focus_audit": __version__,
            "started": _time(layout.config.stat().st_mtime),
            "finished": _time(datetime.now(UTC).timestamp()),
            "config": config.model_dump(mode="json"),
            "seeds": {"audit.seed": config.audit.seed},
            "choices": {
                **found["facts"],
                "grid_of_pixel_methods": found.get("reference_grid"),
                "classes": found["classes"],
                "classes_not_mapped": found["classes_not_mapped"],
                "threads": thread_count(config),
                "devices": noted(layout, manifest, "device"),
                "batch_sizes": noted(layout, manifest, "batch_size"),
                "box_rule": "xyxy, half-open, original pixels; a pixel is inside when its centre is",
                "notes": manifest["notes"],
                "method_notes": found["notes"],
            },
            "hashes": {
                "model": {str(model): found["sha256"]},
                "images": images_digest(layout, manifest),
                "annotations": {p: digest_file(p) for p in annotation_files(config)},
                "package_source": package_digest(),
                "tables": _tables_digest(layout),
            },
            "shards": manifest["shards"],
            "versions": {"python": platform.python_version(), **_versions()},
            "git": {"package": _git(Path(__file__).parent), "working_directory": _git(Path.cwd())},
            "host": {
                "system": platform.platform(),
                "machine": platform.machine(),
                "processor": _processor(),
            },
        },
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _tables_digest(layout: Layout) -> dict[str, str]:
    further = [name for name in FURTHER_TABLES if (layout.root / name).exists()]
    return {name: digest_file(layout.root / name) for name in (*TABLES, *further)}


def annotation_files(config: Config) -> list[str]:
    """Annotation paths that are hashed; image folders given as annotations hold images, too."""
    paths = [*config.dataset.annotation_paths(), *filter(None, [config.dataset.names])]
    files = [f for p in paths for f in _documents(Path(p))]
    return sorted(set(files))[:1000] if len(set(files)) <= 1000 else paths


def _documents(path: Path) -> list[str]:
    if path.is_file():
        return [str(path)]
    endings = {".xml", ".txt", ".csv", ".json", ".yaml", ".yml"}
    return [str(p) for p in path.rglob("*") if p.suffix.lower() in endings and p.is_file()]


def images_digest(layout: Layout, manifest: dict[str, Any]) -> str:
    """One digest over (file name, SHA-256) of all images that were indexed, sorted."""
    pairs = sorted(
        (row["file_name"], row["sha256"])
        for shard in manifest["shards"]
        for row in iterate_rows(layout.index(shard["name"]), ["file_name", "sha256"])
    )
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def _versions() -> dict[str, str | None]:
    return {name: installed(name) for name in PACKAGES}


def installed(name: str) -> str | None:
    """Version of a distribution; None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git(folder: Path) -> dict[str, Any] | None:
    """Commit and dirty bit of the checkout around ``folder``; None outside of one."""

    def git(*args: str) -> str:
        command = ["git", "-C", str(folder), *args]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=20
        ).stdout

    try:
        return {
            "commit": git("rev-parse", "HEAD").strip(),
            "dirty": bool(git("status", "--porcelain")),
        }
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    """Name of the CPU: the same bytes are promised for the same instruction set."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor()
