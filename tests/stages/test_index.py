"""Annotations and image headers into shards: nothing is lost, and nothing moves."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit.config.model import Config
from audit.errors import AuditError
from audit.images import ImageHeader
from audit.progress import Progress
from audit.records import Box
from audit.stages import index as module
from audit.stages.ahead import processes
from audit.stages.index import _shards, build_index, run_index, upright_box
from audit.stages.layout import Layout
from audit.tables.parquet import read_table

QUIET = Progress("test", quiet=True)


def coco(folder: Path, *images: tuple, name="boxes.json") -> Path:
    """A COCO file of (file name, (width, height) or None, boxes); every object is a cat."""
    entries, boxes = [], []
    for key, (file_name, size, rows) in enumerate(images, 1):
        entry = {"id": key, "file_name": file_name}
        entries.append(entry | (dict(zip(("width", "height"), size, strict=True)) if size else {}))
        for box in rows:
            found = {"id": len(boxes) + 1, "image_id": key, "category_id": 1, "bbox": list(box)}
            boxes.append(found)
    path = folder / name
    text = {"images": entries, "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    path.write_text(json.dumps(text))
    return path


def picture(path: Path, size=(40, 30), seed=0, orientation=None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)


def config(annotations, images, **sections) -> Config:
    def text(value):
        return [str(v) for v in value] if isinstance(value, list) else str(value)

    values = {
        "audit": {"name": "t"},
        "model": {"path": "m.keras", "preprocess": "none"},
        "dataset": {"format": "coco", "annotations": text(annotations), "images": text(images)},
    }
    for name, section in sections.items():
        values[name] = values.get(name, {}) | section
    return Config.model_validate(values)


def index(*args, **sections):
    return build_index(config(*args, **sections), QUIET)


def corners(row):
    return [tuple(o[k] for k in ("x0", "y0", "x1", "y1")) for o in row["objects"]]


def test_boxes_that_reach_over_the_edge_are_clipped_and_counted(tmp_path):
    picture(tmp_path / "a.png")
    found = index(coco(tmp_path, ("a.png", (40, 30), [(-5, 10, 20, 30), (1, 1, 5, 5)])), tmp_path)
    assert corners(found.rows[0]) == [(0, 10, 15, 30), (1, 1, 6, 6)]
    assert any(n.startswith("1: box reaches over the edge") for n in found.notes)


def test_boxes_outside_of_the_image_are_listed(tmp_path):
    picture(tmp_path / "a.png")
    found = index(coco(tmp_path, ("a.png", None, [(40, 0, 9, 9), (1, 1, 5, 5)])), tmp_path)
    (box,) = found.excluded
    assert (box.kind, box.reason, box.n_boxes) == ("box", "outside_image", 1)
    assert found.counts() == {
        "images_in": 1, "images_kept": 1, "images_excluded": 0,
        "boxes_in": 2, "boxes_kept": 1, "boxes_excluded": 1,
    }  # fmt: skip


def test_an_image_of_another_size_than_annotated_is_listed_with_its_boxes(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png", seed=1)
    source = coco(tmp_path, ("a.png", (80, 60), [(1, 1, 5, 5)] * 2), ("b.png", (40, 30), []))
    found = index(source, tmp_path)
    (image,) = found.excluded
    assert (image.reason, image.n_boxes) == ("size_mismatch", 2)
    assert "80x60" in image.detail and "40x30" in image.detail
    assert [r["file_name"] for r in found.rows] == ["b.png"]


# Orientation, a 2x1 box in the top left corner of the 40x30 stored pixels -> in upright pixels.
TURNED = {
    5: (0, 0, 1, 2),  # mirrored along the main diagonal
    6: (29, 0, 30, 2),  # stored left becomes top, stored top becomes right
    7: (29, 38, 30, 40),
    8: (0, 38, 1, 40),  # stored top becomes left, stored left becomes bottom
}


@pytest.mark.parametrize("orientation", TURNED)
def test_boxes_of_stored_pixels_turn_with_their_image(tmp_path, orientation):
    picture(tmp_path / "a.png", orientation=orientation)
    found = index(coco(tmp_path, ("a.png", (40, 30), [(0, 0, 2, 1)])), tmp_path)
    (row,) = found.rows
    assert (row["width"], row["height"]) == (30, 40)
    assert corners(row) == [TURNED[orientation]]


@pytest.mark.parametrize("orientation", TURNED)
def test_the_turn_of_boxes_is_pillows_turn_of_pixels(orientation):
    stored = Image.new("L", (40, 30))
    stored.paste(255, (3, 5, 14, 9))
    exif = stored.getexif()
    exif[0x0112] = orientation
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(stored)
    header = ImageHeader("PNG", "L", 40, 30, orientation)
    box = upright_box(Box(3, 5, 14, 9), header)
    assert (box.x0, box.y0, box.x1, box.y1) == upright.getbbox()


def test_boxes_annotated_upright_stay(tmp_path):
    picture(tmp_path / "a.png", orientation=6)
    for size in ((30, 40), None):
        found = index(coco(tmp_path, ("a.png", size, [(0, 0, 2, 1)])), tmp_path)
        assert corners(found.rows[0]) == [(0, 0, 2, 1)]


def test_exif_can_be_ignored(tmp_path):
    picture(tmp_path / "a.png", orientation=6)
    source = coco(tmp_path, ("a.png", (40, 30), [(0, 0, 2, 1)]))
    (row,) = index(source, tmp_path, dataset={"exif": "ignore"}).rows
    assert (row["width"], row["height"], row["orientation"]) == (40, 30, 1)
    assert corners(row) == [(0, 0, 2, 1)]


def test_missing_and_unreadable_images_are_listed(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    names = ("a.png", "gone.png", "text.png", "empty.jpg")
    found = index(coco(tmp_path, *((n, None, [(1, 1, 5, 5)]) for n in names)), tmp_path)
    reasons = {e.file_name: e.reason for e in found.excluded}
    assert set(reasons) == set(names[1:]) and reasons["gone.png"] == "missing_image"
    assert found.counts()["boxes_excluded"] == 3


def test_names_that_lie_about_the_format_are_noted_and_kept(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    found = index(coco(tmp_path, ("a.jpg", None, [])), tmp_path)
    assert found.rows[0]["format"] == "PNG" and not found.excluded
    assert any("not what its name .jpg says" in n for n in found.notes)


def test_images_of_the_same_bytes_name_the_first(tmp_path):
    for name in ("b.png", "a.png", "c.png"):
        picture(tmp_path / name, seed=int(name == "c.png"))
    found = index(coco(tmp_path, *((f"{c}.png", None, []) for c in "bac")), tmp_path)
    told = {r["file_name"]: r["duplicate_of"] for r in found.rows}
    assert told == {"a.png": None, "b.png": "a.png", "c.png": None}


def test_several_roots_put_their_folder_before_the_name(tmp_path):
    for folder in ("one", "two"):
        picture(tmp_path / folder / "a.png", seed=len(folder) + ord(folder[0]))
    sources = [coco(tmp_path, ("a.png", None, [(1, 1, 5, 5)]), name=f"{k}.json") for k in "12"]
    found = index(sources, [tmp_path / "one", tmp_path / "two"])
    assert [r["file_name"] for r in found.rows] == ["one/a.png", "two/a.png"]
    # Both files call it image 1, so the names are the ids.
    assert [r["image_id"] for r in found.rows] == ["one/a.png", "two/a.png"]


def test_ids_that_do_not_clash_are_kept(tmp_path):
    for k, name in enumerate("ab"):
        picture(tmp_path / f"{name}.png", seed=k)
    found = index(coco(tmp_path, ("a.png", None, []), ("b.png", None, [])), tmp_path)
    assert [r["image_id"] for r in found.rows] == ["1", "2"]


def test_a_root_inside_of_another_does_not_count_a_file_twice(tmp_path):
    picture(tmp_path / "in" / "a.png")
    outer = coco(tmp_path, ("in/a.png", None, [(1, 1, 5, 5)]), name="outer.json")
    inner = coco(tmp_path, ("a.png", None, [(1, 1, 5, 5), (2, 2, 5, 5)]), name="inner.json")
    found = index([outer, inner], [tmp_path, tmp_path / "in"])
    assert [r["file_name"] for r in found.rows] == ["in/a.png"]
    (second,) = found.excluded
    assert (second.reason, second.n_boxes) == ("duplicate_entry", 2)
    assert "outer.json" in second.detail and "inner.json" in second.where
    assert found.counts()["boxes_in"] == 3


def test_nothing_left_is_an_error_that_says_why(tmp_path):
    with pytest.raises(AuditError, match="no image is left to audit.*missing_image"):
        index(coco(tmp_path, ("gone.png", None, [])), tmp_path)


# -- shards


def rows(count, **change):
    return [{"file_name": f"{k:03d}.jpg", "sha": k} | change for k in range(count)]


def test_shards_hold_the_whole_data_set_once():
    for count, size in ((1, 1), (7, 3), (100, 9), (100, 100), (100, 1)):
        shards = list(_shards(rows(count), size))
        names = [r["file_name"] for _, members in shards for r in members]
        assert sorted(names) == [r["file_name"] for r in rows(count)]
        assert len({name for name, _ in shards}) == len(shards)


def test_one_shard_suffices_for_few_images():
    assert len(list(_shards(rows(10), 10))) == 1


def test_an_added_image_renames_one_shard_only():
    before = [name for name, _ in _shards(rows(60), 10)]
    after = [name for name, _ in _shards([*rows(60), {"file_name": "new.jpg", "sha": 9}], 10)]
    assert len(after) == len(before) == 8
    assert len(set(before) - set(after)) == len(set(after) - set(before)) == 1


def test_a_changed_image_renames_its_shard_only():
    changed = rows(60)
    changed[5] |= {"sha": "other"}
    before, after = ({n for n, _ in _shards(r, 10)} for r in (rows(60), changed))
    assert len(before - after) == 1


def test_stale_shards_go_and_the_manifest_adds_up(tmp_path):
    for k in range(12):
        picture(tmp_path / f"{k}.png", seed=k)
    layout = Layout(tmp_path / "out")
    model = {"labels": None, "facts": {"n_outputs": 2}}
    boxes = [(1, 1, 5, 5), (2, 2, 6, 6)]
    for names in (range(12), range(11)):
        source = coco(tmp_path, *((f"{k}.png", None, boxes) for k in names))
        settings = config(source, tmp_path, dataset={"classes": {"cat": 1}}, run={"shard_size": 4})
        manifest = run_index(settings, layout, model, QUIET)
    assert manifest["mapping"]["classes"] == {"cat": [1]}
    named = {s["name"] for s in manifest["shards"]}
    files = {p.stem for p in layout.manifest.parent.glob("*-*.parquet")}
    assert files == named
    assert sum(s["images"] for s in manifest["shards"]) == manifest["counts"]["images_kept"] == 11
    assert sum(s["boxes"] for s in manifest["shards"]) == manifest["counts"]["boxes_kept"] == 22
    stored = [n for s in named for n in read_table(layout.index(s))["file_name"].to_pylist()]
    assert sorted(stored) == sorted(f"{k}.png" for k in range(11))


def test_processes_read_what_threads_read(tmp_path, monkeypatch):
    """Files that cannot be read among them: a reason has to come through from another process."""
    for k in range(12):
        picture(tmp_path / f"{k}.png", seed=k)
    (tmp_path / "3.png").write_bytes(b"GIF?")
    (tmp_path / "7.png").unlink()
    given = config(
        coco(tmp_path, *((f"{k}.png", None, [(1, 1, 5, 5)]) for k in range(12))), tmp_path
    )
    threads = build_index(given, QUIET)
    monkeypatch.setattr(module, "MIN_PROCESSES", 12)
    monkeypatch.setattr(module, "TOGETHER", 5)
    made = []
    monkeypatch.setattr(
        module, "processes", lambda *a: made.append(a) or processes(*a), raising=True
    )
    assert build_index(given, QUIET, jobs=1) == threads and made == []
    assert build_index(given, QUIET, jobs=2) == threads and len(made) == 1
    assert [e.reason for e in threads.excluded] == ["not_an_image", "missing_image"]
