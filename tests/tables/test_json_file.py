"""What is no JSON object is told with its file, and what to do."""

import pytest

from audit.errors import AuditError
from audit.tables.atomic import write_json
from audit.tables.json_file import read_json


def test_what_was_written_comes_back(tmp_path):
    write_json(tmp_path / "a.json", {"ä": [1, None]})
    assert read_json(tmp_path / "a.json") == {"ä": [1, None]}


@pytest.mark.parametrize("text", [b"", b'{"a": 1', b"[1]", b"\xff\xfe{}", b"[" * 100_000])
def test_what_is_damaged(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(AuditError, match=r"a\.json: is (damaged|no JSON object).*delete it"):
        read_json(tmp_path / "a.json")


def test_what_is_not_there(tmp_path):
    with pytest.raises(AuditError, match="is missing; build it"):
        read_json(tmp_path / "a.json", "build it")
    with pytest.raises(AuditError, match="cannot be read: Is a directory"):
        read_json(tmp_path)
