"""``focus-audit demo``, whole: the audit finds what was planted, and nothing else."""

import json
from pathlib import Path

import pandas as pd
import pytest

PLANTED = "heart"


@pytest.mark.slow
def test_the_planted_class_is_flagged_and_confirmed_and_the_others_pass(
    tmp_path: Path, focus_audit
) -> None:
    done = focus_audit("demo", cwd=tmp_path, timeout=1800)
    assert done.returncode == 0, done.stderr
    assert f"{PLANTED}: changing the image confirmed" in done.stdout
    root = tmp_path / "reports" / "demo"
    per_class = pd.read_csv(root / "per_class.csv").set_index("class").drop("__all__")
    assert set(per_class["fitness"]) == {"fit"}
    others = per_class.drop(PLANTED)
    assert len(others) == 5 and set(others["verdict"]) == {"pass"}
    assert set(others["confirmation"]) == {"not_run"}
    planted = per_class.loc[PLANTED]
    assert (planted["verdict"], planted["confirmation"]) == ("flagged", "confirmed")
    table = pd.read_csv(root / "confirmation.csv").set_index(["class", "fill"])
    for fill in ("blur", "donor"):
        row = table.loc[(PLANTED, fill)]
        assert row["object_removed_low"] > 0.8 and row["difference_high"] < 0.1
        assert row["background_removed_high"] < 0.3
        assert table.loc[("__controls__", fill), "valid"]
    assert len(list((root / "confirmation").glob("*.jpg"))) == 3
    assert json.loads((root / "verdict.json").read_text())["result"] == "fail"
