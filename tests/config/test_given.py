"""Files and YAML from others: bounded, and no more than they say."""

import os
import time

import pytest

from audit.config import yaml_text
from audit.config.given import read_given
from audit.config.load import check_paths, load_config
from audit.config.yaml_text import parse_yaml
from audit.errors import MAX_LINE, AuditError, nearest

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)


def told(text):
    with pytest.raises(AuditError) as caught:
        parse_yaml(text, "c.yaml")
    return str(caught.value)


def test_a_plain_file_of_that_size_at_most(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(path)
    assert read_given(tmp_path / "link", "here", 5) == b"12345"
    for name, reason in {
        "f": "here: file is too large; expected 4 bytes at most, received 5",
        "gone": "here: no such file",
        "a\0b": "here: cannot be read",
        "a" * 300: "here: cannot be read: File name too long",
        ".": "here: cannot be read: Is a directory",
    }.items():
        with pytest.raises(AuditError) as caught:
            read_given(tmp_path / name, "here", 4)
        assert str(caught.value).startswith(reason)


def test_what_has_no_end_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    for name in ("pipe", "zero", "round"):
        with pytest.raises(AuditError, match="here: (is no file|cannot be read)"):
            read_given(tmp_path / name, "here", 100)


def test_a_large_bound_sets_nothing_aside(tmp_path):
    (tmp_path / "f").write_bytes(b"1")
    assert read_given(tmp_path / "f", "here", 2**50) == b"1"


def test_aliases_are_counted_before_they_are_written_out():
    began = time.perf_counter()
    assert (
        told(LAUGHS) == "c.yaml:7: is not valid YAML: aliases make more than 2000000 values of it"
    )
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("text", ["a: &a [*a]", "&a {b: *a}", "a: &a\n  <<: *a\n"])
def test_a_value_that_contains_itself(text):
    assert "contains itself" in told(text)


def test_aliases_as_people_use_them():
    assert parse_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]\n", "c")["b"] == {
        "x": 1,
        "y": 2,
    }


@pytest.mark.parametrize("text", ['"\\ud800"', '{"\\ud800": 1}'])
def test_half_of_a_surrogate_pair(text):
    assert "not valid Unicode" in told(text)


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system [id]", "!!python/name:os.system", "!x y"]
)
def test_types_are_not_named(tag):
    assert "could not determine a constructor" in told(f"a: {tag}")


def test_text_without_an_end(monkeypatch):
    monkeypatch.setattr(yaml_text, "MAX_CHARACTERS", 10)
    assert "is too large for YAML; expected 10 characters at most" in told("a: " + "b" * 20)
    assert "is not valid YAML" in told("[[[")


def test_brackets_without_an_end():
    began = time.perf_counter()
    assert "is nested too deep" in told("a: " + "[" * 100_000)
    assert "is nested too deep" in told("a: " + "{b: " * 60)
    assert parse_yaml("[" * 50 + "]" * 50, "c")
    assert time.perf_counter() - began < 2


def test_paths_that_no_system_keeps(tmp_path):
    text = "audit: {name: a}\nmodel: {path: %s, preprocess: none}\n" % ("m" * 5000)
    text += "dataset: {format: coco, annotations: a, images: i}\n"
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(AuditError, match="model.path: no such file") as caught:
        check_paths(load_config([tmp_path / "c.yaml"]), "c.yaml")
    assert len(str(caught.value)) <= MAX_LINE + 5


def test_long_names_are_cut_and_not_compared():
    began = time.perf_counter()
    hint = nearest("ab" * 50_000, ["ba" * 50_000, "cat"])
    assert time.perf_counter() - began < 1
    error = AuditError("x", received=10**6000, hint=hint)
    assert "a value of type int that is too large to show" in str(error)
    assert len(str(error)) <= MAX_LINE + 5
    deep = []
    for _ in range(5000):
        deep = [deep]
    assert "of type list" in str(AuditError("x", received=deep))
