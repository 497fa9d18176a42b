"""Memory that runs out while images are explained: smaller batches, the same answers, and a note."""

import json
from threading import Barrier

import numpy as np
import pytest

from audit.config.load import parse_config
from audit.errors import AuditError
from audit.models.probe import ModelProbe
from audit.models.runtime import tensorflow
from audit.progress import Progress
from audit.stages.explain import run_explain
from audit.stages.index import run_index
from audit.stages.inspect import run_inspect
from audit.stages.layout import Layout
from audit.stages.timing import as_explained, batch_warnings, noted
from audit.tables.parquet import read_table

QUIET = Progress("test", quiet=True)


@pytest.fixture
def explained(tmp_path, colours, colour_config):
    """Explains the colour world in one shard; gives back config, layout, manifest and both tables."""

    def run(name, **sections):
        config = parse_config(colour_config(colours, run={"batch_size": 16}, **sections), "test")
        layout = Layout(tmp_path / name)
        run_inspect(config, layout)
        model = json.loads(layout.model.read_text())
        manifest = run_index(config, layout, model, QUIET)
        (shard,) = (s["name"] for s in manifest["shards"])
        run_explain(config, layout, {**model, **manifest["mapping"]}, shard, QUIET)
        tables = [read_table(f(shard)).to_pandas() for f in (layout.explained, layout.seen)]
        return config, layout, manifest, *tables

    return run


def memory_for(monkeypatch, images, fault="forward"):
    """No pass of more images than that fits."""
    of_model = getattr(ModelProbe, fault)

    def limited(self, *args, **options):
        if self.batch > images:
            raise tensorflow().errors.ResourceExhaustedError(None, None, "OOM when allocating")
        return of_model(self, *args, **options)

    monkeypatch.setattr(ModelProbe, fault, limited)


@pytest.mark.parametrize("fault", ["forward", "mean_gradients"])
def test_it_goes_on_in_smaller_batches_and_says_so(fault, explained, monkeypatch):
    config, layout, manifest, records, images = explained("whole")
    assert noted(layout, manifest, "batch_size") == [16]
    assert batch_warnings(config, layout, manifest) == []
    memory_for(monkeypatch, 5, fault)
    config, layout, manifest, few_records, few_images = explained("less")
    for whole, few in ((records, few_records), (images, few_images)):
        same = [c for c in whole if whole[c].dtype.kind not in "f" and c != "heatmap"]
        assert whole[same].equals(few[same])
        numbers = [c for c in whole if whole[c].dtype.kind == "f"]
        assert np.allclose(whole[numbers], few[numbers], rtol=1e-4, equal_nan=True)
    assert noted(layout, manifest, "batch_size") == [4]
    assert as_explained(config, layout, manifest).run.batch_size == 4
    (told,) = batch_warnings(config, layout, manifest)
    assert "16 images at once" in told and "batches of 4" in told


def test_two_batches_that_run_out_together_halve_once(explained, monkeypatch):
    both, forward = Barrier(2, timeout=60), ModelProbe.forward

    def limited(self, *args):
        if self.batch > 8:
            both.wait()
            raise tensorflow().errors.ResourceExhaustedError(None, None, "OOM when allocating")
        return forward(self, *args)

    monkeypatch.setattr(ModelProbe, "forward", limited)
    _, layout, manifest, _, images = explained("together")
    assert noted(layout, manifest, "batch_size") == [8]
    explained_ones = images[images["fault"].isna()]["file_name"]
    assert explained_ones.is_unique and explained_ones.is_monotonic_increasing


def test_no_half_of_it_is_left(explained, monkeypatch):
    memory_for(monkeypatch, 1)
    with pytest.raises(AuditError, match=r"run\.batch_size: memory ran out with 2 images at once"):
        explained("none")


def test_another_fault_is_no_lack_of_memory(explained, monkeypatch):
    def wrong(self, *args):
        raise tensorflow().errors.InternalError(None, None, "a bug")

    monkeypatch.setattr(ModelProbe, "forward", wrong)
    with pytest.raises(tensorflow().errors.InternalError):
        explained("bug")
