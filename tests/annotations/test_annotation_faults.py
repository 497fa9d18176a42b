"""Every fault and quirk of each format: an error with its place, an exclusion, or a note."""

import json

import pytest

from audit.annotations import FORMATS, AnnotationSource
from audit.annotations import _xml as xml_module
from audit.annotations._images import ImageListing, safe_name
from audit.annotations._text import number
from audit.errors import AuditError
from audit.records import Box

from .writers import CSV_HEADER, OPENIMAGES_HEADER, SCENES, coco_document, write_rows


@pytest.fixture
def root(tmp_path):
    (tmp_path / "images").mkdir()
    return tmp_path


def touch(root, *names):
    for name in names:
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def parse(format_name, annotations, root, **extra):
    return FORMATS.get(format_name).parse(AnnotationSource(annotations, root / "images", **extra))


def fault(format_name, annotations, root, **extra):
    with pytest.raises(AuditError) as caught:
        parse(format_name, annotations, root, **extra)
    return caught.value


def boxes(parsed):
    return [obj.box for image in parsed.images for obj in image.objects]


# --- shared readers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "1_0",
        "1e999",
        "1e10",
        "0x1",
        "1,5",
        "abc",
        "٣",
        "1 2",
    ],
)
def test_no_number(text):
    with pytest.raises(AuditError, match="a.xml: object 1: xmin is not a number"):
        number(text, "xmin", "a.xml: object 1")


@pytest.mark.parametrize(
    "text, value", [(" 12 ", 12), ("-1.5", -1.5), ("1e2", 100), (".5", 0.5), ("3.", 3)]
)
def test_number(text, value):
    assert number(text, "xmin", "here") == value


@pytest.mark.parametrize("name", ["", " ", ".", "./", "a\0.jpg", "\ud800.jpg", None, 3, ["a.jpg"]])
def test_no_file_name(name):
    with pytest.raises(AuditError):
        safe_name(name, "here")


def test_safe_name_is_normalised():
    assert safe_name("./a//b..c.jpg", "here") == "a/b..c.jpg"
    assert safe_name("...jpg", "here") == "...jpg"


def test_listing_enters_linked_folders_once(root):
    touch(root, "real/a.jpg")
    (root / "images" / "loop").symlink_to(root / "images")
    (root / "elsewhere").mkdir()
    (root / "elsewhere" / "b.jpg").touch()
    (root / "images" / "linked").symlink_to(root / "elsewhere")
    assert ImageListing(root / "images").files == {"real/a.jpg", "linked/b.jpg"}


# --- voc and imagenet XML ---------------------------------------------------------------------

BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"


def xml_object(box=(1, 2, 3, 4), name="<name>cat</name>", more=""):
    return f"<object>{name}{more}{BOX.format(*box)}</object>"


def xml(objects="", file_name="<filename>a.jpg</filename>", size=""):
    return f"<annotation>{file_name}{size}{objects}</annotation>"


def write_xml(root, text, name="a.xml"):
    path = root / "annots" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root / "annots"


XML_FAULTS = {
    "half": ("<annotation><filename>a.jpg</filename><obj", "a.xml:1", "cut short"),
    "empty": ("", "a.xml:1", "XML cannot be read"),
    "root": ("<html/>", "a.xml", "expected annotation, received 'html'"),
    "no file name": (xml(file_name=""), "a.xml", "<filename> is not there once"),
    "empty file name": (xml(file_name="<filename/>"), "a.xml", "no file name"),
    "no box": (xml("<object><name>c</name></object>"), "a.xml: object 1", "<bndbox>"),
    "no class": (xml(xml_object(name="")), "a.xml: object 1", "<name>"),
    "two classes": (
        xml(xml_object(name="<name>a</name><name>b</name>")),
        "a.xml: object 1",
        "2 times",
    ),
    "empty class": (
        xml(xml_object(name="<name> </name>")),
        "a.xml: object 1",
        "class name is empty",
    ),
    "text": (
        xml(xml_object() + xml_object(("x", 2, 3, 4))),
        "a.xml: object 2",
        "xmin is not a number",
    ),
    "nan": (xml(xml_object((1, "nan", 3, 4))), "a.xml: object 1", "ymin is not a number"),
    "infinity": (xml(xml_object((1, 2, "inf", 4))), "a.xml: object 1", "xmax is not a number"),
    "missing": (xml(xml_object((1, 2, 3, ""))), "a.xml: object 1", "ymax is not a number"),
    "flag": (
        xml(xml_object(more="<difficult>2</difficult>")),
        "a.xml: object 1",
        "neither 0 nor 1",
    ),
    "size": (xml(size="<size><width>a</width><height>1</height></size>"), "a.xml: size", "width"),
    "size -1": (
        xml(size="<size><width>-1</width><height>1</height></size>"),
        "a.xml: size",
        "negative",
    ),
    "half a size": (xml(size="<size><width>1</width></size>"), "a.xml: size", "<height>"),
    "not UTF-8": (xml(xml_object(name="<name>\udcff</name>")), "a.xml:1", "XML cannot be read"),
    "entity": (
        '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]>'
        + xml(xml_object(name="<name>&c;</name>")),
        "a.xml",
        "refused",
    ),
    "external": (
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>'
        + xml(xml_object(name="<name>&b;</name>")),
        "a.xml",
        "refused",
    ),
    "encoding": ('<?xml version="1.0" encoding="nothing"?>' + xml(), "a.xml", "XML cannot be read"),
}


