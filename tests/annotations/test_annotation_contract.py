"""Every registered format: one data set written in it is read back the same."""

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.annotations import FORMATS, AnnotationSource, read_annotations
from audit.annotations._images import SUFFIXES, stem
from audit.errors import AuditError

from .writers import SCENES, WRITERS, Scene, classes, write_images

every_format = pytest.mark.parametrize("name", FORMATS.names())


def pixels(parsed, sizes):
    """(file name, class, box in pixels) of every object, whatever the format's unit."""
    for image in parsed.images:
        w, h = sizes[image.file_name]
        for obj in image.objects:
            sx, sy = (w, h) if obj.relative else (1, 1)
            box = obj.box
            yield (
                image.file_name,
                obj.class_name,
                box.x0 * sx,
                box.y0 * sy,
                box.x1 * sx,
                box.y1 * sy,
            )


def expected(scenes):
    return [
        (scene.file_name, *obj)
        for scene in sorted(scenes, key=lambda scene: scene.file_name)
        for obj in scene.objects
    ]


def sizes(scenes):
    return {scene.file_name: (scene.width, scene.height) for scene in scenes}


@pytest.fixture
def written(tmp_path):
    def write(name, scenes=SCENES):
        images = write_images(tmp_path / "images", scenes)
        return WRITERS[name](tmp_path, images, scenes)

    return write


def test_every_format_has_a_writer():
    assert set(WRITERS) == set(FORMATS.names())


@every_format
def test_reads_back_the_same(name, written):
    (parsed,) = read_annotations(name, [written(name)])
    assert list(pixels(parsed, sizes(SCENES))) == expected(SCENES)
    assert set(parsed.classes) == set(classes(SCENES))
    assert parsed.excluded == ()
    for image in parsed.images:
        assert (image.width, image.height) in (sizes(SCENES)[image.file_name], (None, None))


@every_format
def test_order_does_not_depend_on_the_file_system(name, written):
    source = written(name)
    first, second = FORMATS.get(name).parse(source), FORMATS.get(name).parse(source)
    assert first == second
    names = [image.file_name for image in first.images]
    assert names == sorted(names)


@every_format
def test_where_names_the_file_and_every_place_once(name, written):
    parsed = FORMATS.get(name).parse(written(name))
    places = [obj.where for image in parsed.images for obj in image.objects]
    assert len(places) == len(set(places)) == len(expected(SCENES))
    assert all(":" in place for place in places)


@every_format
def test_is_described(name):
    entry = FORMATS.get(name)
    assert entry.name == name
    assert entry.summary and "\n" not in entry.summary and len(entry.summary) < 90
    assert entry.spec


@every_format
def test_image_that_is_not_there_keeps_its_name(name, written):
    source = written(name)
    (source.images / "a.one.jpg").unlink()
    parsed = FORMATS.get(name).parse(source)
    missing = parsed.images[0].file_name
    assert missing in ("a.one.jpg", "a.one") and len(parsed.images) == 2


@every_format
def test_unnamed_images_are_counted(name, written):
    source = written(name)
    (source.images / "extra.JPG").write_bytes(b"")
    (source.images / "notes.doc").write_bytes(b"")
    (source.images / ".hidden.jpg").write_bytes(b"")
    notes = FORMATS.get(name).parse(source).notes
    assert "images in the image folder that no annotation names: 1" in notes


@every_format
def test_boxes_without_area_are_listed(name, written):
    bad = (("cat", 8, 8, 24, 24), ("cat", 4, 4, 4, 9), ("dog", 9, 4, 5, 8), ("dog", 4, 8, 5, 4))
    if name in ("voc", "imagenet"):  # judged on the stated corners, which are 1-based
        bad = (("cat", 8, 8, 24, 24), ("cat", 4, 4, 5, 9), ("dog", 9, 4, 5, 8), ("dog", 4, 8, 6, 4))
    parsed = FORMATS.get(name).parse(written(name, (Scene("a.png", 32, 32, bad),)))
    assert len(parsed.images[0].objects) == 1
    assert [(e.kind, e.reason, e.class_name, e.n_boxes) for e in parsed.excluded] == [
        ("box", "no_area", "cat", 1),
        ("box", "inverted", "dog", 1),
        ("box", "inverted", "dog", 1),
    ]
    assert all(e.file_name == "a.png" and e.where for e in parsed.excluded)
    assert set(parsed.classes) == {"cat", "dog"}


@every_format
@pytest.mark.parametrize("part", ["annotations", "images", "names"])
def test_paths_that_are_not_there(name, part, written, tmp_path):
    source = dataclasses.replace(written(name), **{part: tmp_path / "gone"})
    with pytest.raises(AuditError, match="not there|takes no class names"):
        FORMATS.get(name).parse(source)


@every_format
def test_names_file_is_read_or_refused(name, written, tmp_path):
    """A names file that names none of the classes is never passed over."""
    (tmp_path / "other.names").write_text("zebra\n")
    source = dataclasses.replace(written(name), names=tmp_path / "other.names")
    with pytest.raises(AuditError):
        FORMATS.get(name).parse(source)


@every_format
def test_file_that_cannot_be_opened(name, written):
    source = written(name)
    path = source.annotations
    if path.is_dir():
        path = min(p for p in path.rglob("*") if p.is_file())
    path.unlink()
    path.symlink_to(path.parent / "gone")
    with pytest.raises(AuditError, match="cannot be read|not there") as caught:
        FORMATS.get(name).parse(source)
    assert str(path) in caught.value.where


