"""A job on another node takes the digests of the run's start, and lists no data."""

import shutil

import pytest

from audit.config.model import Config
from audit.stages.workflow import AuditRun


@pytest.fixture
def config(tmp_path):
    (tmp_path / "model").write_bytes(b"weights")
    (tmp_path / "boxes.json").write_text("{}")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"a")
    values = {
        "audit": {"name": "x", "output": str(tmp_path / "reports")},
        "model": {"path": str(tmp_path / "model"), "preprocess": "none"},
        "dataset": {
            "format": "coco",
            "annotations": str(tmp_path / "boxes.json"),
            "images": str(tmp_path / "images"),
        },
    }
    return Config.model_validate(values)


def test_the_digests_are_those_of_the_start(config, tmp_path):
    first = AuditRun(config)
    first.share()
    shutil.rmtree(tmp_path / "images")
    (tmp_path / "model").unlink()
    job = AuditRun(config)
    job.join()
    assert job.data_listing() == first.data_listing()
    assert job.model_digest() == first.model_digest() != first.data_listing()


def test_without_a_start_it_looks_itself(config):
    alone = AuditRun(config)
    alone.join()
    assert alone.data_listing() == AuditRun(config).data_listing()


def test_a_new_start_sees_what_changed(config, tmp_path):
    first = AuditRun(config)
    first.share()
    (tmp_path / "images" / "b.png").write_bytes(b"b")
    second = AuditRun(config)
    second.share()
    assert second.data_listing() != first.data_listing()
