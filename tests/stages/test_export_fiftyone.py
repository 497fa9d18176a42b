"""FiftyOne itself imports what was exported, as reports/README.md says.

Needs a Python with fiftyone, which brings a MongoDB server of its own: FOCUS_AUDIT_FIFTYONE names it.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from audit.stages.export_fiftyone import export_fiftyone
from tests.stages.finished import HEIGHT, WIDTH, write_finished

REPOSITORY = Path(__file__).resolve().parents[2]
TELL = """
boxes = [
    {**{key: d[key] for key in ("label", "bounding_box", "confidence", "background_focused", "verdict")},
     "file": sample.filepath}
    for sample in data for d in sample.heatmap.detections
]
print("TOLD", json.dumps([data.count("detections.detections"), boxes]))
"""


@pytest.mark.slow
def test_fiftyone_imports_the_data_set(tmp_path):
    python = os.environ.get("FOCUS_AUDIT_FIFTYONE")
    if python is None:
        pytest.skip("FOCUS_AUDIT_FIFTYONE names no Python with fiftyone")
    root = write_finished(tmp_path / "zoo", {"cat": "flagged", "=dog <b>": "pass"})
    export_fiftyone(root, tmp_path / "OUT", "copy")
    page = (REPOSITORY / "reports" / "README.md").read_text("utf-8")
    (snippet,) = re.findall(r"```python\n(import fiftyone.*?)```", page, re.DOTALL)
    env = {**os.environ, "HOME": str(tmp_path / "home"), "FIFTYONE_DO_NOT_TRACK": "true"}
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        [python, "-c", snippet + TELL], cwd=tmp_path, env=env, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    n_boxes, boxes = json.loads(re.search("TOLD (.*)", done.stdout)[1])
    assert n_boxes == len(boxes) == 6
    assert {(b["label"], b["verdict"]) for b in boxes} == {("cat", "flagged"), ("=dog <b>", "pass")}
    assert [b["background_focused"] for b in boxes] == [True, False, False, None, None, None]
    assert boxes[0]["bounding_box"] == [4 / WIDTH, 5 / HEIGHT, 10 / WIDTH, 8 / HEIGHT]
    assert [b["confidence"] for b in boxes[:3]] == [0.5, 0.6, 0.7]
    assert [b["file"][-9:] for b in boxes[:2]] == ["c0/p0.png", "c0/p1.png"]
