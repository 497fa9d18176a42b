"""COCOeval's figures class by class are those of one run over everything."""

import contextlib
import io

import numpy as np
import pandas as pd
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from audit.stages.coco_boxes import SIDES, Truth, evaluate, over_classes


def world_of_boxes(seed):
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 60, (2, 200, 2))
    boxes = np.concatenate((corner, size + 3), axis=1).tolist()
    truth = {
        "info": {},
        "images": [{"id": k, "width": 120, "height": 120} for k in range(1, 13)],
        "categories": [{"id": k, "name": str(k)} for k in range(1, 5)],
        "annotations": [
            {
                "id": k + 1, "image_id": int(rng.integers(1, 13)), "bbox": box,
                "category_id": int(rng.integers(1, 4)), "area": box[2] * box[3],
                "iscrowd": int(rng.random() < 0.15),
            }
            for k, box in enumerate(boxes[:30])
        ],
    }  # fmt: skip
    found = []
    for item in truth["annotations"][:24]:
        box = (np.array(item["bbox"]) + rng.normal(0, 3, 4)).tolist()
        name = int(rng.integers(1, 5)) if rng.random() < 0.2 else item["category_id"]
        found.append(
            {"image_id": item["image_id"], "category_id": name, "bbox": box,
             "score": float(rng.random())}
        )  # fmt: skip
    return truth, found


def as_tables(truth, found):
    images = pd.DataFrame(truth["images"]).drop(columns="id")
    names = [c["name"] for c in truth["categories"]]
    boxes = table(truth["annotations"], ["image_id", "category_id", *SIDES, "iscrowd"])
    return Truth(images, names, boxes), table(found, ["image_id", "category_id", *SIDES, "score"])


def table(entries, columns):
    rows = [{**e, **dict(zip(SIDES, e["bbox"], strict=True))} for e in entries]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_cocoeval_over_everything(seed, capsys):
    truth, found = world_of_boxes(seed)
    figures = evaluate(*as_tables(truth, found))
    assert capsys.readouterr().out == ""
    own = over_classes(list(figures.values()))
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = truth
        known.createIndex()
        run = COCOeval(known, known.loadRes(found), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    ap, ap_50, ap_75, *_ = run.stats
    assert own[:4] == pytest.approx((ap, ap_50, ap_75, run.stats[8]))
    assert own.n_boxes == 24 and 0 < own.ap < 1
    assert np.isnan(figures[4].ap) and figures[4].n_references == 0


def test_no_boxes_at_all():
    truth, _ = world_of_boxes(0)
    figures = evaluate(*as_tables(truth, []))
    assert all(np.isnan(f.ap) and f.n_boxes == 0 for f in figures.values())
    assert np.isnan(over_classes(list(figures.values())).ap)
