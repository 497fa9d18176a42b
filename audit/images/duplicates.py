"""Groups of images that are nearly the same, by their fingerprints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

import numpy as np

FINGERPRINT_BYTES = 32
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

    # Equal files and equal fingerprints are one group at once: only distinct ones are compared.
    alike = [f if len(f) == FINGERPRINT_BYTES and _has_texture(f) else None for f in fingerprints]
    for members in (*_equal(identical), *_equal(alike)):
        for i, j in pairwise(members):
            join(i, j)
    distinct = {f: i for i, f in reversed(list(enumerate(alike))) if f is not None}
    for first, second in _candidates(list(distinct)):
        if _distance(first, second) <= MAX_DISTANCE:
            join(distinct[first], distinct[second])
    return np.array([root(i) for i in range(len(parent))], np.int64)


def _has_texture(fingerprint: bytes) -> bool:
    """False for a plain surface, which resembles every other plain surface."""
    bits = int.from_bytes(fingerprint).bit_count()
    return MIN_BITS <= bits <= 8 * FINGERPRINT_BYTES - MIN_BITS


def _distance(first: bytes, second: bytes) -> int:
    """Number of bits that differ."""
    return (int.from_bytes(first) ^ int.from_bytes(second)).bit_count()


def _equal(keys: Sequence[str | bytes | None]) -> list[list[int]]:
    """Positions that share a key, for every key that several share."""
    groups: dict[str | bytes, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        if key is not None:
            groups[key].append(i)
    return [g for g in groups.values() if len(g) > 1]


def _candidates(fingerprints: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Pairs that agree in at least one whole band."""
    width = FINGERPRINT_BYTES // BANDS
    groups: dict[tuple[int, bytes], list[bytes]] = defaultdict(list)
    for fingerprint in fingerprints:
        for band in range(BANDS):
            groups[band, fingerprint[band * width : (band + 1) * width]].append(fingerprint)
    for members in groups.values():
        yield from combinations(members, 2)
