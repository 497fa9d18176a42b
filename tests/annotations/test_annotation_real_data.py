"""Real data sets with known counts and traps, and globox as an independent reader.

globox keeps VOC and ImageNet corners as written: 1-based, inclusive. Ours are one less at the left
and at the top. The COCO, YOLO and Open Images files of ``voc2012_100`` were converted from VOC
without that shift, so that they, too, lie one pixel to the right and below of the VOC boxes; that
is the data's own, and no reader can know it.
"""

import csv
from collections import Counter
from pathlib import Path

import globox
import pytest
from PIL import Image

from audit.annotations import AnnotationSource, read_annotations

from .writers import SCENES, WRITERS, write_images

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
VOC100 = DATA / "voc2012_100"
IMAGES = VOC100 / "images"

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs ../shared/data, which is not part of a clone"
)

# format, annotations, shift of its left and top edges against VOC, largest rounding in pixels
VOC100_FORMATS = {
    "voc": ("voc", "pascalvoc_format", 0, 0),
    "imagenet": ("imagenet", "imagenet_format/Annotations", 0, 0),
    "coco_v1": ("coco", "coco_format_v1/instances_default.json", 1, 0),
    "coco_v2": ("coco", "coco_format_v2/instances_v2.json", 1, 0),
    # Six decimals of a fraction, at most 500 pixels: half a unit for the centre, a quarter for
    # half the width, .75e-6 * 500 in all. That is just what it takes.
    "yolo": ("yolo", "yolo_format", 1, 0.75e-6 * 500),
    # Ten decimals.
    "openimages": ("openimages", "openimages_format/all_bounding_boxes.csv", 1, 0.5e-10 * 500),
}


def boxes(parsed, root):
    """(file, class, x0, y0, x1, y1) in pixels, sorted."""
    found = []
    for image in parsed.images:
        w, h = 1, 1
        if any(obj.relative for obj in image.objects):
            w, h = Image.open(root / image.file_name).size
        for obj in image.objects:
            b = obj.box
            found.append((image.file_name, obj.class_name, b.x0 * w, b.y0 * h, b.x1 * w, b.y1 * h))
    return sorted(found)


def oracle(annotation_set):
    return sorted((a.image_id, b.label, *b.ltrb) for a in annotation_set for b in a.boxes)


def assert_same(found, wanted, shift=0.0, within=0.0):
    """Equal up to ``shift`` of the left and top edges and ``within`` pixels of rounding.

    Rounding may turn the order of two boxes: each is looked for among those of its image and class.
    """
    assert len(found) == len(wanted)
    left = Counter(wanted)
    for file_name, name, *box in found:
        box = [box[0] - shift, box[1] - shift, *box[2:]]
        near = [
            w
            for w in left
            if left[w]
            and w[:2] == (file_name, name)
            and all(abs(a - b) <= within + 1e-9 for a, b in zip(w[2:], box, strict=True))
        ]
        assert near, (file_name, name, box)
        left[near[0]] -= 1


@needs_data
@pytest.mark.parametrize("key", VOC100_FORMATS)
def test_voc100_holds_the_same_boxes_in_every_format(key):
    format_name, path, shift, within = VOC100_FORMATS[key]
    (reference,) = read_annotations("voc", [AnnotationSource(VOC100 / "pascalvoc_format", IMAGES)])
    (parsed,) = read_annotations(format_name, [AnnotationSource(VOC100 / path, IMAGES)])
    assert len(parsed.images) == 100 and parsed.excluded == ()
    assert len(boxes(parsed, IMAGES)) == 273
    assert_same(boxes(parsed, IMAGES), boxes(reference, IMAGES), shift, within)


@needs_data
@pytest.mark.parametrize("key", VOC100_FORMATS)
def test_voc100_agrees_with_globox(key, tmp_path):
    format_name, path, _, _ = VOC100_FORMATS[key]
    (parsed,) = read_annotations(format_name, [AnnotationSource(VOC100 / path, IMAGES)])
    shift = -1 if format_name in ("voc", "imagenet") else 0  # see the module's docstring
    assert_same(boxes(parsed, IMAGES), oracle(_globox(format_name, VOC100 / path, tmp_path)), shift)


def _globox(format_name, path, tmp_path):
    read = globox.AnnotationSet
    if format_name in ("voc", "imagenet"):
        return read.from_pascal_voc(path)
    if format_name == "coco":
        return read.from_coco(path)
    if format_name == "yolo":
        found = read.from_yolo_darknet(path / "obj_train_data", image_folder=IMAGES)
        names = (path / "obj.names").read_text().split("\n")
        return found.map_labels({str(i): name for i, name in enumerate(names)})
    return read.from_openimage(_with_points(path, tmp_path), image_folder=IMAGES)


