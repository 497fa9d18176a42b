"""Two results folders made by hand, compared: pairs, what is left out, states, refusals, files."""

import json

import pandas as pd
import pytest

from audit.cli import main
from audit.errors import AuditError
from audit.stages.compare_files import folder_name, output_folders, told, write_comparison
from audit.stages.compare_runs import compare_runs
from audit.tables.csv import read_texts
from audit.tables.parquet import write_frame
from tests.stages.finished_runs import HOSTILE, UNSCORED, WRONG, class_row, record, seal, write_run

N = 20


def records(*moved, classes=("cat", "dog"), **change):
    """Twenty records a class; ``moved``: (class, how many are background-focused)."""
    focused = dict(moved)
    return [
        record(f"{c}/{k:02d}.png", c, focused=k < focused.get(c, 0), **change)
        for c in classes
        for k in range(N)
    ]


def compare(tmp_path, old, new, /, **runs):
    asked = [write_run(tmp_path / n, r, **runs.get(n, {})) for n, r in (("old", old), ("new", new))]
    return compare_runs(*asked)


def row(comparison, name):
    return next(r for r in comparison.rows if r["class"] == name)


# --- is it real


def test_the_class_that_moved_is_named_and_no_other(tmp_path):
    found = compare(tmp_path, records(), records(("dog", 12)))
    assert found.of_state("worse") == ["dog"] and found.of_state("no_change_shown") == ["cat"]
    dog, cat, every = (row(found, name) for name in ("dog", "cat", "__all__"))
    assert (dog["focused_only_new"], dog["focused_only_old"], dog["focused_n"]) == (12, 0, N)
    assert dog["focused_p"] == 2 * 0.5**12 and dog["focused_q"] == 2 * dog["focused_p"]
    assert cat["focused_q"] == 1 and cat["energy_skill_change"] == 0
    assert dog["pointing_only_old"] == 12 and dog["correct_only_old"] == 0
    assert dog["energy_skill_old"] == pytest.approx(0.4)
    assert dog["energy_skill_change"] == pytest.approx(-0.6 * 12 / N)
    low, high = (dog[f"energy_skill_change_{end}"] for end in ("low", "high"))
    assert low < dog["energy_skill_change"] < high < 0
    assert every["state"] == "worse" and every["focused_n"] == 2 * N
    assert pd.isna(every["focused_q"]) and every["focused_p"] == dog["focused_p"]


def test_the_other_way_round_it_is_better(tmp_path):
    found = compare(tmp_path, records(("dog", 12)), records())
    assert found.of_state("better") == ["dog"] and not found.is_worse
    assert "0 the other way" not in row(found, "dog")["sentence"]
    assert "12 the other way" in row(found, "dog")["sentence"]


def test_a_run_and_itself_are_the_same_in_every_figure(tmp_path):
    run = write_run(tmp_path / "a", records(("dog", 7)))
    found = compare_runs(run, run)
    assert not found.is_worse and found.changed.empty and found.differences == []
    for values in found.rows:
        assert values["state"] == "no_change_shown" and values["sentence"].startswith("No change:")
        for name in ("energy_skill", "mask_iou", "target_probability"):
            changes = [values[f"{name}_change{end}"] for end in ("", "_low", "_high")]
            assert changes == [0, 0, 0] and values[f"{name}_old"] == values[f"{name}_new"]
        for name in ("focused", "pointing", "correct"):
            assert values[f"{name}_only_old"] == values[f"{name}_only_new"] == 0
    assert "both runs are of the same model file" in found.notes


def test_answers_that_changed_are_told_where_too_little_is_left_to_compare(tmp_path):
    new = [{**r, **WRONG} if r["target_class"] == "dog" else r for r in records()]
    found = compare(tmp_path, records(), new)
    dog = row(found, "dog")
    assert dog["state"] == "not_comparable" and dog["correct_only_old"] == N
    assert "because the model named another class" in dog["sentence"]
    assert "20 images are named wrongly that were right before" in dog["sentence"]
    assert "0 images can be compared" in dog["sentence"] and not found.is_worse


# --- what is counted, and what is not