@pytest.mark.parametrize("format_name", ["voc", "imagenet"])
@pytest.mark.parametrize("case", XML_FAULTS)
def test_xml_fault(format_name, case, root):
    text, where, message = XML_FAULTS[case]
    error = fault(format_name, write_xml(root, text.encode(errors="surrogateescape")), root)
    assert error.where.startswith(f"annots/{where}")
    assert message in error.line()


def test_xml_too_large(root, monkeypatch):
    monkeypatch.setattr(xml_module, "MAX_BYTES", 10)
    assert "too large" in fault("voc", write_xml(root, xml(xml_object())), root).line()


def test_voc_pixels_are_counted_from_one(root):
    parsed = parse("voc", write_xml(root, xml(xml_object((1, 2, 3, 4)))), root)
    assert boxes(parsed) == [Box(0, 1, 3, 4)]


def test_voc_zero_based_corners_are_noted(root):
    text = xml(xml_object((0, 5, 3, 9)) + xml_object((1, 0, 3, 9)) + xml_object((1, 1, 3, 9)))
    parsed = parse("voc", write_xml(root, text), root)
    assert boxes(parsed)[0] == Box(-1, 4, 3, 9)  # the index clips it
    assert any(
        note.startswith("boxes with a coordinate below 1") and note.endswith(": 2")
        for note in parsed.notes
    )


def test_voc_marks_parts_and_size(root):
    part = "<part><name>head</name>" + BOX.format(1, 1, 2, 2) + "</part>"
    marks = "<difficult>1</difficult><truncated>1</truncated><occluded>1</occluded>" + part
    size = "<size><width>10</width><height>20</height><depth/></size>"
    text = xml(
        xml_object(more=marks) + xml_object(more="<truncated>Unspecified</truncated>"), size=size
    )
    (image,) = parse("voc", write_xml(root, text), root).images
    marked, plain = image.objects
    assert (marked.is_difficult, marked.is_truncated, marked.is_occluded) == (True, True, True)
    assert (plain.is_difficult, plain.is_truncated, plain.is_occluded) == (False, False, False)
    assert (image.width, image.height) == (10, 20)


def test_voc_size_of_zero_is_unknown(root):
    size = "<size><width>0</width><height>0</height></size>"
    parsed = parse("voc", write_xml(root, xml(xml_object(), size=size)), root)
    assert (parsed.images[0].width, parsed.images[0].height) == (None, None)
    assert "images whose size the annotations leave out or state as 0: 1" in parsed.notes


@pytest.mark.parametrize(
    "files, stated, found, note",
    [
        (["a.jpg", "a.png"], "a.jpg", "a.jpg", ""),
        (["a.png"], "a.jpg", "a.png", "without regard to folder or extension"),
        (["a.b.png"], "a.b", "a.b.png", "without regard to folder or extension"),
        (["a.png", "a.jpg"], "a", "a", "fit several files"),
        (["A.jpg"], "a.jpg", "a.jpg", "no annotation names"),
        (["sub/a.jpg"], "a.jpg", "a.jpg", "no annotation names"),
        (["own.jpg"], "old.jpg", "own.jpg", "annotation file's own name"),
        (["own.jpg", "old.jpg"], "old.jpg", "old.jpg", "no annotation names"),
    ],
)
def test_voc_image_is_found(files, stated, found, note, root):
    touch(root, *files)
    text = xml(xml_object(), file_name=f"<filename>{stated}</filename>")
    parsed = parse("voc", write_xml(root, text, "own.xml"), root)
    assert [image.file_name for image in parsed.images] == [found]
    assert note in "".join(parsed.notes)


