"""Each fault of the input is one clear line on standard error, exit code 2, and no new table."""

import json
import shutil

import pytest

from audit.cli import main

ERROR = "focus-audit: error: "


def _edit(world, change):
    text = json.loads(world.annotations.read_text())
    change(text)
    world.annotations.write_text(json.dumps(text))


def _box(value):
    def spoil(world, values):
        _edit(world, lambda text: text["annotations"][0].update(bbox=value))

    return spoil


def _section(name, **change):
    def spoil(world, values):
        values[name] = {**values.get(name, {}), **change}

    return spoil


def _classes(**change):
    def spoil(world, values):
        values["dataset"]["classes"] = {**values["dataset"]["classes"], **change}

    return spoil


def misspelt_key(world, values):
    values["heatmap"] = {"treshold": 0.2}


def unknown_label(world, values):
    (world.folder / "labels.json").write_text(json.dumps(["red", "green", "blue"]))
    values["model"]["labels"] = str(world.folder / "labels.json")
    values["dataset"]["classes"] = {"red": "redd"}


def labels_of_another_model(world, values):
    (world.folder / "labels.txt").write_text("red\ngreen\n")
    values["model"]["labels"] = str(world.folder / "labels.txt")


def cut_in_half(world, values):
    data = world.annotations.read_bytes()
    world.annotations.write_bytes(data[: len(data) // 2])


def nan_box(world, values):
    text = world.annotations.read_text()
    first = json.dumps(world.boxes[0]["bbox"])
    world.annotations.write_text(text.replace(first, "[NaN, 1, 2, 3]"))


def climbing_out(world, values):
    _edit(world, lambda text: text["images"][0].update(file_name="../boxes.png"))


def empty_data_set(world, values):
    _edit(world, lambda text: text.update(images=[], annotations=[]))


def no_image_there(world, values):
    shutil.rmtree(world.folder / "images")
    (world.folder / "images").mkdir()


def not_a_model(world, values):
    path = world.folder / "model.keras"
    path.write_text("this is no model")
    values["model"]["path"] = str(path)


def empty_archive(world, values):
    import zipfile

    path = world.folder / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no model in here")
    values["model"]["path"] = str(path)


def broken_h5(world, values):
    path = world.folder / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 300)
    values["model"]["path"] = str(path)


def dense_only(world, values):
    from audit.models.runtime import tensorflow

    tensorflow()
    import keras

    path = world.folder / "dense.keras"
    layers = [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    keras.Sequential(layers).save(path)
    values["model"]["path"] = str(path)


# name -> (how the input is spoilt, what the line has to say, whether `check` can see it)
FAULTS = {
    "misspelt key": (misspelt_key, r"unknown key 'heatmap.treshold'.*'threshold'", True),
    "output out of range": (_classes(red=7), r"dataset.classes.red.*0 to 2.*7", True),
    "unknown label": (unknown_label, r"dataset.classes.red.*'redd'.*did you mean 'red'", True),
    "an output of two classes": (_classes(red=1), r"output 1 belongs to '(red|green)'", True),
    "a class of no output": (_classes(red=[]), r"dataset.classes.red.*no output", True),
    "labels of another model": (labels_of_another_model, r"model.labels.*3 names.*2", True),
    "annotations cut in half": (cut_in_half, r"boxes.json.*JSON", True),
    "box of strings": (_box(["1", "2", "3", "4"]), r"boxes.json: annotations\[0\].bbox", True),
    "box of NaN": (nan_box, r"boxes.json.*NaN", True),
    "path that climbs out": (climbing_out, r"images\[0\].*leaves the image folder", True),
    "empty data set": (empty_data_set, r"boxes.json: no annotated image", True),
    "no image is there": (no_image_there, r"no image is left.*missing_image", True),
    "not a model": (not_a_model, r"model.path: .*model.keras: is not a Keras model", True),
    "empty archive": (empty_archive, r"model.path: .*model.keras: cannot be loaded", True),
    "broken HDF5": (broken_h5, r"model.path: .*model.h5", True),
    "no spatial layer": (dense_only, r"spatial layer|no layer", True),
    "unknown layer": (_section("explain", layer="colours"), r"explain.layer.*'colour'", True),
    "missing model": (_section("model", path="gone.keras"), r"model.path: no such file", True),
    "missing images": (_section("dataset", images="gone"), r"dataset.images: no such", True),
    "missing annotations": (
        _section("dataset", annotations="gone.json"), r"dataset.annotations: no such", True,
    ),
    "unknown format": (_section("dataset", format="cocoo"), r"format.*'cocoo'.*'coco'", True),
    "unknown method": (_section("explain", method="gradcan"), r"method.*'gradcam'", True),
    "unknown metric": (
        lambda world, values: values.update(metrics=["box_iuo"]), r"metric.*'box_iou'", True,
    ),
    "unknown preprocessing": (
        _section("model", preprocess="mobilnet_v2"), r"model.preprocess.*mobilenet_v2", True,
    ),
    "unknown fill": (_section("confirm", fills=["blurr"]), r"confirm.fills.*'blur'", True),
    "unknown class": (_section("confirm", classes=["redd"]), r"confirm.classes.*'red'", True),
    "unknown target": (_section("targets", classes=["redd"]), r"targets.classes.*'red'", True),
}  # fmt: skip
# Faults of each kind that a whole run is asked about in `make test`; the others take minutes.
QUICK = ("misspelt key", "unknown format", "missing model", "not a model")


def _case(name, tmp_path, make_world, colour_config, write_config):
    world = make_world(tmp_path, full=False)
    for kind in ("red", "green", "blue"):
        world.add_scene(f"{kind}.png", kind)
    values = colour_config(world)
    FAULTS[name][0](world, values)
    return write_config(tmp_path, values)


def _check_line(text, pattern):
    import re

    lines = text.splitlines()
    errors = [line for line in lines if line.startswith(ERROR)]
    assert len(errors) == 1, text
    assert re.search(pattern, errors[0]), errors[0]
    others = [line for line in lines if line not in errors and not _progress(line)]
    assert not others, text


def _progress(line):
    return line.startswith("focus-audit ")


@pytest.mark.parametrize("name", [n for n in FAULTS if FAULTS[n][2]])
def test_check_says_so(name, tmp_path, monkeypatch, capfd, make_world, colour_config, write_config):
    path = _case(name, tmp_path, make_world, colour_config, write_config)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    capfd.readouterr()
    assert main(["check", str(path)]) == 2
    told = capfd.readouterr()
    assert told.out == ""
    _check_line(told.err, FAULTS[name][1])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in FAULTS]
)
def test_run_says_so(name, tmp_path, make_world, colour_config, write_config, focus_audit):
    path = _case(name, tmp_path, make_world, colour_config, write_config)
    done = focus_audit("run", path, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    _check_line(done.stderr, FAULTS[name][1])
    root = tmp_path / "reports" / "colours"
    assert not [p.name for p in root.glob("*") if p.suffix in (".csv", ".json", ".parquet")]


NOT_YAML = {
    "bad YAML": ("audit: {name: x\nmodel: [", r"audit.yaml:\d+: is not valid YAML"),
    "a list": ("- a\n- b\n", r"audit.yaml: is not a config"),
    "empty": ("", r"audit.yaml: is not a config"),
    "twice": ("audit: {name: a}\naudit: {name: b}\n", r"audit.yaml:2.*twice"),
    "a tag that runs code": (
        "audit: !!python/object/apply:os.system ['true']\n", r"audit.yaml:1.*not valid YAML",
    ),
    "a section missing": ("audit: {name: a}\n", r"key 'model' is missing"),
}  # fmt: skip


@pytest.mark.parametrize("verb", ["check", "run"])
@pytest.mark.parametrize("name", NOT_YAML)
def test_a_config_that_is_none(name, verb, tmp_path, monkeypatch, capfd):
    text, pattern = NOT_YAML[name]
    (tmp_path / "audit.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main([verb, "audit.yaml"]) == 2
    _check_line(capfd.readouterr().err, pattern)
    assert [p.name for p in tmp_path.iterdir()] == ["audit.yaml"]


@pytest.mark.parametrize("verb", ["check", "run"])
def test_a_config_that_is_not_there(verb, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main([verb, "gone.yaml"]) == 2
    _check_line(capfd.readouterr().err, r"gone.yaml: config file not found")


@pytest.mark.parametrize("blocked", ["reports", "reports/colours", "reports/colours/logs"])
def test_results_that_cannot_be_written(
    blocked, tmp_path, monkeypatch, capfd, colours, colour_config, write_config
):
    """Root may write anywhere, so a file stands where the folder should be."""
    path = write_config(tmp_path, colour_config(colours))
    (tmp_path / blocked).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / blocked).write_text("in the way")
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(path)]) == 2
    _check_line(capfd.readouterr().err, r"reports/colours.*cannot be written")
    assert (tmp_path / blocked).read_text() == "in the way"


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        (("--profile", "defualt"), r"--profile: no profile 'defualt'.*'default'"),
        (("--cores", "many"), r"--cores.*many"),
        (("--cores", "0"), r"--cores.*0"),
    ],
)
def test_options_that_make_no_sense(
    options, pattern, tmp_path, monkeypatch, capfd, colours, colour_config, write_config
):
    path = write_config(tmp_path, colour_config(colours))
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(path), *options]) == 2
    _check_line(capfd.readouterr().err, pattern)


def test_a_second_run_at_once(tmp_path, monkeypatch, capfd, colours, colour_config, write_config):
    import fcntl

    path = write_config(tmp_path, colour_config(colours))
    lock = tmp_path / "reports" / "colours" / "stages" / ".lock"
    lock.parent.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert main(["run", str(path)]) == 2
    _check_line(capfd.readouterr().err, r"another run is at work on this audit")