def test_what_is_left_out_is_counted_by_reason_and_listed(tmp_path):
    old, new = records(classes=["cat"]), records(classes=["cat"])
    old[0] |= UNSCORED
    old[6]["energy_skill"] = new[0]["energy_skill"] = 0.9
    new[6] |= UNSCORED
    new[1] |= WRONG
    old[2] |= WRONG
    new[2] |= WRONG
    new[3:5], old[5:6] = [], []
    excluded = [("image", "cat/03.png", "truncated_image"), ("box", "cat/04.png", "no_area")]
    found = compare(tmp_path, old, new, new={"excluded": excluded})
    told_rows = found.left_out.set_index("file_name")[["reason", "run", "detail_old", "detail_new"]]
    named_wrong = "the model named another class"
    assert told_rows.to_dict("index") == {
        f"cat/{name}.png": dict(zip(told_rows.columns, values, strict=True))
        for name, values in {
            "00": ("unscored", "old", "flat_map", ""),
            "01": ("not_eligible", "new", "", named_wrong),
            "02": ("not_eligible", "both", named_wrong, named_wrong),
            "03": ("excluded", "new", "", "truncated_image"),
            "04": ("not_audited", "new", "", "not audited"),
            "05": ("not_audited", "old", "not audited", ""),
            "06": ("unscored", "new", "", "flat_map"),
        }.items()
    }
    counts = found.values()["counts"]
    assert counts["records"] == N and counts["pairs"] == N - 3 and counts["counted"] == N - 7
    assert counts["left_out"] == {
        "excluded": 1, "not_audited": 2, "not_eligible": 2, "unscored": 2,
    }  # fmt: skip
    assert counts["counted"] + sum(counts["left_out"].values()) == counts["records"]
    cat = row(found, "cat")
    assert (cat["focused_n"], cat["pointing_n"], cat["correct_n"]) == (N - 7, N - 5, N - 3)
    means = [cat[f"energy_skill_{run}"] for run in ("old", "new")]
    assert cat["energy_skill_n"] == N - 5 and means == pytest.approx([0.4, 0.4])


def test_images_of_one_cluster_count_once(tmp_path):
    grouped = [{**r, "cluster": f"{r['target_class']}/{k // 4}"} for k, r in enumerate(records())]
    for k, r in enumerate(grouped):
        if k % 4:
            r |= {"eligible": False, "ineligible_reason": "same_group"}
    moved = [{**r, "pointing_hit": False, "background_focused": True} for r in grouped]
    found = compare(tmp_path, grouped, moved)
    cat = row(found, "cat")
    assert (cat["focused_n"], cat["pointing_n"], cat["correct_n"]) == (5, 5, 5)
    assert cat["state"] == "not_comparable" and cat["energy_skill_n"] == N
    # Were they counted twice in one run alone, the other's counts would not save it.
    for r in (*grouped, *moved):
        r |= {"eligible": True, "ineligible_reason": None}
    again = compare(tmp_path / "again", grouped, moved)
    assert row(again, "cat")["focused_n"] == 5
    assert again.values()["counts"]["left_out"] == {"same_cluster": 30}


def test_images_count_once_over_all_classes(tmp_path):
    shared = [record(f"{k:02d}.png", c) for k in range(N) for c in ("cat", "dog")]
    found = compare(tmp_path, shared, [{**r, "correct": False} for r in shared])
    assert row(found, "__all__")["correct_only_old"] == N
    assert row(found, "cat")["correct_only_old"] == N


def test_only_annotated_records_of_the_one_method_are_compared(tmp_path):
    other = [
        record(f"cat/{k:02d}.png", "cat", True, method="saliency", layer="input") for k in range(N)
    ]
    beside = [record("x.png", "cat", True, reference="any_object")]
    found = compare(tmp_path, [*records(), *other], [*records(), *other, *beside])
    assert found.overall["n_records"] == 2 * N and found.changed.empty and found.left_out.empty
    by_name = compare_runs(tmp_path / "old", tmp_path / "new", method="saliency")
    assert by_name.new["method"] == "saliency" and row(by_name, "cat")["focused_both"] == N


# --- changed.csv


def test_the_worst_change_comes_first(tmp_path):
    old, new = records(classes=["cat"]), records(classes=["cat"])
    new[4] |= record("cat/04.png", "cat", True, energy_skill=-0.9)
    new[5] |= record("cat/05.png", "cat", True)
    new[6] |= {"pointing_hit": False}
    new[7] |= WRONG
    old[8] |= record("cat/08.png", "cat", True)
    new[9] |= record("cat/09.png", "cat", True, energy_skill=-5.0) | WRONG
    table = compare(tmp_path, old, new).changed
    assert table["file_name"].str[4:6].tolist() == ["04", "05", "09", "06", "07", "08"]
    assert table["changes"].tolist() == [
        "became background-focused; maximum left the object",
        "became background-focused; maximum left the object",
        "became background-focused; maximum left the object; answer became wrong",
        "maximum left the object", "answer became wrong",
        "no longer background-focused; maximum reached the object",
    ]  # fmt: skip
    assert table["counted"].tolist() == [True, True, False, True, False, True]
    assert table.loc[4, "predicted_class_new"] == "other"
    assert table.loc[0, "energy_skill_old"] == 0.4 and table.loc[0, "energy_skill_new"] == -0.9