def test_voc_two_files_of_one_image(root):
    write_xml(root, xml(xml_object()), "1.xml")
    annotations = write_xml(root, xml(xml_object() + xml_object((4, 4, 4, 4))), "2.xml")
    parsed = parse("voc", annotations, root)
    assert [image.where for image in parsed.images] == ["annots/1.xml"]
    (left_out,) = parsed.excluded  # and not once more for its box without area
    assert (left_out.kind, left_out.reason, left_out.n_boxes) == ("image", "duplicate_entry", 2)
    assert left_out.where == "annots/2.xml" and "annots/1.xml" in left_out.detail


def test_voc_folder_without_xml_and_single_file(root):
    (root / "annots").mkdir()
    assert "no .xml file" in fault("voc", root / "annots", root).line()
    write_xml(root, xml(xml_object()))
    assert len(parse("voc", root / "annots" / "a.xml", root).images) == 1


def test_voc_declared_encoding_is_read(root):
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>' + xml(xml_object(name="<name>été</name>"))
    parsed = parse("voc", write_xml(root, text.encode("latin-1")), root)
    assert parsed.classes == ("été",)


def test_imagenet_name_that_was_never_filled_in(root):
    text = xml(xml_object(), "<filename>%s</filename>")
    parsed = parse("imagenet", write_xml(root, text, "n1/n1_7.xml"), root)
    assert parsed.images[0].file_name == "n1/n1_7"  # not there: the index says so


# --- imagenet ---------------------------------------------------------------------------------

SYNSETS = "n01440764 tench, Tinca tinca\nn02012849 crane\nn03126707 crane\n"


def synset_file(root, text=SYNSETS):
    (root / "LOC_synset_mapping.txt").write_text(text)
    return root / "LOC_synset_mapping.txt"


def loc_csv(root, *rows):
    return write_rows(root / "LOC_val_solution.csv", ["ImageId", "PredictionString"], list(rows))


def test_imagenet_tree_by_synset(root):
    touch(root, "n01440764/n01440764_1.JPEG")
    text = xml(xml_object(name="<name>n01440764</name>"), "<filename>%s</filename>")
    annotations = write_xml(root, text, "n01440764/n01440764_1.xml")
    parsed = parse("imagenet", annotations, root, names=synset_file(root))
    assert parsed.images[0].file_name == "n01440764/n01440764_1.JPEG"
    assert parsed.images[0].objects[0].class_name == "tench, Tinca tinca"
    assert parsed.classes == ("tench, Tinca tinca", "crane (n02012849)", "crane (n03126707)")


def test_imagenet_csv(root):
    touch(root, "val/v1.JPEG")
    path = loc_csv(root, ["v1", "n01440764 1 2 3 4 n02012849 5 6 7 8 "], ["v2", ""])
    parsed = parse("imagenet", path, root)
    one, two = parsed.images
    assert (one.file_name, two.file_name) == ("v2", "val/v1.JPEG")
    assert one.objects == () and [o.box for o in two.objects] == [Box(0, 1, 3, 4), Box(4, 5, 7, 8)]
    assert parsed.classes == ("n01440764", "n02012849")
    assert two.objects[1].where == "LOC_val_solution.csv:2: box 2"


@pytest.mark.parametrize(
    "row, where, message",
    [
        (["v1", "n01440764 1 2 3"], ":2", "not made of fives"),
        (["v1", "n01440764 1 2 3 x"], ":2: box 1", "coordinate is not a number"),
        (["v1"], ":2", "wrong number of fields"),
        (["", "n01440764 1 2 3 4"], ":2", "no file name"),
        (["v1", "n99999999 1 2 3 4"], ":2: box 1", "not in the names file"),
    ],
)
def test_imagenet_csv_fault(row, where, message, root):
    error = fault("imagenet", loc_csv(root, row), root, names=synset_file(root))
    assert error.where == f"LOC_val_solution.csv{where}" and message in error.line()


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "empty"),
        ("tench\n", "no synset line"),
        ("n01440764 a\nn01440764 b\n", "synset occurs twice"),
    ],
)
def test_imagenet_names_fault(text, message, root):
    path = loc_csv(root, ["v1", "n01440764 1 2 3 4"])
    assert message in fault("imagenet", path, root, names=synset_file(root, text)).line()


def test_imagenet_image_names_twice(root):
    path = loc_csv(root, ["v1", "n01440764 1 2 3 4"], ["v1", "n01440764 1 2 3 4"])
    (left_out,) = parse("imagenet", path, root).excluded
    assert (left_out.reason, left_out.where) == ("duplicate_entry", "LOC_val_solution.csv:3")


# --- coco -------------------------------------------------------------------------------------


def write_coco_text(root, text):
    path = root / "instances.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def changed(change):
    document = coco_document(SCENES)
    change(document)
    return json.dumps(document)


