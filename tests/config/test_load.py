"""From YAML to a checked config: every fault is one line that names the key."""

import copy
import json

import pytest
import yaml

from audit.config.load import (
    check_paths,
    dump_config,
    load_config,
    merge,
    parse_config,
    read_resolved,
    read_yaml,
    results_folder,
    settings_digest,
)
from audit.config.model import KERAS_PREPROCESS, Config
from audit.errors import AuditError

BASE = {
    "audit": {"name": "fruit"},
    "model": {"path": "m.keras", "preprocess": "scale_0_1"},
    "dataset": {"format": "coco", "annotations": "a.json", "images": "images"},
}


def with_key(dotted, value):
    """The base config with one key set; the key is written ``section/key/...``."""
    values = copy.deepcopy(BASE)
    *sections, key = dotted.split("/")
    part = values
    for section in sections:
        part = part.setdefault(section, {})
    part[key] = value
    return values


def fault(values):
    with pytest.raises(AuditError) as caught:
        parse_config(values, "c.yaml")
    line = str(caught.value)
    assert line.startswith("c.yaml: ")
    return line.removeprefix("c.yaml: ")


@pytest.fixture
def write(tmp_path):
    def write(values, name="c.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
        return path

    return write


# --- unknown and missing keys -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "right"),
    [
        ("modell", {}, "model"),
        ("model/pat", "x", "path"),
        ("model/resize/interpolatoin", "area", "interpolation"),
        ("model/preprocess", {"mean": [0.5], "sdt": [0.5]}, "std"),
        ("heatmap/threshold", {"percentil": 90}, "percentile"),
        ("run/batchsize", 2, "batch_size"),
    ],
)
def test_an_unknown_key_names_its_path_and_the_nearest(key, value, right):
    path = key.replace("/", ".")
    if isinstance(value, dict) and value:
        path += "." + list(value)[-1]
    assert fault(with_key(key, value)) == f"unknown key {path!r}; did you mean {right!r}?"


def test_a_key_that_resembles_none_lists_the_choices():
    line = fault(with_key("heatmap/zzz", 1))
    assert line == "unknown key 'heatmap.zzz'; the choices are: sweep, threshold, top_k"


def test_a_misspelt_required_key_is_told_as_such_not_as_missing():
    values = with_key("model/preproces", "none")
    del values["model"]["preprocess"]
    assert fault(values) == "unknown key 'model.preproces'; did you mean 'preprocess'?"


@pytest.mark.parametrize("path", ["audit", "audit.name", "model.preprocess", "dataset.images"])
def test_a_missing_key(path):
    values = copy.deepcopy(BASE)
    part = values
    *sections, key = path.split(".")
    for section in sections:
        part = part[section]
    del part[key]
    assert fault(values) == f"key {path!r} is missing"


# --- wrong values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("run/batch_size", "32", "input should be a valid integer, received '32'"),
        ("run/batch_size", True, "input should be a valid integer, received True"),
        ("run/batch_size", 1, "input should be greater than or equal to 2, received 1"),
        ("run/threads", "all", "input should be a valid integer or 'auto', received 'all'"),
        ("model/trust_code", "yes", "input should be a valid boolean, received 'yes'"),
        ("model/resize", 3, "input should be a mapping, received 3"),
        ("model/input_size", [0, 3], "height and width must be at least 1, received [0, 3]"),
        ("targets", None, "input should be a mapping"),
        ("metrics", "box_iou", "input should be a valid list or 'all', received 'box_iou'"),
        ("flags/tolerance", float("nan"), "input should be a finite number, received nan"),
    ],
)
def test_a_wrong_value(key, value, line):
    assert fault(with_key(key, value)) == f"{key.replace('/', '.')}: {line}"