def test_what_was_not_observed_has_not_changed(tmp_path):
    old = records(classes=["cat"])
    new = [{**r, "pointing_hit": None, "background_focused": None} for r in old]
    assert compare(tmp_path, old, new).changed.empty


# --- runs that cannot be compared


def test_other_data_or_settings_are_refused_and_said(tmp_path):
    asked = {"new": {"images": "9", "sections": {"flags": {"max_rate": 0.2}}}}
    with pytest.raises(AuditError, match="cannot be compared.*images: other files.*max_rate"):
        compare(tmp_path, records(), records(), **asked)
    found = compare_runs(tmp_path / "old", tmp_path / "new", despite_differences=True)
    assert any("images: other files" in text for text in found.differences)
    assert any("which images differ is not known" in text for text in found.differences)
    assert any("differs: images" in line for line in told(found))


def test_an_image_of_the_same_name_with_other_bytes_is_no_pair(tmp_path):
    for name, digest in (("old", "a"), ("new", "b")):
        root = write_run(tmp_path / name, records(), images=digest)
        index = pd.DataFrame(
            {"file_name": ["cat/00.png", "cat/01.png"], "sha256": [digest, "same"]}
        )
        write_frame(root / "stages/index/s.parquet", index)
    found = compare_runs(tmp_path / "old", tmp_path / "new", despite_differences=True)
    assert "images of the same name with other content: 1" in found.differences
    assert found.left_out[["file_name", "reason"]].to_numpy().tolist() == [
        ["cat/00.png", "other_content"]
    ]
    assert found.overall["n_pairs"] == 2 * N - 1


def test_the_layers_name_may_differ_unless_it_is_asked_for(tmp_path):
    found = compare(tmp_path, records(), records(layer="other"))
    assert found.overall["n_pairs"] == 2 * N
    assert "layer: top then, other now, the method's first in each run" in found.notes
    with pytest.raises(AuditError, match="cannot be compared.*layer: top then, other now"):
        compare_runs(tmp_path / "old", tmp_path / "new", layer="other")
    with pytest.raises(AuditError, match="has no layer 'none'; it has gradcam at other"):
        compare_runs(tmp_path / "old", tmp_path / "new", layer="none")


def test_another_method_is_no_pair(tmp_path):
    with pytest.raises(AuditError, match="method: rise then, gradcam now"):
        compare(tmp_path, records(method="rise"), records())


@pytest.mark.parametrize("name", ["predictions.parquet", "excluded.csv", "per_class.csv"])
def test_a_table_that_was_changed_is_refused(name, tmp_path):
    run = write_run(tmp_path / "a", records())
    data = (run / name).read_bytes()
    (run / name).write_bytes(data.replace(b"i", b"j", 1))
    with pytest.raises(AuditError, match=f"{name}: was changed after the run"):
        compare_runs(run, run)
    (run / name).unlink()
    with pytest.raises(AuditError, match=f"{name}: is missing"):
        compare_runs(run, run)


def test_a_table_without_a_column_is_told(tmp_path):
    run = write_run(tmp_path / "a", records())
    write_frame(run / "predictions.parquet", pd.DataFrame(records()).drop(columns="cluster"))
    seal(run)
    with pytest.raises(AuditError, match="predictions.parquet: has no column 'cluster'"):
        compare_runs(run, run)


# --- files and the command


def test_hostile_names_are_text_on_the_page_and_in_the_tables(tmp_path):
    rows = records((HOSTILE, 12), classes=(HOSTILE, "cat"))
    old = [{**r, "background_focused": False} for r in rows]
    found = compare(tmp_path, old, rows)
    write_comparison(found, tmp_path / "out")
    page = (tmp_path / "out/comparison.html").read_text("utf-8").partition("<main")[2]
    page = page.partition("</main>")[0]
    assert found.of_state("worse") == [HOSTILE]
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert "\u202e" not in page and "NaN" not in page and ">None<" not in page
    table = read_texts(tmp_path / "out/comparison.csv")
    assert table["class"].tolist() == [HOSTILE, "cat", "__all__"]
    assert read_texts(tmp_path / "out/changed.csv")["target_class"].unique().tolist() == [HOSTILE]
    values = json.loads((tmp_path / "out/comparison.json").read_text("utf-8"))
    assert values["classes"][0]["class"] == HOSTILE and values["result"] == "worse"
    assert values["schema_version"] == "1" and values["overall"]["focused_q"] is None
    assert all("\n" not in line and "\u202e" not in line for line in told(found))