def set_in(section, index, **values):
    return lambda document: document[section][index].update(values)


def drop_in(section, index, key):
    return lambda document: document[section][index].pop(key)


A1 = "annotations[1]"
COCO_FAULTS = {
    "no section": (lambda d: d.pop("categories"), "", "'categories' is missing"),
    "section": (lambda d: d.update(images={}), "", "expected a list, received 'an object'"),
    "entry": (lambda d: d["images"].append(3), "images[2]", "entry has the wrong type"),
    "no bbox": (drop_in("annotations", 1, "bbox"), A1, "'bbox' is missing"),
    "no id": (drop_in("annotations", 1, "id"), A1, "'id' is missing"),
    "string": (set_in("annotations", 1, bbox=[1, 2, "3", 4]), f"{A1}.bbox", "box holds no number"),
    "boolean": (
        set_in("annotations", 1, bbox=[1, 2, True, 4]),
        f"{A1}.bbox",
        "box holds no number",
    ),
    "null": (set_in("annotations", 1, bbox=[1, 2, None, 4]), f"{A1}.bbox", "box holds no number"),
    "huge": (
        set_in("annotations", 1, bbox=[1, 2, 10**400, 4]),
        f"{A1}.bbox",
        "box holds no number",
    ),
    "large": (
        set_in("annotations", 1, bbox=[1e308, 2, 1e308, 4]),
        f"{A1}.bbox",
        "box holds no number",
    ),
    "three": (set_in("annotations", 1, bbox=[1, 2, 3]), f"{A1}.bbox", "box is malformed"),
    "object": (set_in("annotations", 1, bbox={"x": 1}), f"{A1}.bbox", "box is malformed"),
    "image": (
        set_in("annotations", 1, image_id=99),
        f"{A1}.image_id",
        "names an image that is not",
    ),
    "image type": (set_in("annotations", 1, image_id=True), f"{A1}.image_id", "is no id"),
    "image string": (
        set_in("annotations", 1, image_id="0"),
        f"{A1}.image_id",
        "that is not listed",
    ),
    "category": (set_in("annotations", 1, category_id=1), f"{A1}.category_id", "names a category"),
    "same id": (set_in("annotations", 1, id=1), f"{A1}.id", "id occurs twice"),
    "same image id": (set_in("images", 1, id=0), "images[1].id", "id occurs twice"),
    "same category id": (set_in("categories", 1, id=7), "categories[1].id", "id occurs twice"),
    "same class": (
        set_in("categories", 1, name=" cat"),
        "categories[1].name",
        "class name occurs twice",
    ),
    "class": (set_in("categories", 1, name=4), "categories[1].name", "class name is not a string"),
    "empty class": (set_in("categories", 1, name=" "), "categories[1].name", "class name is empty"),
    "surrogate": (
        set_in("categories", 1, name="\ud800"),
        "categories[1].name",
        "not valid Unicode",
    ),
    "no file": (drop_in("images", 1, "file_name"), "images[1]", "'file_name' is missing"),
    "file": (set_in("images", 1, file_name=3), "images[1]", "image has no file name"),
    "NUL": (set_in("images", 1, file_name="a\0.jpg"), "images[1]", "leaves the image folder"),
    "width": (set_in("images", 1, width="640"), "images[1].width", "no image size"),
    "width bool": (set_in("images", 1, width=True), "images[1].width", "no image size"),
    "height": (set_in("images", 1, height=-4), "images[1].height", "no image size"),
    "crowd": (set_in("annotations", 1, iscrowd=2), f"{A1}.iscrowd", "neither 0 nor 1"),
    "crowd bool": (set_in("annotations", 1, iscrowd=True), f"{A1}.iscrowd", "neither 0 nor 1"),
    "ignore": (set_in("annotations", 1, ignore="1"), f"{A1}.ignore", "neither 0 nor 1"),
    "occluded": (
        set_in("annotations", 1, attributes={"occluded": 2}),
        f"{A1}.attributes.occluded",
        "no boolean",
    ),
}


@pytest.mark.parametrize("case", COCO_FAULTS)
def test_coco_fault(case, root):
    change, where, message = COCO_FAULTS[case]
    error = fault("coco", write_coco_text(root, changed(change)), root)
    assert error.where == ("instances.json: " + where if where else "instances.json")
    assert message in error.line() and "\n" not in error.line()


