"""Archives that were made to do harm: refused before anything of them is read."""

import stat
import zipfile
import zlib

import pytest

from audit.errors import AuditError
from audit.stages import bundle_files
from audit.stages.bundle_files import Archive, Folder, Within, read_json
from audit.tables import archive as archives


def archive(path, *entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in entries:
            made.writestr(name, data)
    return path


def entry(name, mode=0o100644):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    "name", ["../a", "/etc/a", "a/../../b", "C:/a", "a\\..\\b", "a/./b", "a\nb", "./a", "../"]
)
def test_paths_that_lead_elsewhere(tmp_path, name):
    path = archive(tmp_path / "b.zip", (entry(name), b"x"))
    with pytest.raises(AuditError, match="nothing of it was read"):
        Archive(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("a", "a"), ("a", "A"), ("ß", "SS")])
def test_names_given_twice(tmp_path, names):
    path = archive(tmp_path / "b.zip", *((n, b"x") for n in names))
    with pytest.raises(AuditError, match="is there more than once"):
        Archive(path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices(tmp_path, kind):
    path = archive(tmp_path / "b.zip", (entry("a", kind | 0o777), b"/etc/passwd"))
    with pytest.raises(AuditError, match="is a link or no plain file"):
        Archive(path)


def test_encrypted_entries(tmp_path):
    data = bytearray(archive(tmp_path / "b.zip", ("a", b"x")).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(data)
    with pytest.raises(AuditError, match="is encrypted"):
        Archive(tmp_path / "b.zip")


def test_a_bomb_is_refused_by_what_it_declares(tmp_path):
    data = bytes(archives.FREE + 1)
    path = archive(tmp_path / "b.zip", ("a", data))
    assert path.stat().st_size < 1e6
    with pytest.raises(AuditError, match="unpack to 268435457; nothing of it was read"):
        Archive(path)


def test_an_entry_that_unpacks_to_more_than_it_declares(tmp_path):
    """The declared size is the bound, whatever the stream holds."""
    data = bytearray(archive(tmp_path / "b.zip", ("a", bytes(10**6))).read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (5).to_bytes(4, "little")
    data[at + 16 : at + 20] = zlib.crc32(bytes(5)).to_bytes(4, "little")
    (tmp_path / "b.zip").write_bytes(data)
    assert len(Archive(tmp_path / "b.zip").read("a")) == 5


@pytest.mark.parametrize("place", ["before", "after", "comment"])
def test_an_archive_in_which_others_might_find_another_one(tmp_path, place):
    path = archive(tmp_path / "b.zip", ("a", b"x"))
    other = archive(tmp_path / "c.zip", ("a", b"y")).read_bytes()
    if place == "comment":
        with zipfile.ZipFile(path, "a") as made:
            made.comment = b"more"
    else:
        path.write_bytes(
            other + path.read_bytes() if place == "before" else path.read_bytes() + other
        )
    with pytest.raises(AuditError, match="has more in it than its files"):
        Archive(path)


def test_too_many_entries(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILES", 2)
    path = archive(tmp_path / "b.zip", *((str(n), b"") for n in range(3)))
    with pytest.raises(AuditError, match="more than 2 files"):
        Archive(path)


def test_what_is_read_at_once_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_files, "MAX_READ", 2)
    path = archive(tmp_path / "b.zip", ("a", b"xyz"))
    (tmp_path / "c").write_bytes(b"xyz")
    for files, name in ((Archive(path), "a"), (Folder(tmp_path), "c")):
        with pytest.raises(AuditError, match="has 3 bytes"):
            files.read(name)
        assert files.digest(name) == files.digest(name) and len(files.digest(name)) == 64


def test_the_same_in_a_folder_and_an_archive(tmp_path):
    (tmp_path / "f/in").mkdir(parents=True)
    (tmp_path / "f/in/é.txt").write_bytes(b"x")
    path = archive(tmp_path / "b.zip", ("in/", b""), ("in/é.txt", b"x"))
    for files in (Folder(tmp_path / "f"), Archive(path)):
        assert files.names() == ["in/é.txt"] and files.read("in/é.txt") == b"x"
        inside = Within(files, "in/")
        assert inside.names() == ["é.txt"] and inside.digest("é.txt") == files.digest("in/é.txt")
        with pytest.raises(KeyError):
            files.read("none")
        with pytest.raises(AuditError, match="none: is missing"):
            read_json(files, "none")


def test_a_folder_does_not_lead_out(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "secret").write_text("x")
    with pytest.raises(KeyError):
        Folder(tmp_path / "f").read("../secret")
    (tmp_path / "f/link").symlink_to(tmp_path)
    with pytest.raises(AuditError, match="is a link"):
        Folder(tmp_path / "f").names()


def test_a_truncated_archive(tmp_path):
    path = archive(tmp_path / "b.zip", ("a", b"x" * 100))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(AuditError, match="is no zip archive"):
        Archive(path)
