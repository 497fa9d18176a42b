"""``compare-methods``: what each method and layer reaches on the same records, and how they agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit.config.load import load_config, read_resolved, results_folder
from audit.config.model import Config
from audit.errors import AuditError
from audit.heatmaps import cell_means
from audit.stages.columns import Columns
from audit.stages.eligibility import level_of
from audit.stages.figures import expected_hits, skill
from audit.stages.gather import Gathered, MapGroup, configured_order, gather
from audit.stages.layout import Layout
from audit.stages.score import KEYS
from audit.stages.timing import timings
from audit.tables.csv import write_csv
from audit.tables.json_file import read_json

Pair = tuple[str, str]

# What is not taken by pointing: column of a record -> column of methods.csv.
MEANS = {
    "energy_in_box": "energy_in_box",
    "energy_skill": "energy_skill",
    "mask_iou": "mean_iou",
    "box_iou": "mean_box_iou",
}
COLUMNS = (
    "method", "layer", "level", "grid", "n_records", "n_left_out", "n_pointing",
    "pointing_accuracy", "pointing_chance", "pointing_skill", "energy_in_box", "n_energy_skill",
    "energy_skill", "mean_iou", "mean_box_iou", "agreement", "n_agreement", "n_constant",
    "seconds_per_image",
)  # fmt: skip
AGREEMENT_COLUMNS = (
    "method_a", "layer_a", "method_b", "layer_b", "spearman", "n", "n_constant",
)  # fmt: skip
# Columns that a person is shown, and what they are called there.
SHOWN = {
    "method": "method", "layer": "layer", "grid": "grid", "pointing_accuracy": "pointing",
    "pointing_skill": "skill", "energy_in_box": "energy", "energy_skill": "energy skill",
    "mean_iou": "mask IoU", "mean_box_iou": "box IoU", "agreement": "agreement",
    "seconds_per_image": "s/image",
}  # fmt: skip
# Averages that differ by less than this share of the maximum are the same but for rounding.
ROUNDING = 1e-9
# Records whose maps are ranked at once.
CHUNK = 256


@dataclass(frozen=True)
class Comparison:
    """The two tables, and the seconds an image's forward pass took, which all methods share."""

    methods: pd.DataFrame
    agreement: pd.DataFrame
    forward_seconds: float

    def lines(self) -> list[str]:
        """A table for the terminal, and what it is of."""
        shown = self.methods[list(SHOWN)]
        rows = [list(SHOWN.values())]
        rows += [[_cell(*v) for v in zip(shown, row, strict=True)] for row in shown.to_numpy()]
        widths = [max(len(row[k]) for row in rows) for k in range(len(SHOWN))]
        first = self.methods.iloc[0]
        lines = [_line(row, widths) for row in rows]
        lines.append(
            f"{first['n_records']} records, scored under all {len(self.methods)}; "
            f"{first['n_left_out']} left out."
        )
        lines.append(
            f"agreement: mean rank correlation (Spearman) with {first['method']} at "
            f"{first['layer']}, over maps that are not constant."
        )
        if not np.isnan(self.forward_seconds):
            lines.append(
                f"s/image: on top of the forward pass that all share, {self.forward_seconds:.2g} s."
            )
        return lines


def results_of(path: Path) -> Layout:
    """The results folder of a finished run, from itself or from the run's config.

    Raises
    ------
    AuditError: there is no such run, or it is not finished.
    """
    if not path.exists():
        raise AuditError("no such config or results folder", where=str(path))
    layout = Layout(path.resolve() if path.is_dir() else results_folder(load_config([path])))
    needed = (layout.config, layout.manifest, layout.model, layout.root / "summary.json")
    if not all(file.is_file() for file in needed):
        raise AuditError(
            "holds no finished run", where=str(layout.root),
            hint="start with `focus-audit run CONFIG`",
        )  # fmt: skip
    return layout


def compare_run(layout: Layout, output: Path | None = None) -> Comparison:
    """Compare the methods of a finished run, and write the two tables.

    Raises
    ------
    AuditError: the run has one method at one layer, or its files are damaged.
    """
    config = read_resolved(layout.config)
    manifest, model = (read_json(p) for p in (layout.manifest, layout.model))
    found = run_compare_methods(config, layout, manifest, model, output=output)
    if found is None:
        raise AuditError(
            "the run has one method at one layer, so there is nothing to compare",
            where=str(layout.root), hint="give several in explain.method or explain.layer",
        )  # fmt: skip
    return found


