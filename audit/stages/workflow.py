"""What the Snakefile asks of the package: the config, and digests of what results depend on.

Snakemake reruns a rule when its ``params`` change. It sees neither a changed module of this package
nor a changed value inside a config file, so both go into ``params`` as digests.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from audit.config.load import results_folder, settings_digest
from audit.config.model import Config
from audit.digest import digest_file, digest_json, digest_listing, package_digest
from audit.stages.layout import TABLES, Layout
from audit.stages.lock import HELD, take_lock
from audit.stages.metadata import label_columns
from audit.stages.settings import load_settings, write_settings
from audit.tables.atomic import write_json
from audit.tables.json_file import read_json


class AuditRun:
    """One audit as the workflow sees it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.root = str(results_folder(config))
        self.config_path = str(Layout(Path(self.root)).config)
        self.tables = [f"{self.root}/{name}" for name in TABLES]

    @classmethod
    def load(cls, files: Sequence[Path | str], overrides: Mapping[str, Any]) -> AuditRun:
        """Read and check the config; AuditError where it has a fault."""
        typed = {key: _typed(value) for key, value in overrides.items()}
        return cls(load_settings(files, typed))

    @property
    def values(self) -> dict[str, Any]:
        """The whole config, defaults written out."""
        return self.config.model_dump(mode="json")

    def start(self) -> None:
        """Take the audit's lock, and write the config for the stages, which run elsewhere.

        Raises
        ------
        AuditError: another run is at work, or the results folder cannot be written to.
        """
        if HELD not in os.environ:
            self._lock = take_lock(Layout(Path(self.root)))  # held until this process ends
        write_settings(self.config, Path(self.config_path))

    def share(self) -> None:
        """Write down the digests of model and data for :meth:`join`."""
        write_json(self._digests, {"model": self._model, "data": self._data})

    def join(self) -> None:
        """Take the digests from the run's start: on another node, Snakemake reads this anew for each
        job, and there may be a million images to list.
        """
        if self._digests.is_file():
            found = read_json(self._digests)
            self._model, self._data = found["model"], found["data"]

    def digest(self, *sections: str) -> str:
        """Digest of the package's source and of these parts of the config; of all of it for none."""
        names = sections or tuple(Config.model_fields)
        return digest_json([package_digest(), settings_digest(self.config, *names)])

    def model_digest(self) -> str:
        """Digest of the model file's content: a touched file reruns nothing, a changed one does."""
        return self._model

    def data_listing(self) -> str:
        """Digest of names, sizes and times of annotations and images: changes rerun the index."""
        return self._data

    def labels_digest(self) -> str:
        """Digest of the metadata file, where classes are split or grouped by its columns."""
        return digest_file(self.config.dataset.metadata) if label_columns(self.config) else ""

    def baseline_digest(self) -> str:
        """Digest of the earlier run that the policy compares with; empty without one."""
        if self.config.gate.baseline is None:
            return ""
        files = [
            Path(self.config.gate.baseline) / name for name in ("per_class.csv", "summary.json")
        ]
        return digest_json([digest_file(f) for f in files if f.is_file()])

    def history(self) -> list[str]:
        """The receipt of the run's entry in a history; empty where no history is kept."""
        return [str(Layout(Path(self.root)).recorded)] if self.config.history.file else []

    @property
    def _digests(self) -> Path:
        return Layout(Path(self.root)).stages / "digests.json"

    @cached_property
    def _model(self) -> str:
        model = self.config.model
        fed = model.inputs is not None and model.inputs.columns
        files = [model.path, model.weights, model.labels]
        files.append(self.config.dataset.metadata if fed else None)
        return digest_json([digest_file(f) for f in files if f])

    @cached_property
    def _data(self) -> str:
        data = self.config.dataset
        paths = [*data.annotation_paths(), *data.image_paths(), *filter(None, [data.names])]
        return digest_json([digest_listing(p) for p in paths])

    @staticmethod
    def shards(manifest: str) -> list[str]:
        """Names of the shards in a manifest."""
        return [s["name"] for s in read_json(Path(manifest))["shards"]]

    @staticmethod
    def mapping_digest(manifest: str) -> str:
        """Digest of the class mapping in a manifest."""
        return digest_json(read_json(Path(manifest))["mapping"])


def _typed(value: Any) -> Any:
    """An override with the types that YAML gives it: inside a mapping Snakemake leaves all as text."""
    if isinstance(value, Mapping):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_typed(item) for item in value]
    return yaml.safe_load(value) if isinstance(value, str) else value
