"""Names of outputs, and which outputs a class is."""

import json
from pathlib import Path

import pytest

from audit.errors import AuditError
from audit.models.labels import read_labels, resolve_mapping

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs ../shared/data, which is not part of a clone"
)
NAMES = ["apple", "Äpfel, rot", "cat"]
FILES = {
    "list.json": json.dumps(NAMES),
    "index.json": json.dumps({str(i): n for i, n in reversed(list(enumerate(NAMES)))}),
    "name.json": json.dumps({n: i for i, n in enumerate(NAMES)}),
    "keras.json": json.dumps({str(i): [f"n{i}", n] for i, n in enumerate(NAMES)}),
    "lines.txt": "\n".join(NAMES) + "\n\n",
    "marked.txt": "\ufeff" + "\r\n".join(NAMES),
    "plain.csv": 'apple\n"Äpfel, rot"\ncat\n',
    "index.csv": '0,apple\n1,"Äpfel, rot"\n2,cat\n',
    "header.csv": 'index,name\n0,apple\n1,"Äpfel, rot"\n2,cat\n',
    "keras.csv": 'id,synset,name\n0,n0,apple\n1,n1,"Äpfel, rot"\n2,n2,cat\n',
}


@pytest.fixture
def labels(tmp_path):
    def read(name, text, n_outputs=3):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_labels(path, n_outputs)

    return read


@pytest.mark.parametrize("name", FILES)
def test_every_form_gives_the_same_names(labels, name):
    assert labels(name, FILES[name]) == NAMES


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "apple\n", "expected 3 names, one for each output, received 1"),
        ("a.json", "{", "is not valid JSON"),
        ("a.json", "{}", "has no list of names"),
        ("a.json", '"apple"', "has no list of names"),
        ("a.json", '{"0": "a", "2": "b", "3": "c"}', "indices run from 0"),
        ("a.json", '{"a": 0, "b": 0, "c": 1}', "indices run from 0"),
        ("a.json", '{"a": 0, "b": 1, "c": 1, "d": 2}', "indices run from 0"),
        ("a.json", '{"a": 1, "b": 2, "c": 3}', "indices run from 0"),
        ("a.csv", "0,a\n2,b\n1,c\n", "indices do not run from 0"),
        ("a.txt", b"\xff\xfe\xe9", "cannot be read"),
    ],
)
def test_faults_of_a_labels_file(labels, name, text, message):
    with pytest.raises(AuditError, match=message) as caught:
        labels(name, text)
    assert caught.value.where.startswith("model.labels: ")


def test_no_such_labels_file(tmp_path):
    with pytest.raises(AuditError, match="gone.txt: no such file"):
        read_labels(tmp_path / "gone.txt", 3)


@needs_data
def test_the_class_index_of_imagenet():
    names = read_labels(DATA / "weights" / "imagenet_class_index.json", 1000)
    assert names[0] == "tench" and names[948] == "Granny_Smith" and len(names) == 1000


# --- mapping ----------------------------------------------------------------------------------

LABELS = ["apple", "banana", "crane", "crane"]


def mapped(classes, seen=("fruit",), labels=LABELS, n_outputs=4):
    return resolve_mapping(classes, seen, labels, n_outputs)


def test_by_index_by_label_one_and_several():
    assert mapped({"fruit": ["banana", 0], "bird": 3}) == {"fruit": [0, 1], "bird": [3]}
    assert mapped({"fruit": ["apple", 0]}) == {"fruit": [0]}
    assert mapped({"fruit": 2}, labels=None) == {"fruit": [2]}


def test_without_a_mapping_names_are_matched():
    labels = ["Granny_Smith", "sea-lion", "cat", "dog"]
    seen = ["granny smith", "Sea Lion", "horse"]
    assert mapped(None, seen, labels) == {"granny smith": [0], "Sea Lion": [1]}
    assert mapped(None, ["crane"]) == {"crane": [2, 3]}


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"fruit": 4}, "fruit: the model has no such output; expected 0 to 3, received 4"),
        ({"fruit": -1}, "no such output"),
        ({"fruit": "bananna"}, "no output has this label, received 'bananna'; did you mean 'banana'?"),
        ({"fruit": "crane"}, "2 outputs have this label, received 'crane'; give its index"),
        ({"fruit": []}, "dataset.classes.fruit: maps to no output"),
        ({"fruit": 1, "yellow": ["banana"]}, "classes.yellow: output 1 belongs to 'fruit' already"),
        ({"fruti": 1}, "is mapped to an output; the data set's classes are: 'fruit'"),
        ({}, "no class of the data set is mapped"),
        ({"fruit": True}, "is no output"),
    ],
)  # fmt: skip
def test_faults_of_a_mapping(classes, message):
    with pytest.raises(AuditError) as caught:
        mapped(classes)
    assert message in str(caught.value)


def test_a_label_without_labels():
    with pytest.raises(AuditError, match="names an output by its label.*give model.labels"):
        mapped({"fruit": "apple"}, labels=None)
    with pytest.raises(AuditError, match="dataset.classes: is missing.*or give model.labels"):
        mapped(None, labels=None)


def test_names_that_match_nothing():
    with pytest.raises(AuditError, match="no class of the data set is mapped"):
        mapped(None, ["horse"])


def test_the_name_of_the_overall_row_is_taken():
    with pytest.raises(AuditError, match="'__all__' is taken"):
        resolve_mapping({"__all__": [0]}, ["__all__"], None, 2)
