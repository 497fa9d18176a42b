"""A whole audit of a handful of pictures: every file, every count, and what reruns."""

import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image

from audit.stages.workflow import TABLES

# design/interface.md: columns that users rely on.
COLUMNS = {
    "predictions.csv": "image_id file_name target_class method layer role predicted_class "
    "predicted_score correct n_boxes reference area_fraction status reason pointing_hit "
    "pointing_hit_15px point_x point_y energy_in_box energy_ceiling energy_skill mask_iou box_iou "
    "eligible background_focused",
    "per_class.csv": "class method layer n_images n_scored n_unscored n_eligible accuracy "
    "pointing_accuracy pointing_accuracy_low pointing_accuracy_high pointing_chance pointing_center "
    "pointing_shuffled pointing_skill mean_iou mean_iou_low mean_iou_high energy_in_box "
    "energy_in_box_low energy_in_box_high energy_skill background_focused_rate "
    "background_focused_rate_low background_focused_rate_high p_value q_value verdict confirmation",
    "thresholds.csv": "class threshold mean_mask_iou max_box_acc_30 max_box_acc_50 max_box_acc_70",
    "excluded.csv": "kind file_name where reason",
}
COLUMNS["flagged.csv"] = COLUMNS["predictions.csv"] + " overlay"


def read(root, name):
    return pd.read_csv(root / name)


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_have_the_columns_that_users_rely_on(audited, name):
    assert not set(COLUMNS[name].split()) - set(read(audited[1], name))


def test_what_the_terminal_is_told(audited):
    done = audited[2]
    assert done.stdout.splitlines() == [
        "Audited 34 of 37 images (3 excluded), 32 of 35 records scored.",
        "  flagged:      blue",
        "  pass:         green, red",
        "Report: reports/colours/report.html; tables: reports/colours/per_class.csv, "
        "reports/colours/flagged.csv",
        "Gate pass: no check fails",
        "  note: blue: flagged by the heatmaps (confirmation: not run)",
    ]
    lines = done.stderr.splitlines()
    assert all(line.startswith("focus-audit ") for line in lines)
    assert any(
        line.startswith("focus-audit run: 36/36 images explained and scored") for line in lines
    )
    assert len(lines) == len(set(lines))


def test_verdicts(audited):
    table = read(audited[1], "per_class.csv").set_index("class")
    assert dict(table["verdict"].dropna()) == {"red": "pass", "green": "pass", "blue": "flagged"}
    assert table.loc["blue", "pointing_accuracy"] == 0 and table.loc["red", "accuracy"] == 12 / 13
    assert set(table["confirmation"].dropna()) == {"not_run"}


def test_every_oddity_is_listed_with_its_reason(audited):
    table = read(audited[1], "excluded.csv")
    told = {(r.kind, r.file_name): (r.reason, r.n_boxes) for r in table.itertuples()}
    assert told == {
        ("image", "odd/truncated.jpg"): ("truncated_image", 1),
        ("image", "odd/missing.png"): ("missing_image", 1),
        ("image", "odd/only person.png"): ("no_target", 1),
        ("box", "red/red_01.png"): ("no_area", 1),
        ("box", "red/red_03.png"): ("class_not_mapped", 1),
    }
    assert table["where"].str.match(r"boxes.json: (images|annotations)\[\d+\]").all()


def test_odd_records(audited):
    table = read(audited[1], "predictions.csv").set_index(["file_name", "target_class"])
    assert table.loc[("odd/crowd.png", "green"), "reason"] == "only_ignored"
    assert table.loc[("odd/grey.png", "green"), "reason"] == "flat_map"
    assert table.loc[("odd/two.png", "red"), "ineligible_reason"] == "several_classes"
    twice = table.loc[("red/red_00.png", "red")]
    assert twice["duplicate_of"] == "odd/the same, twice.png"
    assert twice["ineligible_reason"] == "near_duplicate"
    assert table.loc[("odd/wrong 'label'.png", "red"), "predicted_class"] == "green"
    # Its annotation is in stored pixels; had the box not turned with the image, this would miss.
    turned = table.loc[("odd/turned.jpg", "green")]
    assert turned["pointing_hit"] and turned["energy_skill"] > 0.6


def test_unscored_records_have_a_reason_and_no_scores(audited):
    table = read(audited[1], "predictions.csv")
    unscored = table[table["status"] == "unscored"]
    assert len(unscored) == 3 and unscored["reason"].notna().all()
    assert unscored[["pointing_hit", "energy_in_box", "mask_iou", "box_iou"]].isna().all(axis=None)
    assert table.loc[table["status"] == "scored", "reason"].isna().all()