@pytest.mark.parametrize(
    ("key", "value", "below", "line"),
    [
        ("metrics", [1], ".0", "input should be a valid string, received 1"),
        ("heatmap/sweep", [0.1, "x"], ".1", "input should be a valid number, received 'x'"),
        ("dataset/annotations", ["a", 2], ".1", "input should be a valid string, received 2"),
        ("dataset/classes", {7: 1}, ".7", "input should be a valid string, received 7"),
        (
            "dataset/classes",
            {"a": [1, 2.5]},
            ".a.1",
            "input should be a valid integer or a valid string, received 2.5",
        ),
        ("targets/classes", 3, "", "input should be a valid string or a valid list, received 3"),
        ("model/preprocess", 3, "", "input should be a valid string or a mapping, received 3"),
        (
            "model/preprocess",
            {"mean": [0.5], "std": ["x"]},
            ".std.0",
            "input should be a valid number, received 'x'",
        ),
        (
            "model/preprocess",
            {"mean": [0, 0], "std": [1, 1]},
            "",
            "mean and std need 1 or 3 values each, one per channel",
        ),
        (
            "model/preprocess",
            {"mean": [0], "std": [0]},
            "",
            "mean and std must be finite, and std not 0",
        ),
        (
            "model/preprocess",
            "vgg61",
            "",
            "unknown preprocessing 'vgg61'; did you mean 'vgg19'?, received 'vgg61'",
        ),
        (
            "heatmap/threshold",
            "ots",
            "",
            "input should be a valid number or 'otsu' or 'calibrated' or a mapping, received 'ots'",
        ),
        (
            "heatmap/threshold",
            1.5,
            "",
            "must lie between 0 and 1, both left out, received 1.5",
        ),
        (
            "heatmap/threshold",
            {"percentile": 100},
            ".percentile",
            "input should be less than 100, received 100",
        ),
    ],
)
def test_a_wrong_value_inside_has_a_readable_path(key, value, below, line):
    """Of a union, the branch that was meant; without pydantic's tags."""
    assert fault(with_key(key, value)) == f"{key.replace('/', '.')}{below}: {line}"


def test_a_key_that_a_union_s_mapping_lacks():
    line = fault(with_key("model/preprocess", {"mean": [0.5]}))
    assert line == "key 'model.preprocess.std' is missing"


def test_keys_named_like_pydantic_s_own_tags():
    assert fault(with_key("int", 1)).startswith("unknown key 'int'; the choices are: audit,")
    assert fault(with_key("model/list[x]", 1)).startswith("unknown key 'model.list[x]'")
    assert "dataset.classes.int: " in fault(with_key("dataset/classes", {"int": None}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("heatmap/threshold", "otsu"),
        ("heatmap/threshold", {"percentile": 90}),
        ("model/preprocess", {"mean": [1, 2, 3], "std": [1, 1, 1], "channel_order": "bgr"}),
        ("model/input_size", [96, 128]),
        ("run/threads", 3),
        ("dataset/classes", {"a": 1, "b": "dog", "c": [1, "cat"]}),
        ("targets/classes", ["predicted", "dog"]),
    ],
)
def test_values_of_every_branch_are_kept(key, value):
    config = parse_config(with_key(key, value), "c.yaml")
    section, name = key.split("/")
    stored = config.model_dump(mode="json", exclude_unset=True)[section][name]
    assert stored == value


def test_one_of_path_and_application():
    both = fault(with_key("model/application", "VGG16"))
    assert "exactly one of `path` and `application`" in both
    values = with_key("model/application", "VGG16")
    del values["model"]["path"]
    assert "`application` and `weights` go together" in fault(values)


def test_as_many_image_folders_as_annotations():
    assert "same number of entries" in fault(with_key("dataset/annotations", ["a", "b"]))


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a\nb", "a" * 101])
def test_a_name_that_is_no_folder_s_name(name):
    assert fault(with_key("audit/name", name)).startswith("audit.name: ")


