"""How a heatmap is stored: float16 relative to its maximum, and the maximum as float32.

Maps can be tiny (random weights give maxima of 7e-18), which float16 cannot hold by itself.
"""

from __future__ import annotations

import numpy as np


def encode(a: np.ndarray) -> tuple[bytes, np.float32]:
    """``a`` (h, w) as little-endian float16 bytes of ``a / scale``, row by row, and the scale.

    The scale is the largest absolute value. A map of zeros has scale 0. A map that is not finite
    has scale NaN, and comes back as NaN everywhere: it stays unscorable.
    """
    values = np.asarray(a, dtype=np.float32)
    scale = np.float32(np.abs(values).max(initial=np.float32(0)))
    if not np.isfinite(scale):
        return np.full(values.shape, np.nan, dtype="<f2").tobytes(), np.float32(np.nan)
    if scale == 0:
        return np.zeros(values.shape, dtype="<f2").tobytes(), scale
    # In float64, since a subnormal maximum has lost digits already.
    relative = values.astype(np.float64) / np.float64(scale)
    return relative.astype("<f2").tobytes(), scale


def decode(data: bytes, scale: float, shape: tuple[int, int]) -> np.ndarray:
    """The float32 (h, w) map of :func:`encode`; the maximum is exact, the rest to about 5e-4 of it.

    Raises
    ------
    ValueError: the number of bytes does not fit the shape.
    """
    stored = np.frombuffer(data, dtype="<f2").reshape(shape)
    return stored.astype(np.float32) * np.float32(scale)
