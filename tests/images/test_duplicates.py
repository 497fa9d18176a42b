"""Pictures that are nearly the same are one group; others are not."""

import cv2
import numpy as np
import pytest

from audit.images import decode, read_header
from audit.images.duplicates import MAX_DISTANCE, near_duplicate_groups
from audit.stages.loading import fingerprint

from .made import encoded, picture
from .test_decode import DATA, needs_data


def flip(data, bits):
    value = int.from_bytes(data)
    for bit in bits:
        value ^= 1 << int(bit)
    return value.to_bytes(32)


def groups(prints, identical=None):
    return near_duplicate_groups(prints, identical or [str(i) for i in range(len(prints))]).tolist()


def print_at_random(seed):
    return np.random.default_rng(seed).bytes(32)


def test_copies_are_found_and_others_are_not():
    original = picture(320, 240, seed=0)
    copies = [
        decode(data, read_header(data))
        for data in (encoded(original, "JPEG", quality=60), encoded(original, "WEBP", quality=50))
    ]
    copies.append(cv2.resize(original, (200, 150), interpolation=cv2.INTER_AREA))
    others = [picture(320, 240, seed=seed) for seed in range(1, 40)]
    found = groups([fingerprint(p) for p in (original, *others, *copies)])
    assert found == [*range(40), 0, 0, 0]


@needs_data
def test_real_photographs_and_their_copies():
    """Recall is what the fingerprint reaches; that different photographs stay apart is a must."""
    paths = sorted((DATA / "voc2012_100" / "images").glob("*.jpg"))
    photos = [decode(p.read_bytes(), read_header(p.read_bytes())) for p in paths]
    halves = [cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for p in photos]
    recoded = [encoded(p, "JPEG", quality=75) for p in photos]
    recoded = [decode(data, read_header(data)) for data in recoded]
    names = np.arange(len(paths))
    prints = [fingerprint(p) for p in photos]
    for copies, recall in ((recoded, 0.95), (halves, 0.75)):
        found = np.array(groups([*prints, *map(fingerprint, copies)]))
        assert (found[: len(paths)] == names).all()
        assert (found[len(paths) :] == names).mean() >= recall


@pytest.mark.parametrize("level", [0, 128, 255])
def test_plain_surfaces_are_not_one_picture(level):
    plain = [np.full((60, 80, 3), level, np.uint8) for _ in range(3)]
    for k, surface in enumerate(plain):
        surface[k, k] += 1
    assert groups([fingerprint(p) for p in plain]) == [0, 1, 2]


def test_the_distance_is_what_counts():
    base = print_at_random(0)
    spread = [k * 256 // (MAX_DISTANCE + 1) for k in range(MAX_DISTANCE + 1)]  # one in each band
    assert groups([base, flip(base, spread[:-1])]) == [0, 0]
    assert groups([base, flip(base, spread)]) == [0, 1]


def test_groups_are_closed_and_named_by_their_first_member():
    base = print_at_random(1)
    chain = [flip(base, range(6 * k)) for k in range(4)]  # neighbours differ by 6, ends by 18
    other = print_at_random(2)
    assert groups([other, chain[3], chain[0], chain[2], chain[1]]) == [0, 1, 1, 1, 1]


def test_equal_files_are_one_group_whatever_their_fingerprint():
    prints = [print_at_random(3), b"", print_at_random(4), b"", bytes(32)]
    assert groups(prints, ["a", "b", "a", "c", "b"]) == [0, 1, 0, 3, 1]
    assert groups([], []) == []


def test_against_all_pairs():
    rng = np.random.default_rng(5)
    prints = [rng.bytes(32) for _ in range(30)]
    prints += [flip(prints[rng.integers(30)], rng.integers(0, 256, 7)) for _ in range(60)]
    names = list(range(len(prints)))
    for _ in names:  # as many rounds as it can take
        for i, a in enumerate(prints):
            for j, b in enumerate(prints):
                if (int.from_bytes(a) ^ int.from_bytes(b)).bit_count() <= MAX_DISTANCE:
                    names[i] = min(names[i], names[j])
        if groups(prints) == names:
            break
    assert groups(prints) == names