@pytest.mark.parametrize(
    "text, where, message",
    [
        ('{"images": [\n{"id": 1,', "instances.json:2", "cut short"),
        ("", "instances.json:1", "cut short"),
        ("[]", "instances.json", "wrong top level"),
        ('{"a":\n"\xff"}'.encode("latin-1"), "instances.json:2", "not UTF-8"),
        ('{"a": NaN}', "instances.json", "not a JSON number"),
        ('{"a": -Infinity}', "instances.json", "not a JSON number"),
        ("[" * 200_000, "instances.json", "JSON cannot be read"),
        ("[" + "1" * 5000 + "]", "instances.json", "JSON cannot be read"),
    ],
)
def test_coco_no_json(text, where, message, root):
    error = fault("coco", write_coco_text(root, text), root)
    assert error.where == where and message in error.line()


def test_coco_folder(root):
    assert "one JSON file" in fault("coco", root, root).line()


def test_coco_infinite_float(root):
    text = changed(set_in("annotations", 1, bbox=[1, 2, 77777, 4])).replace("77777", "1e999")
    assert fault("coco", write_coco_text(root, text), root).where == f"instances.json: {A1}.bbox"


def test_coco_marks_and_ids(root):
    def change(document):
        document["annotations"][0].update(iscrowd=1, id="first", attributes={"occluded": True})
        document["annotations"][1].update(ignore=1)
        document["images"][0].update(id="x", width=128.0)
        for record in document["annotations"][:2]:
            record["image_id"] = "x"
        del document["images"][1]["width"]

    parsed = parse("coco", write_coco_text(root, "\ufeff" + changed(change)), root)
    crowd, ignored = parsed.images[1].objects
    assert crowd.is_crowd and crowd.is_occluded and not crowd.is_difficult
    assert ignored.is_difficult and not ignored.is_crowd
    assert (crowd.source_id, ignored.source_id, parsed.images[1].source_id) == ("first", "2", "x")
    assert parsed.images[1].width == 128 and parsed.images[0].width is None
    assert parsed.classes == ("cat", "dog", "été 猫")
    assert crowd.where == "instances.json: annotations[0]"


def test_coco_one_image_listed_twice(root):
    change = set_in("images", 1, file_name="./b/two.png")
    parsed = parse("coco", write_coco_text(root, changed(change)), root)
    assert [len(image.objects) for image in parsed.images] == [2]
    (left_out,) = parsed.excluded
    assert (left_out.kind, left_out.reason, left_out.n_boxes) == ("image", "duplicate_entry", 2)
    assert left_out.where == "instances.json: images[1]"


# --- yolo -------------------------------------------------------------------------------------


