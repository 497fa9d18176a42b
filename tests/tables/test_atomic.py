"""Files that are either whole or not there."""

import errno
import json
import os
from pathlib import Path

import pytest

from audit.errors import AuditError
from audit.tables.atomic import atomic_path, write_bytes, write_json, write_text


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    return path


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("fault", [ValueError("bug"), KeyboardInterrupt(), SystemExit(1)])
def test_a_block_that_fails_leaves_the_old_file(old, fault):
    with pytest.raises(type(fault)), atomic_path(old) as temporary:
        temporary.write_text("half")
        raise fault
    assert old.read_text() == "old"
    assert names(old.parent) == [old.name]


def test_the_old_file_is_there_until_the_block_ends(old):
    with atomic_path(old) as temporary:
        temporary.write_text("new")
        assert old.read_text() == "old"
        assert temporary.parent == old.parent  # a rename across file systems is no rename
    assert old.read_text() == "new"
    assert names(old.parent) == [old.name]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_folders_are_made(tmp_path):
    write_bytes(tmp_path / "a" / "b" / "c.bin", b"\x00")
    assert (tmp_path / "a" / "b" / "c.bin").read_bytes() == b"\x00"


def test_a_folder_that_cannot_be_made(old):
    with pytest.raises(AuditError, match="cannot be written: ") as caught:
        write_text(old / "sub" / "a.txt", "x")  # a file stands where the folder should be
    assert caught.value.where == str(old / "sub" / "a.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(AuditError, match="cannot be written: Permission denied"):
        write_text(tmp_path / "a.txt", "x")


def test_a_folder_is_in_the_way(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(AuditError, match="cannot be written: .*directory"):
        write_text(tmp_path / "a.txt", "x")
    assert names(tmp_path) == ["a.txt"]


def test_a_full_disk(old):
    with pytest.raises(AuditError, match="No space left"), atomic_path(old):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as write() raises it: no name
    assert old.read_text() == "old" and names(old.parent) == [old.name]


def test_a_fault_of_the_block_s_own_input_is_not_blamed_on_the_output(old, tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(old):
        Path(tmp_path / "input").read_text()


def test_text_has_lf_and_json_has_no_nan(tmp_path):
    write_text(tmp_path / "a", "ü\nb\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xbc\nb\n"
    write_json(tmp_path / "b", {"z": "ü", "a": 0.1})
    assert (tmp_path / "b").read_bytes() == '{\n  "z": "ü",\n  "a": 0.1\n}\n'.encode()
    with pytest.raises(ValueError):
        write_json(tmp_path / "b", {"a": float("nan")})
    assert json.loads((tmp_path / "b").read_text()) == {"z": "ü", "a": 0.1}
