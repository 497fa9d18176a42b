"""Digests change with the content, and with nothing else."""

import hashlib
import os

from audit.digest import CHUNK, digest_file, digest_json, digest_listing, package_digest


def test_a_file_longer_than_one_piece(tmp_path):
    data = os.urandom(CHUNK + 1)
    (tmp_path / "a").write_bytes(data)
    assert digest_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_json_does_not_depend_on_the_order_of_keys():
    assert digest_json({"a": 1, "b": [2]}) == digest_json({"b": [2], "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": 1.5})
    assert digest_json([1, 2]) != digest_json([2, 1])


def test_a_folder_by_names_and_content(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, order in ((one, "ab"), (two, "ba")):
        (folder / "sub").mkdir(parents=True)
        for name in order:
            (folder / "sub" / name).write_text(name)
    assert digest_file(one) == digest_file(two)
    (two / "sub" / "b").rename(two / "sub" / "c")
    assert digest_file(one) != digest_file(two)


def test_a_listing_changes_with_size_time_and_name(tmp_path):
    seen = set()
    file = tmp_path / "a"
    for text, time in (("x", 1), ("xy", 1), ("xy", 2)):
        file.write_text(text)
        os.utime(file, ns=(time, time))
        assert digest_listing(tmp_path) == digest_listing(tmp_path)
        seen.add(digest_listing(tmp_path))
    file.rename(tmp_path / "b")
    seen.add(digest_listing(tmp_path))
    assert len(seen) == 4


def test_a_listing_survives_any_name_and_a_loop_of_links(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.jpg")).touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert len(digest_listing(tmp_path)) == 64
    assert len(digest_file(tmp_path)) == 64


def test_the_package_has_a_digest():
    assert package_digest() == package_digest() and len(package_digest()) == 64