# --- YAML -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "key 'a' is given twice"),
        ("a:\n  b: 1\n  'b': 2\n", 3, "key 'b' is given twice"),
        ("a: {x: 1,\n    x: 2}\n", 2, "key 'x' is given twice"),
        ("a: [1\n", 2, "expected ',' or ']'"),
        ("a: b: c\n", 1, "mapping values are not allowed here"),
        ("a: 1\n---\nb: 2\n", 2, "but found another document"),
        ("? [1]\n: 2\n", 1, "a key must be a plain value"),
        ("a: *gone\n", 1, "found undefined alias 'gone'"),
        ("a: 1\n\tb: 2\n", 2, "found character '\\t'"),
    ],
)
def test_faults_of_yaml_name_the_line(write, text, line, problem):
    path = write(text)
    with pytest.raises(AuditError, match="is not valid YAML: ") as caught:
        read_yaml(path)
    assert caught.value.where == f"{path}:{line}"
    assert problem in caught.value.what


@pytest.mark.parametrize(
    "text", ["a: 2020-13-45", "a: !!int x", "a: !!timestamp x", "\0", "[" * 5000, "a: \xa0\x07"]
)
def test_faults_that_yaml_finds_late(write, text):
    with pytest.raises(AuditError, match="is not valid YAML: "):
        read_yaml(write(text))


@pytest.mark.parametrize(
    "tag", ["python/object/apply:os.mkdir", "python/object/new:os.mkdir", "python/name:os.mkdir"]
)
def test_yaml_that_would_run_code_is_refused(write, tmp_path, tag):
    path = write(f"audit: !!{tag} [{tmp_path / 'ran'}]\n")
    with pytest.raises(AuditError, match="could not determine a constructor for the tag"):
        read_yaml(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("text", ["", "# nothing\n", "- 1\n", "3\n", "text\n"])
def test_no_mapping(write, text):
    with pytest.raises(AuditError, match="is not a config; expected a mapping of sections"):
        read_yaml(write(text))


def test_a_mapping_that_holds_itself(write):
    with pytest.raises(AuditError):
        load_config([write("audit: &x {name: *x}\n")])


def test_a_mapping_may_override_what_it_merges(write):
    assert read_yaml(write("a: &a {x: 1, y: 1}\nb:\n  <<: *a\n  x: 2\n"))["b"] == {"x": 2, "y": 1}


def test_no_such_file_and_no_text(tmp_path, write):
    with pytest.raises(AuditError, match="gone.yaml: config file not found"):
        read_yaml(tmp_path / "gone.yaml")
    with pytest.raises(AuditError, match="cannot be read: "):
        read_yaml(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    with pytest.raises(AuditError, match="cannot be read: "):
        read_yaml(tmp_path / "latin.yaml")


# --- paths, merging, classes ------------------------------------------------------------------


def test_paths_are_relative_to_the_file_that_states_them(write, tmp_path, monkeypatch):
    first = write({**BASE, "model": {**BASE["model"], "labels": "l.txt"}}, "one/c.yaml")
    second = write({"dataset": {"annotations": ["x", "/y"], "images": ["i", "../j"]}}, "two/d.yaml")
    monkeypatch.chdir(tmp_path)
    config = load_config(["one/c.yaml", second], {"audit": {"output": "out"}})
    assert config.model.path == str(first.parent / "m.keras")
    assert config.model.labels == str(first.parent / "l.txt")
    assert config.dataset.annotations == [str(second.parent / "x"), "/y"]
    assert config.dataset.images == [str(second.parent / "i"), str(second.parent / "../j")]
    assert results_folder(config) == second.parent / "out"
    assert results_folder(load_config([first])).as_posix() == "reports/fruit"


def test_overrides_are_laid_over_key_by_key(write):
    values = {**BASE, "run": {"batch_size": 8, "threads": 2}, "metrics": ["box_iou", "mask_iou"]}
    overrides = {"run": {"threads": 1}, "metrics": ["area"], "audit": {"seed": 3}}
    given = copy.deepcopy(overrides)
    config = load_config([write(values)], overrides)
    assert (config.run.batch_size, config.run.threads) == (8, 1)
    assert config.metrics == ["area"]
    assert (config.audit.name, config.audit.seed) == ("fruit", 3)
    assert overrides == given


def test_merge_replaces_what_is_no_mapping():
    assert merge({"a": {"b": 1}, "c": 1}, {"a": 2, "c": {"d": 1}}) == {"a": 2, "c": {"d": 1}}


def test_classes_from_a_json_file(write, tmp_path):
    (tmp_path / "map.json").write_text('{"cat": [281, "tabby"], "dog": 207}')
    config = load_config([write(with_key("dataset/classes", "map.json"))])
    assert config.dataset.classes == {"cat": [281, "tabby"], "dog": 207}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is not valid JSON"),
        ("[1]", "is not a class mapping; expected an object"),
        ('{"a": 1, "a": 2}', "is not valid JSON: key 'a' is given twice"),
        ('{"a": [[1]]}', "dataset.classes.a.0: input should be"),
    ],
)
def test_faults_of_a_classes_file(write, tmp_path, text, message):
    if text is not None:
        (tmp_path / "map.json").write_text(text)
    with pytest.raises(AuditError) as caught:
        load_config([write(with_key("dataset/classes", "map.json"))])
    assert message in str(caught.value) and "dataset.classes" in str(caught.value)


