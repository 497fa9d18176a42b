"""The command itself: help at once, lists, and stages run by hand."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audit.cli import VERBS, main

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = (
    "tensorflow",
    "keras",
    "numpy",
    "pandas",
    "pyarrow",
    "cv2",
    "scipy",
    "snakemake",
    "pydantic",
)


def python(code, *args, cwd=None, **env):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        cwd=cwd, env={**os.environ, "PYTHONPATH": str(REPOSITORY), **env},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom audit.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    assert python(code).stderr.strip() == "[]"


def test_help_answers_in_half_a_second():
    def seconds():
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "audit", "--help"],
            cwd=REPOSITORY,
            capture_output=True,
            check=True,
        )
        assert b"VERB" in done.stdout
        return time.perf_counter() - began

    # The best of a few: other work on the machine is none of ours.
    assert min(seconds() for _ in range(5)) < 0.5


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert f"focus-audit {verb}" in text and VERBS[verb][1][1:40] in text.replace("\n", " ")


def test_an_unknown_verb_is_told_and_is_two(capsys):
    with pytest.raises(SystemExit) as left:
        main(["audit-it"])
    assert left.value.code == 2
    assert "audit-it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("verb", "names"),
    [
        ("methods", {"gradcam"}),
        ("metrics", {"pointing_game", "energy_in_box", "mask_iou", "box_iou"}),
        ("formats", {"coco", "voc", "yolo", "openimages", "imagenet", "csv"}),
        ("fills", {"mean", "blur", "inpaint", "donor"}),
    ],
)
def test_lists(verb, names, capsys):
    assert main([verb]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = {line.split()[0]: line for line in lines if not line.startswith(" ")}
    assert names <= set(told)
    assert all(len(told[name].split()) > 3 for name in names)  # a name says little by itself


@pytest.mark.parametrize("verb", ["methods", "metrics", "formats", "fills"])
def test_names_alone_are_for_scripts(verb, capsys):
    assert main([verb, "--names"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == sorted(lines) and all(len(line.split()) == 1 for line in lines)


def test_layers_marks_the_default(colour_model, capsys):
    assert main(["layers", str(colour_model)]) == 0
    (marked,) = [line for line in capsys.readouterr().out.splitlines() if "default" in line]
    assert marked.split()[:2] == ["colour", "8x8x3"]


def test_layers_of_no_model_is_one_line(tmp_path, capsys):
    assert main(["layers", str(tmp_path / "gone.keras")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("focus-audit: error: model.path: ") and "no such file" in line


def test_check_says_what_would_be_audited(
    tmp_path, monkeypatch, colours, colour_config, write_config, capsys
):
    path = write_config(tmp_path, colour_config(colours))
    monkeypatch.chdir(tmp_path)
    assert main(["check", str(path)]) == 0
    text = capsys.readouterr().out
    assert "images: 35 of 37 would be audited" in text  # the truncated one is found, too
    assert "boxes: 37 of 40" in text
    assert "layer: colour, 8x8x3" in text
    assert "class blue: 8 images, 8 boxes -> output 2" in text
    assert "class person: 2 boxes, not mapped to an output: left out" in text
    assert "odd/truncated.jpg (boxes.json: images[28]): truncated_image" in text
    assert [p.name for p in tmp_path.iterdir()] == ["audit.yaml"]


def test_a_list_that_is_cut_off_leaves_no_traceback():
    command = f"{sys.executable} -m audit formats | head -1"
    done = subprocess.run(command, shell=True, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stderr == ""


# -- stages by hand

POISON = "raise ImportError('this stage must not import TensorFlow')\n"


@pytest.fixture
def poisoned(tmp_path):
    """A folder for PYTHONPATH in which importing TensorFlow or Keras fails."""
    for name in ("tensorflow", "keras"):
        (tmp_path / "poison" / name).mkdir(parents=True)
        (tmp_path / "poison" / name / "__init__.py").write_text(POISON)
    return tmp_path / "poison"


def test_the_poison_works(poisoned):
    done = python("import keras", PYTHONPATH=f"{poisoned}{os.pathsep}{REPOSITORY}")
    assert "must not import" in done.stderr


@pytest.mark.parametrize("verb", ["score", "judge", "summarise", "overlays", "provenance"])
def test_what_comes_after_the_model_never_imports_tensorflow(verb, audited, tmp_path, poisoned):
    folder = tmp_path / "copy"
    shutil.copytree(audited[0], folder)
    root = folder / "reports" / "colours"
    (shard,) = json.loads((root / "stages/index/manifest.json").read_text())["shards"]
    made = {
        "score": root / "stages" / "score" / f"{shard['name']}.parquet",
        "judge": root / "predictions.csv",
        "summarise": root / "per_class.csv",
        "overlays": root / "overlays" / "index.csv",
        "provenance": root / "provenance.json",
    }[verb]
    content = made.read_bytes()
    made.unlink()
    more = ["--shard", shard["name"]] if verb == "score" else []
    done = python(
        "import sys; from audit.cli import main; sys.exit(main(sys.argv[1:]))",
        verb, "--config", root / "stages" / "config.json", *more,
        cwd=folder, PYTHONPATH=f"{poisoned}{os.pathsep}{REPOSITORY}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert made.exists()
    if verb != "provenance":  # which says when it was made
        assert made.read_bytes() == content


@pytest.mark.parametrize(
    ("args", "pattern"),
    [
        (("score", "--config", "gone.json", "--shard", "x"), "not the stages/config.json"),
        (("index", "--config", "audit.yaml"), "not the stages/config.json"),
        (
            ("score", "--config", "reports/colours/stages/config.json", "--shard", "x"),
            "no such shard",
        ),
    ],
)
def test_a_stage_that_cannot_begin_is_one_line(args, pattern, audited, monkeypatch, capfd):
    monkeypatch.chdir(audited[0])
    assert main(list(args)) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("focus-audit: error: ") and pattern in line


def test_a_damaged_shard_is_one_line(audited, tmp_path, monkeypatch, capfd):
    folder = tmp_path / "copy"
    shutil.copytree(audited[0], folder)
    monkeypatch.chdir(folder)
    (shard,) = Path("reports/colours/stages/score").glob("*.parquet")
    shard.write_bytes(shard.read_bytes()[:200])
    assert main(["judge", "--config", "reports/colours/stages/config.json"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert str(shard) in line and "run again" in line