def run_compare_methods(
    config: Config,
    layout: Layout,
    manifest: dict[str, Any],
    found: dict[str, Any],
    *,
    gathered: Gathered | None = None,
    output: Path | None = None,
) -> Comparison | None:
    """Write ``methods.csv`` and ``methods_agreement.csv``; None, and none of an earlier run left,
    where there is one method at one layer.

    ``found``: the content of ``model.json``. ``output``: where the former goes instead of the
    results folder; the latter goes beside it.
    """
    shards = [s["name"] for s in manifest["shards"]]
    gathered = gather(layout, shards) if gathered is None else gathered
    table = output or layout.root / "methods.csv"
    matrix = table.with_name(f"{table.stem}_agreement.csv")
    if len(gathered.pairs) < 2:
        if output is None:
            table.unlink(missing_ok=True)
            matrix.unlink(missing_ok=True)
        return None
    order = configured_order(gathered.pairs, config, found)
    comparison = compare(gathered, order, seconds_per_image(layout, shards))
    write_csv(table, comparison.methods)
    write_csv(matrix, comparison.agreement)
    return comparison


def compare(gathered: Gathered, order: Sequence[Pair], seconds: dict[str, float]) -> Comparison:
    """The tables of (method, layer) pairs, in this order; agreement is with the first of them."""
    rows, n_left_out = common_records(gathered.records, order)
    agreement = agreement_table(gathered, order, rows)
    with_first = agreement[
        (agreement["method_b"] == order[0][0]) & (agreement["layer_b"] == order[0][1])
    ]
    figures = _figures(gathered.columns, order, rows)
    table = pd.DataFrame(
        {
            "method": [method for method, _ in order],
            "layer": [layer for _, layer in order],
            "level": [level_of(method) for method, _ in order],
            "grid": ["x".join(map(str, gathered.arrays.maps[pair].grid)) for pair in order],
            "n_records": rows.shape[1],
            "n_left_out": n_left_out,
            **figures,
            "agreement": with_first["spearman"].to_numpy(),
            "n_agreement": with_first["n"].to_numpy(),
            "n_constant": with_first["n_constant"].to_numpy(),
            "seconds_per_image": [seconds.get("|".join(pair), np.nan) for pair in order],
        }
    )
    return Comparison(table[list(COLUMNS)], agreement, seconds.get("forward", np.nan))


def common_records(records: pd.DataFrame, order: Sequence[Pair]) -> tuple[np.ndarray, int]:
    """Positions, int (pairs, n), of the annotated records that are scored under every pair; and how
    many are not.

    Of a record that one method left unscored, the others would tell something that it does not.
    """
    own = records[records["reference"] == "class"]
    frame = own[list(KEYS)].assign(
        position=np.flatnonzero(records["reference"] == "class"),
        scored=(own["status"] == "scored").to_numpy(),
    )
    tables = [
        frame[(frame["method"] == method) & (frame["layer"] == layer)].set_index(list(KEYS[:2]))
        for method, layer in order
    ]
    together = pd.concat([t["scored"] for t in tables], axis=1, keys=range(len(order)))
    kept = together.index[together.eq(True).all(axis=1)].sort_values()
    rows = np.array([t["position"].loc[kept].to_numpy(np.int64) for t in tables])
    return rows, len(together) - len(kept)


def _figures(
    records: Columns, order: Sequence[Pair], rows: np.ndarray
) -> dict[str, np.ndarray | int]:
    """Columns of the table: means over the records of which every pair could tell."""
    hits, chance = (
        np.array([values(records.take(r)) for r in rows])
        for values in (
            lambda r: expected_hits(r, "pointing_hit", "pointing_chance"),
            lambda r: r.numbers("pointing_chance"),
        )
    )
    told = ~np.isnan(hits).any(axis=0)
    accuracy, by_chance = _means(hits[:, told]), _means(chance[:, told])
    skills = [skill(*both) for both in zip(accuracy, by_chance, strict=True)]
    columns: dict[str, np.ndarray | int] = {
        "n_pointing": int(told.sum()),
        "pointing_accuracy": accuracy,
        "pointing_chance": by_chance,
        "pointing_skill": np.array(skills),
    }
    for name, called in MEANS.items():
        values = np.array([records.take(r).numbers(name) for r in rows])
        known = ~np.isnan(values).any(axis=0)
        columns[called] = _means(values[:, known])
        if name == "energy_skill":  # a coarse grid cannot tell of large boxes
            columns["n_energy_skill"] = int(known.sum())
    return columns


