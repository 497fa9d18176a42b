"""Only files are read, and none without end."""

import os

import pytest

from audit.images import UnreadableImage, files, read_file


def reason(path):
    with pytest.raises(UnreadableImage) as told:
        read_file(path)
    return told.value.reason


def test_a_file_and_a_link_to_one(tmp_path):
    (tmp_path / "a").write_bytes(b"12")
    (tmp_path / "b").symlink_to("a")
    assert read_file(tmp_path / "a") == read_file(tmp_path / "b") == b"12"


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    assert reason(tmp_path / "pipe") == reason(tmp_path) == reason(tmp_path / "loop")
    assert reason(tmp_path / "pipe") == reason("/dev/zero") == "unreadable_file"


def test_nothing_there(tmp_path):
    (tmp_path / "dangling").symlink_to("gone")
    assert reason(tmp_path / "gone") == reason(tmp_path / "dangling") == "missing_image"


def test_a_name_that_no_system_has(tmp_path):
    assert reason(tmp_path / "a\0b") == reason(tmp_path / ("n" * 300)) == "unreadable_file"


def test_a_file_that_claims_any_size(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)
    assert reason(tmp_path / "sparse") == "too_large"
