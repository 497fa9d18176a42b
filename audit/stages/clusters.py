"""Which images are no independent observations of each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from audit.images.duplicates import first_members


def clusters(groups: np.ndarray, labels: Sequence[str] | None = None) -> np.ndarray:
    """int64 (n,): number of each image's cluster, that of its first member.

    ``groups`` (n,): the first of each image's near-duplicates. ``labels``: n texts; images of one
    label are one cluster, and so are those of two labels that share near-duplicates. An empty label
    is no label: such an image stands with its near-duplicates alone.
    """
    if labels is None:
        return np.asarray(groups, np.int64)
    n = len(groups)
    codes = pd.Series(list(labels), dtype=object).replace("", None).factorize()[0]
    known = np.flatnonzero(codes >= 0)
    # Images are joined to the first of their near-duplicates and to a point that is their label's.
    rows = np.concatenate([np.arange(n), known])
    columns = np.concatenate([groups, n + codes[known]])
    size = n + codes.max(initial=-1) + 1
    # The images come before the labels' points, and so each cluster's first member is an image.
    return first_members(size, rows, columns)[:n]