def write_files(root, **files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


NAMES = "cat\ndog\n"
LINE = "1 .5 .5 .5 .25\n"
LINE_BOX = Box(0.25, 0.375, 0.75, 0.625)


@pytest.mark.parametrize(
    "images, label, image",
    [
        ("data/images", "data/labels/a.txt", "a.jpg"),
        ("data/images", "data/labels/train/a.txt", "train/a.jpg"),
        ("data", "data/labels/train/a.txt", "images/train/a.jpg"),
        ("data", "data/train/labels/a.txt", "train/images/a.jpg"),
        ("data", "data/a.txt", "a.jpg"),
        ("data", "data/obj_train_data/a.txt", "obj_train_data/a.jpg"),
        ("data/pictures", "data/obj_train_data/a.txt", "a.jpg"),
        ("data", "data/a.jpg.txt", "a.jpg"),
        ("data", "data/scan.5.txt", "scan.5.jpg"),
        ("data", "data/train.txt", "train.jpg"),
    ],
)
def test_yolo_layouts(images, label, image, tmp_path):
    write_files(tmp_path, **{label: LINE, "data/classes.txt": NAMES, f"{images}/{image}": ""})
    source = AnnotationSource(tmp_path / "data", tmp_path / images)
    parsed = FORMATS.get("yolo").parse(source)
    assert [i.file_name for i in parsed.images] == [image]
    assert boxes(parsed) == [LINE_BOX]
    assert parsed.classes == ("cat", "dog") and parsed.notes == ()


def test_yolo_ambiguous_image(root):
    touch(root, "a.jpg", "a.png")
    write_files(root, **{"labels/a.txt": LINE, "classes.txt": NAMES})
    parsed = parse("yolo", root / "labels", root)
    assert parsed.images[0].file_name == "a"
    assert "image names that fit several files, kept as stated: 1" in parsed.notes


@pytest.mark.parametrize(
    "line, message",
    [
        ("1 .5 .5 .5", "wrong number of fields"),
        ("1", "wrong number of fields"),
        ("1 .5 .5 .5 .5 .5 .5 .5", "wrong number of fields"),
        ("1 .5 .5 nan .5", "coordinate is not a number"),
        ("1 .5 .5 inf .5", "coordinate is not a number"),
        ("1 .5 .5 a .5", "coordinate is not a number"),
        ("1 50 50 20 20", "look like pixels"),
        ("2 .5 .5 .5 .5", "class has no name"),
        ("-1 .5 .5 .5 .5", "class has no name"),
        ("1.0 .5 .5 .5 .5", "not a whole number"),
        ("dog .5 .5 .5 .5", "not a whole number"),
    ],
)
def test_yolo_fault(line, message, root):
    write_files(root, **{"labels/a.txt": f"{LINE}\n{line}\n", "classes.txt": NAMES})
    error = fault("yolo", root / "labels", root)
    assert error.where == "labels/a.txt:3" and message in error.line()


def test_yolo_polygons_and_confidence(root):
    text = "0 .1 .2 .5 .1 .3 .9\n" + LINE.strip() + " .87\n"
    write_files(root, **{"labels/a.txt": text, "classes.txt": NAMES})
    parsed = parse("yolo", root / "labels", root)
    assert boxes(parsed) == [Box(0.1, 0.1, 0.5, 0.9), LINE_BOX]
    assert "polygons turned into their bounding boxes: 1" in parsed.notes
    assert any("confidence" in note and note.endswith(": 1") for note in parsed.notes)


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("data.yaml", "names: [cat, dog]\nnc: 3\n", "nc is not"),
        ("data.yaml", "names: [cat, no]\n", "class name is not a string"),
        ("data.yaml", "names: {0: cat, 2: dog}\n", "keys are not 0, 1, 2"),
        ("data.yaml", "names: {false: cat, true: dog}\n", "keys are not 0, 1, 2"),
        ("data.yaml", "names: cat\n", "expected a list"),
        ("data.yaml", "- cat\n", "expected a list"),
        ("data.yaml", "names: [cat\n", "is not valid YAML"),
        ("data.yaml", "names: [cat, cat]\n", "occurs twice"),
        ("data.yaml", "names: !!python/object/apply:os.getcwd []\n", "is not valid YAML"),
        ("classes.txt", "cat\n\ndog\n", "classes.txt:2: class name is empty"),
        ("classes.txt", "\n", "class name is empty"),
        ("other.txt", "cat\n", "class names are not found"),
    ],
)
def test_yolo_names_fault(name, text, message, root):
    write_files(root, **{"labels/a.txt": LINE, name: text})
    assert message in fault("yolo", root / "labels", root).line()


@pytest.mark.parametrize("text", ["names: [cat, dog]\nnc: 2\n", "names: {1: dog, 0: cat}\n"])
def test_yolo_names_from_yaml(text, root):
    write_files(root, **{"labels/a.txt": LINE, "data.yaml": text, "labels/readme.md": "x"})
    assert parse("yolo", root / "labels", root).classes == ("cat", "dog")
    given = write_files(root, **{"mine.names": "x\ny\n"}) / "mine.names"
    assert parse("yolo", root / "labels", root, names=given).classes == ("x", "y")


def test_yolo_images_without_objects(root):
    touch(root, "b.jpg", "c.jpg", "unnamed.jpg")
    files = {
        "labels/a.txt": LINE,
        "labels/b.txt": "\n",
        "labels/train.txt": "images/a.jpg\nx/c.jpg\n",
    }
    write_files(root, **files, **{"classes.txt": NAMES})
    parsed = parse("yolo", root / "labels", root)
    assert [(i.file_name, len(i.objects)) for i in parsed.images] == [
        ("a", 1),
        ("b.jpg", 0),
        ("c.jpg", 0),
    ]
    assert "listed images without a label file, taken as images without objects: 1" in parsed.notes
    assert "images in the image folder that no annotation names: 1" in parsed.notes
    listed = parse("yolo", root / "labels" / "train.txt", root)
    assert [i.file_name for i in listed.images] == ["a", "c.jpg"]


def test_yolo_list_that_climbs_out(root):
    files = {"labels/a.txt": LINE, "labels/train.txt": "\n../a.jpg\n", "classes.txt": NAMES}
    error = fault("yolo", write_files(root, **files) / "labels", root)
    assert error.where == "train.txt:2" and "leaves the image folder" in error.line()


def test_yolo_file_that_is_no_list(root):
    write_files(root, **{"a.json": "{}"})
    assert "folder of label files" in fault("yolo", root / "a.json", root).line()


# --- open images ------------------------------------------------------------------------------


def openimages_row(**values):
    row = dict.fromkeys(OPENIMAGES_HEADER, "")
    row.update(ImageID="abc", LabelName="/m/01", XMin=0.1, XMax=0.2, YMin=0.3, YMax=0.4)
    return list((row | values).values())


