"""Groups of images that are nearly the same, by their fingerprints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

# Bits in which two fingerprints of 256 may differ and still be of one picture (re-encoded, resized).
MAX_DISTANCE = 7
# With one band more than that, two such fingerprints agree in at least one whole band.
BANDS = MAX_DISTANCE + 1
# Bits that must be set: a plain surface has next to none, and resembles any other plain surface.
MIN_BITS = 16


def near_duplicate_groups(fingerprints: Sequence[bytes], identical: Sequence[str]) -> np.ndarray:
    """Group number of each image, int64 (n,): that of its first member.

    ``fingerprints``: 32 bytes each, empty for none. ``identical``: a digest of each file; equal
    files are one group whatever their fingerprint. Groups are closed under "nearly the same as".
    """
    parent = np.arange(len(fingerprints))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return int(i)

    def join(i: int, j: int) -> None:
        low, high = sorted((root(i), root(j)))
        parent[high] = low

    for members in _equal(identical):
        for i, j in pairwise(members):
            join(i, j)
    bits = {i: int.from_bytes(f) for i, f in enumerate(fingerprints) if len(f) == 32}
    bits = {i: b for i, b in bits.items() if MIN_BITS <= b.bit_count() <= 256 - MIN_BITS}
    for members in _sharing_a_band(fingerprints, bits):
        for position, i in enumerate(members):
            for j in members[position + 1 :]:
                if (bits[i] ^ bits[j]).bit_count() <= MAX_DISTANCE:
                    join(i, j)
    return np.array([root(i) for i in range(len(parent))], np.int64)


def _equal(keys: Sequence[str]) -> list[list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        groups[key].append(i)
    return [g for g in groups.values() if len(g) > 1]


def _sharing_a_band(fingerprints: Sequence[bytes], among: dict[int, int]) -> list[list[int]]:
    """Candidates: images that agree in 32 neighbouring bits."""
    groups: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    width = 32 // BANDS
    for i in among:
        for band in range(BANDS):
            groups[band, fingerprints[i][band * width : (band + 1) * width]].append(i)
    return [g for g in groups.values() if len(g) > 1]