def _with_points(path, tmp_path):
    """globox reads no decimal commas."""
    with path.open(newline="") as file:
        rows = [[cell.replace(",", ".") for cell in row] for row in csv.reader(file)]
    with (tmp_path / "boxes.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path / "boxes.csv"


@needs_data
def test_voc100_marks_and_notes():
    (voc,) = read_annotations("voc", [AnnotationSource(VOC100 / "pascalvoc_format", IMAGES)])
    objects = [obj for image in voc.images for obj in image.objects]
    assert sum(obj.is_difficult for obj in objects) == 38
    assert sum(obj.is_truncated for obj in objects) == 137
    source = AnnotationSource(VOC100 / VOC100_FORMATS["openimages"][1], IMAGES)
    (parsed,) = read_annotations("openimages", [source])
    assert "coordinates written with a decimal comma: 1011" in parsed.notes
    assert "rows whose ImageID carries a file extension: 273" in parsed.notes


@needs_data
def test_darknet_list_alone_gives_the_same():
    folder, listed = (
        AnnotationSource(VOC100 / "yolo_format" / name, IMAGES) for name in ("", "train.txt")
    )
    assert read_annotations("yolo", [folder]) == read_annotations("yolo", [listed])


@needs_data
def test_fruit_and_kangaroo_as_one_data_set():
    """266 kangaroos: 263 of the data's description, and 3 in the truncated images/00090.jpg."""
    pairs = [("fruit3/train", "fruit3/train"), ("fruit3/test", "fruit3/test")]
    pairs.append(("kangaroo/annots", "kangaroo/images"))
    parsed = read_annotations("voc", [AnnotationSource(DATA / a, DATA / i) for a, i in pairs])
    assert [len(p.images) for p in parsed] == [240, 60, 164]
    counts = [sum(len(image.objects) for image in p.images) for p in parsed]
    assert counts[0] + counts[1] == 582 and counts[2] == 266
    truncated = next(i for i in parsed[2].images if i.file_name == "00090.jpg")
    assert counts[2] - len(truncated.objects) == 263
    unknown = [image for p in parsed for image in p.images if image.width is None]
    assert len(unknown) == 37
    assert [p.notes for p in parsed] == [
        ("images whose size the annotations leave out or state as 0: 33",),
        ("images whose size the annotations leave out or state as 0: 4",),
        (),
    ]
    assert all(p.excluded == () for p in parsed)
    for (annotations, images), p in zip(pairs, parsed, strict=True):
        assert_same(boxes(p, DATA / images), _shifted(DATA / annotations))


def _shifted(folder):
    """A second reading with globox, left and top moved as VOC's definition says."""
    found = []
    for path in folder.glob("*.xml"):
        text = (
            path.read_text().replace("<width>0<", "<width>1<").replace("<height>0<", "<height>1<")
        )
        found += _globox_xml(text, path)
    return sorted(found)


def _globox_xml(text, path):
    import xml.etree.ElementTree as ElementTree

    root = ElementTree.fromstring(text)  # globox refuses a size of 0 x 0; its box reader does not
    for node in root.iter("object"):
        b = globox.BoundingBox.from_xml(node)
        yield root.findtext("filename"), b.label, b.xmin - 1, b.ymin - 1, b.xmax, b.ymax


@needs_data
def test_blood_cells_two_boxes_without_area():
    images = DATA / "bccd" / "JPEGImages"
    (voc,) = read_annotations("voc", [AnnotationSource(DATA / "bccd" / "Annotations", images)])
    (table,) = read_annotations(
        "csv",
        [
            AnnotationSource(
                DATA / "bccd" / "test.csv",
                images,
                columns={"file_name": "filename", "class": "cell_type"},
                options={"one_based": True},
            )
        ],
    )
    for parsed in (voc, table):
        assert len(parsed.images) == 364
        assert parsed.classes == ("Platelets", "RBC", "WBC")
        assert sum(len(i.objects) for i in parsed.images) + len(parsed.excluded) == 4888
        assert [(e.file_name, e.reason, e.class_name) for e in parsed.excluded] == [
            ("BloodImage_00338.jpg", "no_area", "RBC"),
            ("BloodImage_00343.jpg", "no_area", "RBC"),
        ]
    assert boxes(voc, images) == boxes(table, images)


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"csv"}))  # globox reads no plain CSV
def test_written_formats_agree_with_globox(name, tmp_path):
    """On flat ASCII names: globox matches stems of one folder, one extension."""
    scenes = tuple(type(s)(f"{i}.png", s.width, s.height, s.objects) for i, s in enumerate(SCENES))
    images = write_images(tmp_path / "images", scenes)
    source = WRITERS[name](tmp_path, images, scenes)
    (parsed,) = read_annotations(name, [source])
    read = globox.AnnotationSet
    if name == "coco":
        theirs = read.from_coco(source.annotations)
    elif name == "openimages":
        theirs = read.from_openimage(source.annotations, image_folder=images)
    elif name == "yolo":
        theirs = read.from_yolo_darknet(
            source.annotations, image_folder=images, image_extension=".png"
        )
        names = (tmp_path / "classes.txt").read_text(encoding="utf-8").split("\n")
        theirs.map_labels({str(i): n for i, n in enumerate(names)})
    else:
        theirs = read.from_pascal_voc(source.annotations)
    wanted = oracle(theirs)
    if name == "imagenet":  # globox keeps the name as written, without extension
        wanted = [(f"{w[0]}.png", *w[1:]) for w in wanted]
    assert_same(boxes(parsed, images), wanted, -1 if name in ("voc", "imagenet") else 0)