def openimages(root, *rows, header=OPENIMAGES_HEADER):
    return write_rows(root / "boxes.csv", header, list(rows))


@pytest.mark.parametrize(
    "values, message",
    [
        ({"XMin": "x"}, "XMin is not a number"),
        ({"XMax": ""}, "XMax is not a number"),
        ({"YMin": "nan"}, "YMin is not a number"),
        ({"YMax": "inf"}, "YMax is not a number"),
        ({"XMin": "1,2,3"}, "XMin is not a number"),
        ({"YMax": 240}, "look like pixels"),
        ({"LabelName": ""}, "class name is empty"),
        ({"ImageID": ""}, "no file name"),
        ({"IsGroupOf": "2"}, "IsGroupOf is neither"),
    ],
)
def test_openimages_fault(values, message, root):
    error = fault("openimages", openimages(root, openimages_row(), openimages_row(**values)), root)
    assert error.where == "boxes.csv:3" and message in error.line()


def test_openimages_columns(root):
    error = fault("openimages", openimages(root, header=["ImageID", "Label"]), root)
    assert error.where == "boxes.csv:1" and "column 'LabelName' is missing" in error.line()


def test_openimages_marks_commas_and_ids(root):
    touch(root, "train/abc.jpg", "def.jpg")
    marks = dict.fromkeys(["IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside"], 1)
    unknown = dict.fromkeys(marks, -1)
    rows = [
        openimages_row(**marks),
        openimages_row(**unknown, XMin="0,125"),
        openimages_row(ImageID="def.jpg", **{"LabelName": "/m/02"}),
    ]
    names = root / "class-descriptions.csv"
    names.write_text('/m/02,"Dog, big"\n/m/01,Cat\n/m/03,Cat\n')
    parsed = parse("openimages", openimages(root, *rows), root, names=names)
    assert [i.file_name for i in parsed.images] == ["def.jpg", "train/abc.jpg"]
    marked, plain = parsed.images[1].objects
    assert marked.is_occluded and marked.is_truncated and marked.is_crowd and marked.is_depiction
    assert not (plain.is_occluded or plain.is_truncated or plain.is_crowd or plain.is_depiction)
    assert plain.relative and plain.box == Box(0.125, 0.3, 0.2, 0.4)
    names.write_text("LabelName,DisplayName\n" + names.read_text())
    assert parse("openimages", openimages(root, *rows), root, names=names) == parsed
    assert parsed.classes == ("Dog, big", "Cat (/m/01)", "Cat (/m/03)")
    assert marked.class_name == "Cat (/m/01)"
    assert "coordinates written with a decimal comma: 1" in parsed.notes
    assert "rows whose ImageID carries a file extension: 1" in parsed.notes


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "empty"),
        ("/m/01\n", "no class description"),
        ("/m/01,\n", "class name is empty"),
        ("/m/01,a\n/m/01,b\n", "label occurs twice"),
        ("LabelName,DisplayName\n/m/02,Dog\n", "not in the class descriptions"),
    ],
)
def test_openimages_names_fault(text, message, root):
    (root / "names.csv").write_text(text)
    path = openimages(root, openimages_row())
    assert message in fault("openimages", path, root, names=root / "names.csv").line()


# --- plain csv --------------------------------------------------------------------------------


def write_csv_text(root, text):
    (root / "boxes.csv").write_text(text)
    return root / "boxes.csv"


HEAD = ",".join(CSV_HEADER) + "\n"


@pytest.mark.parametrize(
    "text, where, message",
    [
        ("", "", "CSV has no header"),
        ("file_name,class\n", ":1", "column 'xmin' is missing"),
        (HEAD.replace("xmax", "xmin"), ":1", "column 'xmin' occurs twice"),
        (HEAD + "a.jpg,cat,1,2,3\n", ":2", "wrong number of fields"),
        (HEAD + "a.jpg,cat,1,2,3,4,5\n", ":2", "wrong number of fields"),
        (HEAD + 'a.jpg,"cat,1,2,3,4\n', ":2", "CSV cannot be read"),
        (HEAD + "\na.jpg,cat,1,2,3,\n", ":3", "ymax is not a number"),
        (HEAD + "a.jpg,cat,1,nan,3,4\n", ":2", "ymin is not a number"),
        (HEAD + "a.jpg,,1,2,3,4\n", ":2", "class name is empty"),
        (HEAD + ",cat,1,2,3,4\n", ":2", "no file name"),
        (HEAD + "../a.jpg,cat,1,2,3,4\n", ":2", "leaves the image folder"),
        (HEAD + "a\0.jpg,cat,1,2,3,4\n", ":2", "leaves the image folder"),
    ],
)
def test_csv_fault(text, where, message, root):
    error = fault("csv", write_csv_text(root, text), root)
    assert error.where == "boxes.csv" + where and message in error.line()


