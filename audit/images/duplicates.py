"""Groups of images that are nearly the same, by their fingerprints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

FINGERPRINT_BYTES = 32
# Bits in which two fingerprints of 256 may differ and still be of one picture (re-encoded, resized).
MAX_DISTANCE = 7
# Of one piece more than that, two such fingerprints have at least one in common.
PIECES = MAX_DISTANCE + 1
# Bits that must be set: a plain surface has next to none, and resembles any other plain surface.
MIN_BITS = 16
# Fingerprints that are compared each with each. Where more share a piece (a plain sky at the top),
# their other bits are cut into pieces anew, this often.
FEW = 2048
LEVELS = 3
BLOCK = 1 << 20
"""Comparisons made at once, and links held before they are put together."""


def near_duplicate_groups(fingerprints: Sequence[bytes], identical: Sequence[str]) -> np.ndarray:
    """Group number of each image, int64 (n,): that of its first member.

    ``fingerprints``: 32 bytes each, empty for none. ``identical``: a digest of each file; equal
    files are one group whatever their fingerprint. Groups are closed under "nearly the same as".
    """
    groups = _Groups(len(fingerprints))
    groups.join_equal(np.arange(len(fingerprints)), pd.factorize(np.asarray(identical, object))[0])
    whole = [len(f) == FINGERPRINT_BYTES for f in fingerprints]
    places = np.flatnonzero(whole)
    prints = np.frombuffer(b"".join(fingerprints[i] for i in places), np.uint8)
    prints = prints.reshape(-1, FINGERPRINT_BYTES)
    textured = _has_texture(prints)
    places, prints = places[textured], prints[textured]
    prints, first, same = np.unique(prints, axis=0, return_index=True, return_inverse=True)
    groups.join_equal(places, same)
    for one, other in _near(prints):
        groups.join(places[first[one]], places[first[other]])
    return groups.first_members()


def first_members(count: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The first of what each of ``count`` things is joined to, itself included, int64 (count,).

    ``one``, ``other`` (m,): places of things that are joined, two by two.
    """
    links = coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
    component = connected_components(links, directed=False)[1]
    _, first, back = np.unique(component, return_index=True, return_inverse=True)
    return first[back].astype(np.int64)


class _Groups:
    """Images joined two by two, in memory that does not grow with the number of links."""

    def __init__(self, count: int) -> None:
        self._group = np.arange(count)
        self._links: list[np.ndarray] = []
        self._held = 0

    def join(self, one: np.ndarray, other: np.ndarray) -> None:
        """Two images each, by place."""
        self._links.append(np.stack([one, other]))
        self._held += len(one)
        if self._held > BLOCK:
            self._settle()

    def join_equal(self, places: np.ndarray, keys: np.ndarray) -> None:
        """Images of one key; keys are numbers from 0."""
        if len(places):
            first = np.zeros(keys.max() + 1, np.int64)
            first[keys[::-1]] = places[::-1]
            self.join(places, first[keys])

    def first_members(self) -> np.ndarray:
        self._settle()
        return self._group

    def _settle(self) -> None:
        n = len(self._group)
        links = np.hstack([np.stack([np.arange(n), self._group]), *self._links])
        self._group = first_members(n, *links)
        self._links, self._held = [], 0


def _has_texture(prints: np.ndarray) -> np.ndarray:
    """bool (n,): False for a plain surface, which resembles every other plain surface."""
    bits = np.bitwise_count(prints).sum(axis=1, dtype=np.int64)
    return (bits >= MIN_BITS) & (bits <= 8 * FINGERPRINT_BYTES - MIN_BITS)


def _near(prints: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places of fingerprints, uint8 (n, 32), nearly the same two by two; a pair may come again."""
    if not len(prints):
        return
    waiting = [(np.arange(len(prints)), np.arange(8 * FINGERPRINT_BYTES), LEVELS)]
    while waiting:
        members, bits, levels = waiting.pop()
        for piece in _pieces(prints[members[:FEW]], bits):
            for group in _sharing(prints, members, piece):
                if len(group) > FEW and levels:
                    waiting.append((group, np.setdiff1d(bits, piece), levels - 1))
                else:
                    yield from _compared(prints, group)


def _pieces(some: np.ndarray, bits: np.ndarray) -> Iterator[np.ndarray]:
    """The bits in eight, dealt out so that no piece gets those alone in which pictures are alike."""
    ones = np.unpackbits(some, axis=1)[:, bits].mean(axis=0)
    telling = bits[np.argsort(np.abs(ones - 0.5), kind="stable")]
    return (telling[k::PIECES] for k in range(PIECES))


def _sharing(prints: np.ndarray, members: np.ndarray, piece: np.ndarray) -> Iterator[np.ndarray]:
    """Members that have all bits of a piece in common, by their places, two or more each time."""
    of_bits = (prints[members][:, piece >> 3] >> (7 - (piece & 7))) & 1
    keys = np.packbits(of_bits.astype(np.uint8), axis=1)
    keys = np.ascontiguousarray(np.pad(keys, ((0, 0), (0, -keys.shape[1] % 8)))).view(np.uint64)
    order = np.lexsort(keys.T)
    ends = np.flatnonzero((keys[order][1:] != keys[order][:-1]).any(axis=1)) + 1
    edges = np.concatenate([[0], ends, [len(members)]])
    for k in np.flatnonzero(np.diff(edges) > 1):
        yield members[order[edges[k] : edges[k + 1]]]


def _compared(prints: np.ndarray, group: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each with each, a block of rows at a time."""
    words = np.ascontiguousarray(prints[group]).view(np.uint64)
    step = max(1, BLOCK // len(group))
    for start in range(0, len(group), step):
        rows = words[start : start + step]
        apart = np.bitwise_count(rows[:, None] ^ words[None]).sum(axis=2, dtype=np.uint16)
        one, other = np.nonzero(apart <= MAX_DISTANCE)
        later = one + start < other
        if later.any():
            yield group[one[later] + start], group[other[later]]