def test_counts_add_up(audited, colours):
    counts = json.loads((audited[1] / "summary.json").read_text())["counts"]
    predictions, excluded = (read(audited[1], f"{n}.csv") for n in ("predictions", "excluded"))
    assert counts["images_in"] == len(colours.images)
    assert counts["images_in"] == counts["images_audited"] + counts["images_excluded"]
    assert counts["images_audited"] == predictions["file_name"].nunique()
    assert counts["boxes_in"] == len(colours.boxes)
    assert counts["boxes_in"] == counts["boxes_audited"] + excluded["n_boxes"].sum()
    assert counts["boxes_audited"] == (predictions["n_boxes"] + predictions["n_ignored"]).sum()
    assert counts["records"] == len(predictions)
    unscored = sum(counts["records_unscored"].values())
    assert counts["records"] == counts["records_scored"] + unscored
    refused = sum(counts["records_not_eligible"].values())
    assert counts["records"] == counts["records_eligible"] + refused


def test_flagged_records_and_their_pictures(audited):
    root = audited[1]
    flagged = read(root, "flagged.csv")
    assert list(flagged["target_class"]) == ["blue"] * 8
    assert flagged["energy_skill"].is_monotonic_increasing
    assert flagged["overlay"].notna().tolist() == [True] * 3 + [False] * 5
    pictures = sorted(p.name for p in (root / "overlays").glob("*.jpg"))
    listed = read(root, "overlays/index.csv")
    assert sorted(Path(p).name for p in listed["overlay"]) == pictures and len(pictures) == 5
    assert listed["note"].isna().all()
    assert set(flagged["overlay"].dropna()) < set(listed["overlay"])
    for name in pictures:
        with Image.open(root / "overlays" / name) as picture:
            picture.load()


def test_the_parquet_table_is_the_csv(audited):
    stored = pd.read_parquet(audited[1] / "predictions.parquet")
    table = read(audited[1], "predictions.csv")
    assert list(stored) == list(table)
    for name in ("energy_in_box", "point_x", "predicted_score"):
        assert stored[name].tolist() == pytest.approx(
            table[name].tolist(), rel=0, abs=0, nan_ok=True
        )


def test_provenance_names_what_was_used(audited, colour_model):
    root = audited[1]
    found = json.loads((root / "provenance.json").read_text())
    assert found["choices"]["devices"] == ["CPU"] or "GPU" in found["choices"]["devices"][0]
    assert found["choices"]["batch_sizes"] == [8]
    digest = hashlib.sha256(colour_model.read_bytes()).hexdigest()
    assert found["hashes"]["model"] == {str(colour_model): digest}
    for name, told in found["hashes"]["tables"].items():
        assert told == hashlib.sha256((root / name).read_bytes()).hexdigest(), name
    (layer,) = found["choices"]["layers"]
    assert layer["path"] == "colour" and found["choices"]["output"] == "softmax"
    assert found["started"] <= found["finished"]
    assert found["config"]["heatmap"]["threshold"] == 0.15


def times(root: Path) -> dict[str, int]:
    """When each result was written; what Snakemake keeps and the heartbeat are none."""
    files = (p for p in root.rglob("*") if p.is_file() and p.suffix not in (".tsv", ".log"))
    times = {p.relative_to(root).as_posix(): p.stat().st_mtime_ns for p in files}
    del times["stages/heartbeat.json"]
    return times


@pytest.fixture
def copied(audited, tmp_path):
    """The audited folder to change at will; Snakemake's memory of it comes along."""
    folder = tmp_path / "copy"
    shutil.copytree(audited[0], folder)
    return folder, folder / "reports" / "colours"


def test_a_second_run_does_nothing(copied, focus_audit, audited):
    folder, root = copied
    before = times(root)
    done = focus_audit("run", "audit.yaml", cwd=folder)
    assert done.returncode == 0 and done.stdout == audited[2].stdout
    assert done.stderr == "" and times(root) == before


def test_a_new_threshold_reruns_no_inference(copied, focus_audit):
    folder, root = copied
    values = yaml.safe_load((folder / "audit.yaml").read_text())
    values["heatmap"] = {"threshold": 0.5}
    (folder / "audit.yaml").write_text(yaml.safe_dump(values))
    before, old = times(root), read(root, "predictions.csv")
    done = focus_audit("run", "audit.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    changed = {name for name, when in times(root).items() if when != before.get(name)}
    assert not [n for n in changed if n.startswith(("stages/explain", "stages/index"))]
    assert "stages/model.json" not in changed
    assert set(TABLES) - {"sanity.csv"} <= changed and "sanity.csv" not in changed
    assert [n for n in changed if n.startswith("stages/score")]
    new = read(root, "predictions.csv")
    assert (new["threshold"].dropna() == 0.5).all()
    assert new["energy_in_box"].equals(old["energy_in_box"])
    assert not new["mask_iou"].equals(old["mask_iou"])
