"""No annotation leads out of its image folder, and none names what is no file."""

import os
import time

import pytest

from audit.annotations import FORMATS, AnnotationSource
from audit.annotations._collect import UNNAMED
from audit.annotations._text import number
from audit.errors import AuditError

HEAD = "file_name,class,xmin,ymin,xmax,ymax\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "secret.jpg").touch()
    return tmp_path


def parse(root, *names, **more):
    (root / "a.csv").write_text(HEAD + "".join(f"{name},cat,1,2,3,4\n" for name in names))
    return FORMATS.get("csv").parse(AnnotationSource(root / "a.csv", root / "images", **more))


def linked(root, name, target):
    path = root / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return name


@pytest.mark.parametrize("name", ["a.jpg", "in/a.jpg", ".hidden.jpg", "a.secret"])
def test_a_link_out_of_the_folder_is_left_out(name, root):
    """Also one that the listing does not show."""
    linked(root, name, root / "private" / "secret.jpg")
    parsed = parse(root, name)
    assert parsed.images == ()
    (left_out,) = parsed.excluded
    assert (left_out.file_name, left_out.reason) == (name, "outside_image_folder")
    assert left_out.n_boxes == 1 and "dataset.links_outside" in left_out.detail
    assert not any(UNNAMED in note for note in parsed.notes)
    (image,) = parse(root, name, links_outside=True).images
    assert image.file_name == name


def test_a_folder_that_is_a_link_out(root):
    linked(root, "folder", root / "private")
    assert [e.reason for e in parse(root, "folder/secret.jpg").excluded] == ["outside_image_folder"]
    assert parse(root, "folder/secret.jpg", links_outside=True).images


def test_links_within_the_folder_and_a_folder_that_is_one_itself(root):
    (root / "images" / "b").mkdir()
    (root / "images" / "b" / "real.jpg").touch()
    linked(root, "a.jpg", root / "images" / "b" / "real.jpg")
    linked(root, "up.jpg", "b/../b/real.jpg")
    assert [i.file_name for i in parse(root, "a.jpg", "up.jpg").images] == ["a.jpg", "up.jpg"]
    (root / "other").mkdir()
    (root / "other" / "images").symlink_to(root / "images")
    (root / "other" / "a.csv").write_text(HEAD + "a.jpg,cat,1,2,3,4\n")
    source = AnnotationSource(root / "other" / "a.csv", root / "other" / "images")
    assert len(FORMATS.get("csv").parse(source).images) == 1


def test_a_folder_whose_name_begins_alike(root):
    (root / "images-private").mkdir()
    (root / "images-private" / "a.jpg").touch()
    linked(root, "a.jpg", root / "images-private" / "a.jpg")
    assert [e.reason for e in parse(root, "a.jpg").excluded] == ["outside_image_folder"]


@pytest.mark.parametrize(
    "name", ["../private/secret.jpg", "/etc/passwd", "a\\..\\b.jpg", "b/../../x.jpg"]
)
def test_names_that_climb_out_are_an_error(name, root):
    with pytest.raises(AuditError, match="leaves the image folder"):
        parse(root, name)


def test_an_address_is_a_name_like_any_other(root):
    """It names no file in the folder, and is not opened."""
    (image,) = parse(root, "file:///etc/passwd").images
    assert image.file_name == "file:/etc/passwd"


def test_a_name_that_no_system_keeps(root):
    with pytest.raises(AuditError, match="image file name is too long"):
        parse(root, "a" * 5000 + ".jpg")


@pytest.mark.parametrize(
    ("format_name", "name"),
    [("voc", "labels/a.xml"), ("yolo", "labels/a.txt"), ("csv", "labels/a.csv")],
)
def test_pipes_and_devices_are_not_waited_for(format_name, name, root):
    path = root / name
    path.parent.mkdir()
    (root / "classes.txt").write_text("cat\n")
    where = path.parent if format_name != "csv" else path
    os.mkfifo(path)
    with pytest.raises(AuditError, match="is no file|are one file"):
        FORMATS.get(format_name).parse(AnnotationSource(where, root / "images"))
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(AuditError, match="is no file|are one file"):
        FORMATS.get(format_name).parse(AnnotationSource(where, root / "images"))


def test_a_number_of_a_million_digits_is_read_once():
    began = time.perf_counter()
    with pytest.raises(AuditError, match="is not a number"):
        number("1" * 1_000_000 + "x", "xmin", "here")
    assert time.perf_counter() - began < 1


def test_a_line_without_an_end(root, monkeypatch):
    from audit.annotations import _text

    monkeypatch.setattr(_text, "MAX_LINE", 60)
    with pytest.raises(AuditError, match="a.csv:2: line is too long"):
        parse(root, "a" * 70)