def test_csv_missing_column_hint(root):
    error = fault("csv", write_csv_text(root, "filename,class,xmin,ymin,xmax,ymax\n"), root)
    assert "say under `columns`" in error.line() and "filename" in error.line()


@pytest.mark.parametrize(
    "options, numbers, box, relative",
    [
        ({}, "1,2,30,40", Box(1, 2, 30, 40), False),
        ({"boxes": "xyxy"}, "1,2,30,40", Box(1, 2, 30, 40), False),
        ({"boxes": "xywh"}, "1,2,30,40", Box(1, 2, 31, 42), False),
        ({"one_based": True}, "1,2,30,40", Box(0, 1, 30, 40), False),
        ({"boxes": "xywh", "one_based": True}, "1,2,30,40", Box(0, 1, 30, 41), False),
        ({"relative": True}, ".1,.2,.3,.4", Box(0.1, 0.2, 0.3, 0.4), True),
        ({"boxes": "xywh", "relative": True}, ".5,.25,.5,.25", Box(0.5, 0.25, 1, 0.5), True),
    ],
)
def test_csv_options(options, numbers, box, relative, root):
    last = "w,h" if options.get("boxes") == "xywh" else "xmax,ymax"
    columns = {"box_width": "w", "box_height": "h"} if last == "w,h" else {}
    path = write_csv_text(root, f"file_name,class,xmin,ymin,{last}\na.jpg,cat,{numbers}\n")
    parsed = parse("csv", path, root, options=options, columns=columns)
    assert boxes(parsed) == [box]
    assert parsed.images[0].objects[0].relative is relative


@pytest.mark.parametrize(
    "options, where",
    [
        ({"boxes": "cxcywh"}, "options.boxes"),
        ({"boxes": True}, "options.boxes"),
        ({"relative": "yes"}, "options.relative"),
        ({"relative": 1}, "options.relative"),
        ({"relative": True, "one_based": True}, "options.one_based"),
    ],
)
def test_csv_option_fault(options, where, root):
    path = write_csv_text(root, HEAD + "a.jpg,cat,1,2,3,4\n")
    assert fault("csv", path, root, options=options).where == where


def test_csv_relative_boxes_that_are_pixels(root):
    path = write_csv_text(root, HEAD + "a.jpg,cat,1,2,30,40\n")
    assert "look like pixels" in fault("csv", path, root, options={"relative": True}).line()


def test_csv_columns_are_read_by_name(root):
    text = (
        "\ufefftype,xmin,xmax,ymin,ymax,filename,w,h,difficult,occ,score\n"
        " cat ,1,3,2,4,b.jpg,10,20,1,0,.5\n"
        ",,,,,a.jpg,10,20,,,\n"
        "dog,1,3,2,4,b.jpg,10,20,0,1,.5\n"
    )
    columns = {"file_name": "filename", "class": "type", "occluded": "occ"}
    columns |= {"image_width": "w", "image_height": "h"}
    parsed = parse("csv", write_csv_text(root, text), root, columns=columns)
    empty, two = parsed.images
    assert (empty.file_name, empty.objects) == ("a.jpg", ())
    assert (two.width, two.height, two.where) == (10, 20, "boxes.csv:2")
    cat, dog = two.objects
    assert cat.box == dog.box == Box(1, 2, 3, 4)
    assert (cat.class_name, cat.is_difficult, cat.is_occluded) == ("cat", True, False)
    assert (dog.class_name, dog.is_difficult, dog.is_occluded) == ("dog", False, True)
    assert "columns not read: score" in parsed.notes


@pytest.mark.parametrize("columns", [{"class": "file_name"}, {"box_width": "w"}])
def test_csv_column_map_fault(columns, root):
    path = write_csv_text(root, HEAD + "a.jpg,cat,1,2,3,4\n")
    assert fault("csv", path, root, columns=columns).where.startswith("columns")


def test_csv_rows_of_one_image_need_not_be_adjacent(root):
    rows = ["b.jpg,cat,1,2,3,4", "a.jpg,cat,1,2,3,4", "b.jpg,dog,1,2,3,4"]
    parsed = parse("csv", write_csv_text(root, HEAD + "\n".join(rows)), root)
    assert [[o.class_name for o in i.objects] for i in parsed.images] == [["cat"], ["cat", "dog"]]