@every_format
def test_unknown_options_are_refused(name, written):
    source = dataclasses.replace(written(name), options={"relativ": True})
    with pytest.raises(AuditError, match="relativ"):
        FORMATS.get(name).parse(source)
    source = dataclasses.replace(written(name), columns={"clas": "label"})
    with pytest.raises(AuditError, match="columns: format"):
        FORMATS.get(name).parse(source)


@every_format
def test_empty_data_set_is_an_error(name, written):
    source = written(name)
    if source.annotations.is_dir():
        for path in [*source.annotations.rglob("*.xml"), *source.annotations.rglob("*.txt")]:
            path.unlink()
    elif name == "coco":
        source.annotations.write_text('{"images": [], "annotations": [], "categories": []}')
    else:
        header = source.annotations.read_text(encoding="utf-8").splitlines()[0]
        source.annotations.write_text(header + "\n")
    with pytest.raises(AuditError, match="no annotated image|holds no"):
        FORMATS.get(name).parse(source)


@every_format
def test_text_in_another_encoding_is_an_error(name, written):
    source = written(name)
    paths = [source.annotations]
    if source.annotations.is_dir():
        paths = [p for p in source.annotations.rglob("*") if p.is_file()]
    for path in paths:
        path.write_bytes(path.read_bytes() + b"\xff\xfe\xe9")
    with pytest.raises(AuditError, match="not UTF-8|XML cannot be read") as caught:
        FORMATS.get(name).parse(source)
    assert caught.value.where.rpartition(":")[2].isdigit()


@every_format
def test_cut_anywhere_it_is_an_error_or_fewer_boxes_never_a_crash(name, written):
    source = written(name, SCENES[:1])
    path = source.annotations
    if path.is_dir():
        (path,) = (p for p in path.rglob("*") if p.suffix in (".xml", ".txt"))
    whole = path.read_bytes()
    n_errors = 0
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        try:
            parsed = FORMATS.get(name).parse(source)
            assert sum(len(image.objects) for image in parsed.images) <= 2
        except AuditError as error:
            n_errors += 1
            assert path.name in error.line() or str(path.parent) in error.line()
    assert n_errors > 2
    if name in ("voc", "imagenet", "coco"):  # these know their end
        assert n_errors == len(range(0, len(whole) - 1, 7))


ESCAPES = [
    "../a.png",
    "b/../../a.png",
    "/etc/a.png",
    "C:/a.png",
    "C:a.png",
    "b\\a.png",
    "\\\\h\\a.png",
]


@pytest.mark.parametrize("file_name", ESCAPES)
@pytest.mark.parametrize("name", sorted(set(FORMATS.names()) - {"yolo"}))  # it names no image
def test_image_path_that_climbs_out(name, file_name, tmp_path):
    """The placeholder is replaced in the text, as no writer would make such files."""
    scenes = (Scene("PLACEHOLDER.png", 32, 32, (("cat", 8, 8, 24, 24),)),)
    source = WRITERS[name](tmp_path, write_images(tmp_path / "images", scenes), scenes)
    path = source.annotations
    if path.is_dir():
        (path,) = path.rglob("*.xml")
    text = path.read_text().replace("PLACEHOLDER.png", "PLACEHOLDER")
    path.write_text(
        text.replace("PLACEHOLDER", file_name.replace("\\", "\\\\"[: 1 + (name == "coco")]))
    )
    with pytest.raises(AuditError, match="leaves the image folder") as caught:
        FORMATS.get(name).parse(source)
    assert path.name in caught.value.where


NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1).filter(
    str.strip
)
SUFFIX = st.sampled_from([".jpg", ".PNG"])
EIGHTHS = st.integers(0, 8 * 31).map(lambda n: n / 8)


@st.composite
def scene_sets(draw):
    def box():
        x0, y0 = draw(EIGHTHS), draw(EIGHTHS)
        return x0, y0, x0 + 1.125 + draw(EIGHTHS), y0 + 1.125 + draw(EIGHTHS)

    return tuple(
        Scene(
            draw(st.sampled_from(["", "a/", "a b/ü/"])) + f"{i}" + draw(SUFFIX),
            64,
            128,
            tuple((draw(NAMES).strip(), *box()) for _ in range(draw(st.integers(1, 3)))),
        )
        for i in range(draw(st.integers(1, 3)))
    )


@every_format
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(scenes=scene_sets())
def test_any_boxes_and_class_names(name, tmp_path_factory, scenes):
    root = tmp_path_factory.mktemp("any")
    for scene in scenes:
        path = root / "images" / scene.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    parsed = FORMATS.get(name).parse(WRITERS[name](root, root / "images", scenes))
    found = list(pixels(parsed, sizes(scenes)))
    assert found == expected(scenes)


@given(st.text())
def test_stem_takes_off_only_an_image_suffix(text):
    assert stem(text + ".jpg") == text or "/" in text or not text.strip(".")
    for suffix in SUFFIXES:
        assert stem(f"x.y{suffix.upper()}") == "x.y"
    assert stem("scan.5") == "scan.5"


def test_sources_are_kept_apart(tmp_path):
    """The same file name under two roots is two images."""
    found = []
    for folder in ("one", "two"):
        images = write_images(tmp_path / folder / "images", SCENES)
        found.append(WRITERS["voc"](tmp_path / folder, images, SCENES))
    one, two = read_annotations("voc", found)
    assert [i.file_name for i in one.images] == [i.file_name for i in two.images]
    with pytest.raises(AuditError, match="twice"):
        read_annotations("voc", [found[0], found[0]])
    with pytest.raises(AuditError, match="no annotations"):
        read_annotations("voc", [])


def test_unknown_format_lists_the_choices():
    with pytest.raises(AuditError, match="did you mean 'coco'"):
        read_annotations("cocoo", [AnnotationSource(None, None)])