def test_paths_are_checked(write, tmp_path):
    config = load_config([write(BASE)])
    made = [
        ("model.path", "m.keras"),
        ("dataset.annotations", "a.json"),
        ("dataset.images", "images"),
    ]
    for key, name in made:
        with pytest.raises(AuditError, match=f"{key}: no such .*{name}"):
            check_paths(config, "c.yaml")
        (tmp_path / name).mkdir() if name == "images" else (tmp_path / name).touch()
    check_paths(config, "c.yaml")
    (tmp_path / "images").rmdir()
    (tmp_path / "images").touch()
    with pytest.raises(AuditError, match="dataset.images: no such folder"):
        check_paths(config, "c.yaml")


# --- the resolved config ----------------------------------------------------------------------


def full():
    values = with_key("heatmap/threshold", {"percentile": 90})
    values["model"].update(
        preprocess={"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]}, input_size=[96, 128]
    )
    values["dataset"].update(classes={"ä": [1, "x"]}, options={"flag": True, "n": 1, "x": 0.5})
    return parse_config(values, "c.yaml")


def test_a_dumped_config_reads_back_the_same(tmp_path):
    config = full()
    (tmp_path / "config.json").write_text(dump_config(config), encoding="utf-8")
    back = read_resolved(tmp_path / "config.json")
    assert back == config
    assert dump_config(back) == dump_config(config)
    assert json.loads(dump_config(config))["run"]["shard_size"]  # defaults are written out


def test_a_digest_changes_with_its_sections_alone():
    config, sections = full(), ("model", "run.batch_size")
    same = settings_digest(config, *sections)

    def changed(section, **update):
        part = getattr(config, section).model_copy(update=update)
        return settings_digest(config.model_copy(update={section: part}), *sections)

    assert changed("audit", seed=9) == changed("run", threads=7) == same
    assert changed("model", trust_code=True) != same
    assert changed("run", batch_size=2) != same
    assert settings_digest(config, "model") != same


def test_every_preprocessing_of_the_installed_keras_is_known():
    from audit.models.runtime import tensorflow

    tensorflow()
    import keras

    found = [
        n
        for n in dir(keras.applications)
        if hasattr(getattr(keras.applications, n), "preprocess_input")
    ]
    assert tuple(sorted(found)) == KERAS_PREPROCESS


def test_sections_are_frozen():
    with pytest.raises(ValueError):
        full().run.batch_size = 3
    assert isinstance(full(), Config)
