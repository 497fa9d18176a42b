"""What the explain stage does beside asking the model."""

import io

import numpy as np
import pytest
from PIL import Image

from audit.images import UnreadableImage
from audit.images.duplicates import MAX_DISTANCE
from audit.stages.explain import Loaded, _batches, fingerprint, load_ahead


def picture(seed, size=224):
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def distance(a, b):
    return (int.from_bytes(fingerprint(a)) ^ int.from_bytes(fingerprint(b))).bit_count()


def encoded(pixels, quality):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def test_a_picture_that_is_encoded_anew_keeps_its_fingerprint():
    for seed in range(10):
        assert distance(picture(seed), encoded(picture(seed), 60)) <= MAX_DISTANCE


def test_other_pictures_have_other_fingerprints():
    for seed in range(10):
        assert distance(picture(seed), picture(seed + 1)) > 5 * MAX_DISTANCE


def test_grey_input_has_a_fingerprint():
    assert len(fingerprint(picture(0)[:, :, :1])) == 32


class Noted(list):
    """Stands for a table writer and for progress."""

    steps = 0

    def step(self, count=1):
        self.steps += count


@pytest.mark.parametrize("broken", [(), (0,), (3,), (9,), (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)])
def test_images_that_cannot_be_read_are_noted_and_leave_no_gap(broken):
    fault = UnreadableImage("truncated_image", "the file ends")
    loaded = [
        Loaded({"file_name": str(k)}, None, b"", fault if k in broken else None) for k in range(10)
    ]
    noted = Noted()
    batches = list(_batches(iter(loaded), 4, noted, noted))
    told = [int(item.row["file_name"]) for batch in batches for item in batch]
    assert told == [k for k in range(10) if k not in broken]
    assert all(len(batch) == 4 for batch in batches[:-1])
    assert [int(row["file_name"]) for row in noted] == list(broken)
    assert {row["fault"] for row in noted} <= {"truncated_image"}
    assert noted.steps == len(broken)  # the others are counted when they are explained


def test_decoding_runs_ahead_but_not_away(monkeypatch):
    """At most ``ahead`` images are in memory, in their order."""
    started = []

    class Now:
        """A pool that works at once."""

        def submit(self, work, row, *_):
            started.append(row)
            return type("Done", (), {"result": lambda self: row})()

    images = load_ahead(Now(), iter(range(20)), None, None, ahead=5)
    for k, image in enumerate(images):
        assert image == k and len(started) <= k + 5
