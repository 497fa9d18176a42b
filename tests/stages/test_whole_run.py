"""How far a whole audit is: by files, with what an earlier run left."""

import json

import pytest

from audit.stages.layout import Layout
from audit.stages.snakemake_lines import Steps
from audit.stages.whole_run import WholeRun

SIZES = {"0-a": 100, "0-b": 50, "1-c": 50}


class Due(Steps):
    """Snakemake as it says so many jobs."""

    def __init__(self, explain=None, score=None, undecided=False):
        super().__init__()
        self.jobs = {"explain": explain, "score": score}
        self._undecided = undecided

    undecided = property(lambda self: self._undecided)

    def due(self, verb, shards):
        return self.jobs[verb]


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path)
    for name in ("index", "explain", "score", "progress"):
        (layout.stages / name).mkdir(parents=True)
    shards = [{"name": name, "images": n, "boxes": 1} for name, n in SIZES.items()]
    layout.manifest.write_text(json.dumps({"shards": shards}))
    return layout


def works(layout, stage, shard, done):
    values = {"stage": stage, "shard": shard, "done": done, "total": 100, "what": "images"}
    (layout.progress / f"{stage}-{shard}.json").write_text(json.dumps(values))


def test_without_an_index_nothing_is_there(tmp_path):
    found = WholeRun(Layout(tmp_path)).look(Steps())
    assert (found.images, found.explained, found.shards, found.running) == (0, 0, 0, ())
    assert found.known


def test_files_and_what_is_under_way(layout):
    files = WholeRun(layout)
    layout.explained("0-a").touch()
    layout.scores("0-a").touch()
    works(layout, "explain", "0-b", 20)
    found = files.look(Due(3, 3))
    assert (found.images, found.explained) == (200, 120) and found.of_shards
    assert (found.shards, found.shards_explained, found.shards_scored) == (3, 1, 1)
    assert not found.complete


def test_what_counts_as_neither(layout):
    files = WholeRun(layout)
    layout.explained("0-a").touch()
    layout.explained("7-gone").touch()  # of an index that was
    (layout.stages / "explain" / ".0-b.records.parquet.x1.part").touch()
    works(layout, "explain", "0-a", 100)  # its file is there, and it has not ended yet
    works(layout, "score", "0-a", 60)
    (layout.progress / "explain-1-c.json").write_text('{"stage": "exp')
    (layout.progress / ".explain-1-c.json.9.part").write_text("{}")
    found = files.look(Due(3, 3))
    assert found.explained == 100 and found.shards_explained == 1 and len(found.running) == 2


def test_an_earlier_run_counts_where_its_files_hold(layout):
    layout.explained("0-a").touch()
    layout.scores("0-a").touch()
    files = WholeRun(layout)
    found = files.look(Due(2, 2))
    assert (found.explained, found.shards_scored) == (100, 1)
    layout.explained("0-b").touch()
    assert files.look(Due(2, 2)).explained == 150, "before Snakemake has said that it is done"


def test_an_earlier_run_does_not_count_where_its_jobs_are_due_again(layout):
    for name in SIZES:
        layout.explained(name).touch()
        layout.scores(name).touch()
    files = WholeRun(layout)
    assert files.look(Due(0, 0)).complete
    found = files.look(Due(0, 3))
    assert (found.explained, found.shards_explained, found.shards_scored) == (200, 3, 0)
    found = files.look(Due(3, 3))
    assert (found.explained, found.shards_explained, found.shards_scored) == (0, 0, 0)
    layout.explained("0-a").unlink()  # Snakemake does so when the job begins
    assert files.look(Due(3, 3)).explained == 0
    layout.explained("0-a").write_text("new")
    assert files.look(Due(3, 3)).shards_explained == 1


def test_open_which_old_files_hold(layout):
    assert WholeRun(layout).look(Due(undecided=True)).known
    layout.explained("0-a").touch()
    assert not WholeRun(layout).look(Due(undecided=True)).known


def test_a_new_index_is_read_again(layout):
    files = WholeRun(layout)
    files.look(Steps())
    layout.manifest.write_text(json.dumps({"shards": [{"name": "0-z", "images": 7}]}))
    assert files.look(Steps()).images == 7