def test_the_same_runs_give_the_same_bytes(tmp_path):
    found = compare(tmp_path, records(), records(("dog", 5)))
    for out in ("a", "b"):
        write_comparison(found, tmp_path / out)
        found = compare_runs(tmp_path / "old", tmp_path / "new")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [
        "changed.csv", "comparison.csv", "comparison.html", "comparison.json", "left_out.csv",
    ]  # fmt: skip
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_exit_codes_and_folders_of_the_command(tmp_path, capsys):
    old = write_run(tmp_path / "old", records())
    same = write_run(tmp_path / "same", records())
    worse = write_run(tmp_path / "worse", records(("dog", 12)))
    assert main(["compare", str(old), str(same)]) == 0
    assert (same / "compare/old/comparison.html").is_file()
    assert main(["compare", str(old), str(worse), str(same), "--out", str(tmp_path / "o")]) == 1
    assert (tmp_path / "o/worse/comparison.csv").is_file()
    assert (tmp_path / "o/same/comparison.csv").is_file()
    assert "dog: worse. 12 images are focused on the background" in capsys.readouterr().out
    assert main(["compare", str(old), str(tmp_path / "gone")]) == 2
    assert "summary.json: is missing" in capsys.readouterr().err


def test_the_terminal_is_told_of_what_changed_and_the_rest_in_short(tmp_path):
    classes = [f"c{k:02d}" for k in range(14)]
    old = records(classes=classes)
    new = [
        {**r, **WRONG} if r["target_class"] == "c03" else r
        for r in records(("c05", 19), classes=classes)
    ]
    shown = told(compare(tmp_path, old, new))
    assert shown[2].startswith("  c05: worse. 19 images")
    assert shown[3].startswith("  c03: not comparable. 0 images can be compared")
    assert (
        shown[4].startswith("  no change shown: c00, c01, c02, c04,") and "and 2 more" in shown[4]
    )
    assert shown[5].startswith("  all classes: 19 images") and len(shown) == 7


def test_folders_stay_inside_and_are_told_apart(tmp_path):
    assert folder_name(tmp_path / "a b\n;&") == "a_b_"
    assert folder_name(tmp_path / "..hidden") == "hidden" and folder_name(tmp_path / "...") == "run"
    with pytest.raises(AuditError, match="--out: two of the runs have one name"):
        output_folders(tmp_path / "x", [tmp_path / "a/r", tmp_path / "b/r"], tmp_path / "o")


def test_a_class_that_one_run_lacks_is_refused_and_with_the_option_not_comparable(tmp_path):
    rows = [class_row("cat"), class_row("dog", verdict="flagged"), class_row("__all__")]
    runs = {"old": {"rows": [class_row("cat"), class_row("__all__")]}, "new": {"rows": rows}}
    with pytest.raises(AuditError, match="classes: none only then, dog only now"):
        compare(tmp_path, records(classes=["cat"]), records(), **runs)
    found = compare_runs(tmp_path / "old", tmp_path / "new", despite_differences=True)
    dog = row(found, "dog")
    assert dog["state"] == "not_comparable" and dog["n_records"] == N and dog["n_pairs"] == 0
    assert (dog["verdict_old"], dog["verdict_new"]) == (None, "flagged")
    assert "one run did not audit the image" in dog["sentence"]


def test_runs_without_annotated_records_have_nothing_to_compare(tmp_path):
    beside = [record("a.png", "cat", reference="any_object")]
    found = compare(tmp_path, beside, beside)
    assert [r["state"] for r in found.rows] == ["not_comparable"] * 2 and not found.is_worse
    write_comparison(found, tmp_path / "out")
    values = json.loads((tmp_path / "out/comparison.json").read_text())
    assert values["counts"] == {
        "records": 0, "pairs": 0, "counted": 0, "left_out": {}, "changed": 0,
    }  # fmt: skip
    assert values["classes"][0]["energy_skill_change"] is None
