"""What the explain stage does beside asking the model."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from audit.config.load import parse_config
from audit.errors import AuditError
from audit.images import UnreadableImage
from audit.images.duplicates import MAX_DISTANCE
from audit.models.probe import ModelProbe
from audit.models.runtime import SIDE_BY_SIDE
from audit.progress import Progress
from audit.stages import explain, loading
from audit.stages.explain import _batches, batches_at_once, run_explain
from audit.stages.index import run_index
from audit.stages.inspect import run_inspect
from audit.stages.layout import Layout
from audit.stages.loading import Loaded, fingerprint
from audit.tables.parquet import read_table

QUIET = Progress("explain", quiet=True)


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


def unread(k):
    fault = UnreadableImage("truncated_image", "the file ends")
    return Loaded({"file_name": str(k)}, None, b"", fault)


@pytest.mark.parametrize("broken", [(), (0,), (3,), (9,), (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)])
def test_images_that_cannot_be_read_leave_no_gap(broken):
    names = [{"file_name": str(k)} for k in range(10)]
    loaded = [unread(k) if k in broken else Loaded(names[k], None, b"", None) for k in range(10)]
    batches = list(_batches(iter(loaded), 4))
    assert [item for batch in batches for item in batch] == loaded
    readable = [sum(item.fault is None for item in batch) for batch in batches]
    assert all(count == 4 for count in readable[:-1]) and readable[-1] <= 4


# -- a whole shard


@pytest.fixture(scope="module")
def ready(tmp_path_factory, colours, colour_config):
    """Config with so many threads -> what ``run_explain`` takes; one image cannot be read."""
    folder = tmp_path_factory.mktemp("explain")

    def run(threads):
        values = colour_config(colours, run={"batch_size": 4, "threads": threads})
        config = parse_config(values, "test")
        layout = Layout(folder / str(threads))
        run_inspect(config, layout)
        model = json.loads(layout.model.read_text())
        manifest = run_index(config, layout, model, QUIET)
        (shard,) = (s["name"] for s in manifest["shards"])
        return config, layout, {**model, **manifest["mapping"]}, shard

    return run


def with_some_unread(monkeypatch):
    """The third image of each folder cannot be read any more."""
    of_file = loading.read_file

    def read(path):
        if path == sorted(path.parent.iterdir())[2]:
            raise UnreadableImage("truncated_image", "the file ends")
        return of_file(path)

    monkeypatch.setattr(loading, "read_file", read)


def test_batches_side_by_side_give_the_same_bytes(ready, monkeypatch):
    with_some_unread(monkeypatch)
    tables = []
    for threads, at_once in ((1, 1), (2, SIDE_BY_SIDE), (5, SIDE_BY_SIDE)):
        config, layout, found, shard = ready(threads)
        assert batches_at_once(config) == at_once
        progress = Progress("explain", quiet=True)
        run_explain(config, layout, found, shard, progress)
        tables.append((layout.explained(shard).read_bytes(), layout.seen(shard).read_bytes()))
        timing = json.loads(layout.timing(shard).read_text())
        seen = read_table(layout.seen(shard)).to_pandas()
        unread = seen["fault"].dropna().tolist()
        assert unread and set(unread) == {"truncated_image"}
        assert timing["images"] == len(seen) - len(unread) > 20
        assert {"forward"} < set(timing["seconds"])
        assert progress._done == progress._total == len(seen)
    assert tables[0] == tables[1] == tables[2]


def test_what_is_wrong_with_one_batch_ends_the_stage(ready, monkeypatch):
    """Nothing is written, and what had not begun never does."""
    calls, forward = [], ModelProbe.forward

    def refuse(self, *args):
        calls.append(1)
        if len(calls) == 3:
            raise AuditError("this batch will not do")
        return forward(self, *args)

    monkeypatch.setattr(ModelProbe, "forward", refuse)
    config, layout, found, shard = ready(3)
    with pytest.raises(AuditError, match="this batch"):
        run_explain(config, layout, found, shard, QUIET)
    assert not list(layout.explained(shard).parent.glob("*")) and len(calls) <= 6


@pytest.mark.parametrize(
    ("method", "threads", "count"),
    [
        ("gradcam", 1, 1),
        ("gradcam", 2, 2),
        (["gradcam", "layercam", "random"], 64, 2),
        ("saliency", 2, 1),  # back to the pixels
        (["gradcam", "scorecam"], 2, 1),  # passes of its own
    ],
)
def test_only_what_is_quick_and_small_runs_side_by_side(
    method, threads, count, colours, colour_config
):
    values = colour_config(colours, explain={"method": method}, run={"threads": threads})
    assert batches_at_once(parse_config(values, "test")) == count


def test_one_at_once_on_a_gpu(colours, colour_config, monkeypatch):
    monkeypatch.setattr(explain, "device_kind", lambda: "GPU")
    assert batches_at_once(parse_config(colour_config(colours, run={"threads": 2}), "test")) == 1