def _means(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of (pairs, n); NaN where n is 0."""
    return values.mean(axis=1) if values.shape[1] else np.full(len(values), np.nan)


# -- agreement


def agreement_table(gathered: Gathered, order: Sequence[Pair], rows: np.ndarray) -> pd.DataFrame:
    """Mean Spearman correlation of every pair with every other one, over ``rows`` (pairs, n).

    Two maps are compared on the coarser of their grids, axis by axis. Records of which one map is
    constant there have no ranks: they are counted and left out.
    """
    pairs = list(combinations_with_replacement(range(len(order)), 2))
    found = {pair: [np.empty(0)] for pair in pairs}
    for start in range(0, rows.shape[1], CHUNK):
        ranked = _Ranked(gathered, order, rows[:, start : start + CHUNK])
        for a, b in pairs:
            found[a, b].append(ranked.correlations(a, b))
    table = []
    for a, first in enumerate(order):
        for b, second in enumerate(order):
            rho = np.concatenate(found[min(a, b), max(a, b)])
            known = rho[~np.isnan(rho)]
            mean = float(known.mean()) if len(known) else np.nan
            table.append((*first, *second, mean, len(known), len(rho) - len(known)))
    return pd.DataFrame(table, columns=list(AGREEMENT_COLUMNS))


class _Ranked:
    """Ranks of some records' maps under every pair, on each grid where they are asked for."""

    def __init__(self, gathered: Gathered, order: Sequence[Pair], rows: np.ndarray) -> None:
        arrays = gathered.arrays
        self._groups: list[MapGroup] = [arrays.maps[pair] for pair in order]
        self._places = [arrays.places[r] for r in rows]
        self._ranks: dict[tuple[int, tuple[int, int]], np.ndarray] = {}

    def correlations(self, a: int, b: int) -> np.ndarray:
        """float64 (n,): of each record's two maps; NaN where one is constant."""
        first, second = self._groups[a].grid, self._groups[b].grid
        grid = min(first[0], second[0]), min(first[1], second[1])
        return correlation(self._on(a, grid), self._on(b, grid))

    def _on(self, place: int, grid: tuple[int, int]) -> np.ndarray:
        key = (place, grid)
        if key not in self._ranks:
            group = self._groups[place]
            maps = group.heatmaps(self._places[place]).reshape(-1, *group.grid)
            self._ranks[key] = ranks(area_average(maps, grid).reshape(len(maps), -1))
        return self._ranks[key]


def area_average(maps: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """float64 (n, rows, columns) of maps (n, h, w): each cell the mean of what it covers.

    ``grid`` is no finer than the maps, which come back as they are where it is their own.
    """
    averaged = cell_means(maps, grid)
    if maps.shape[1:] == grid:
        return averaged
    # What is equal but for the order of its sum has to be tied.
    step = ROUNDING * np.abs(averaged).max(axis=(1, 2), keepdims=True)
    return np.divide(averaged, step, out=np.zeros_like(averaged), where=step > 0).round()


def ranks(values: np.ndarray) -> np.ndarray:
    """float64 (n, cells): ranks within each row, ties at their mean, less the row's mean rank."""
    found = pd.DataFrame(values).rank(axis=1, method="average").to_numpy(np.float64)
    return found - (values.shape[1] + 1) / 2


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float64 (n,): Pearson's of centred rows, Spearman's where they are ranks; NaN if constant."""
    product, norm_a, norm_b = (np.einsum("nc,nc->n", *p) for p in ((a, b), (a, a), (b, b)))
    scale = np.sqrt(norm_a * norm_b)
    return np.divide(product, scale, out=np.full(len(a), np.nan), where=scale > 0)


# -- seconds


def seconds_per_image(layout: Layout, shards: Sequence[str]) -> dict[str, float]:
    """``<method>|<layer>``, and ``forward`` -> seconds an image, over the shards that noted them."""
    images, seconds = 0, {}
    for told in timings(layout, shards):
        images += told["images"]
        for name, value in told["seconds"].items():
            seconds[name] = seconds.get(name, 0.0) + value
    return {name: value / images for name, value in seconds.items()} if images else {}


# -- the terminal


def _cell(column: str, value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    digits = ".2g" if column == "seconds_per_image" else ".3f"
    return "" if np.isnan(value) else format(value, digits)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    texts = (
        text.rjust(width) if k > 1 else text.ljust(width)
        for k, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(texts).rstrip()
