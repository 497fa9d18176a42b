"""Where each stage's files lie inside the results folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audit.errors import AuditError

# What every run writes for people, beside the pictures; later verbs may add more.
TABLES = (
    "predictions.csv", "predictions.parquet", "per_class.csv", "flagged.csv", "thresholds.csv",
    "excluded.csv", "localisation.csv", "heatmap_boxes.json", "heatmap_boxes_gt.json",
    "strata.csv", "ambiguity.csv", "sensitivity.csv", "confirmation.csv", "sanity.csv",
    "summary.json",
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """Paths of one audit's files; ``root`` is ``reports/<name>``."""

    root: Path

    @classmethod
    def of(cls, config: Path) -> Layout:
        """The layout around ``stages/config.json``, which the settings stage wrote.

        Raises
        ------
        AuditError: there is no such file there.
        """
        layout = cls(config.parent.parent)
        if layout.config.resolve() != config.resolve() or not config.is_file():
            raise AuditError(
                "is not the stages/config.json of a results folder",
                where=str(config),
                hint="start with `focus-audit run CONFIG`",
            )
        return layout

    @property
    def stages(self) -> Path:
        """Intermediate files: everything that a later stage reads and a person does not."""
        return self.root / "stages"

    @property
    def config(self) -> Path:
        return self.stages / "config.json"

    @property
    def manifest(self) -> Path:
        return self.stages / "index" / "manifest.json"

    @property
    def index_excluded(self) -> Path:
        return self.stages / "index" / "excluded.parquet"

    def index(self, shard: str) -> Path:
        return self.stages / "index" / f"{shard}.parquet"

    @property
    def model(self) -> Path:
        return self.stages / "model.json"

    def explained(self, shard: str) -> Path:
        return self.stages / "explain" / f"{shard}.records.parquet"

    def seen(self, shard: str) -> Path:
        return self.stages / "explain" / f"{shard}.images.parquet"

    def timing(self, shard: str) -> Path:
        """Seconds that each method took: no part of the results, which are the same each time."""
        return self.stages / "explain" / f"{shard}.timing.json"

    def scores(self, shard: str) -> Path:
        return self.stages / "score" / f"{shard}.parquet"

    @property
    def judged(self) -> Path:
        """One row a class, method and layer, with what the heatmaps say of it."""
        return self.stages / "judge" / "classes.parquet"

    @property
    def counts(self) -> Path:
        return self.stages / "judge" / "counts.json"

    @property
    def confirmed(self) -> Path:
        """Class -> state of its causal confirmation, with the reason."""
        return self.stages / "confirm" / "classes.json"

    @property
    def changes(self) -> Path:
        """One row a record and change of its image, with what the model answered."""
        return self.stages / "confirm" / "records.parquet"

    @property
    def confirm_parts(self) -> Path:
        return self.stages / "confirm" / "parts"

    def confirm_part(self, key: str) -> Path:
        """Some of those rows, kept so that a killed run goes on where it stopped."""
        return self.confirm_parts / f"{key}.parquet"

    @property
    def confirmation(self) -> Path:
        """Folder of pictures of changed images."""
        return self.root / "confirmation"

    @property
    def fitness(self) -> Path:
        """``method|layer`` -> whether the explanation is fit to judge by, with the reason."""
        return self.stages / "sanity" / "fitness.json"

    @property
    def verdict(self) -> Path:
        """What the policy says of the run; not among the tables, since it depends on the day."""
        return self.root / "verdict.json"

    @property
    def provenance(self) -> Path:
        return self.root / "provenance.json"

    @property
    def sign_off(self) -> Path:
        """People's decisions on the run, an entry a line; only ever added to."""
        return self.root / "sign_off.jsonl"

    @property
    def recorded(self) -> Path:
        """Which entry of which history the run is."""
        return self.stages / "history.json"

    @property
    def sanity(self) -> Path:
        """What each method's maps keep while the weights are redrawn: a row a step."""
        return self.root / "sanity.csv"

    @property
    def heartbeat(self) -> Path:
        """For schedulers: how far the run is, and whether it moves. No part of the results."""
        return self.stages / "heartbeat.json"

    @property
    def progress(self) -> Path:
        """What the stages that are at work say of themselves; gone when they have ended."""
        return self.stages / "progress"

    def progress_of(self, verb: str, shard: str | None) -> Path:
        """That of one stage."""
        return self.progress / f"{verb}{f'-{shard}' if shard else ''}.json"

    @property
    def snakemake_log(self) -> Path:
        return self.root / "logs" / "snakemake.log"

    @property
    def overlays(self) -> Path:
        return self.root / "overlays"
