"""``flagged.csv`` and the names of its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from audit.digest import digest_bytes
from audit.stages.eligibility import of_baselines
from audit.stages.score import KEYS


def flagged_table(
    predictions: pd.DataFrame, pictures: int, order: Sequence[tuple[str, str]]
) -> pd.DataFrame:
    """Background-focused records, worst first, some of them with the path of their overlay.

    Worst: those that count for a verdict before the others, then by energy skill, then the more
    confident prediction first. The pictures are dealt out in turn to each (method, layer) of
    ``order``, its worst first: skills of a fine grid lie lower, and would take them all.
    """
    focused = predictions["background_focused"].fillna(False).astype(bool)
    focused = predictions[focused & ~of_baselines(predictions)].sort_values(
        ["eligible", "energy_skill", "predicted_score", *KEYS],
        ascending=[False, True, False, *[True] * len(KEYS)],
        kind="stable",
        ignore_index=True,
    )
    turn = focused.groupby(["method", "layer"]).cumcount()
    place = [order.index(pair) for pair in zip(focused["method"], focused["layer"], strict=True)]
    paths = pd.Series([None] * len(focused), dtype=object)
    for rank in np.lexsort([place, turn])[:pictures].tolist():
        key = record_key(focused.loc[rank], several=len(order) > 1)
        paths[rank] = overlay_name("flagged", rank + 1, *key)
    return focused.assign(overlay=paths)


def record_key(record: Mapping[str, Any], several: bool) -> list[str]:
    """What tells a record from the others; method and layer, where there are several of them."""
    return [record[key] for key in (KEYS if several else KEYS[:2])]


def overlay_name(kind: str, rank: int, file_name: str, target_class: str, *by: str) -> str:
    """Path of an overlay below the results folder; nothing of a hostile name gets into it.

    ``by``: method and layer, where records differ in them.
    """
    key = digest_bytes("\0".join((file_name, target_class, *by)).encode(errors="surrogateescape"))
    # The end of a layer's path says the most.
    label = "_".join([_plain(target_class)[:40], *(_plain(text)[-30:] for text in by)])
    return f"overlays/{kind}_{rank:04d}_{label}_{key[:10]}.jpg"


def _plain(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in text)
