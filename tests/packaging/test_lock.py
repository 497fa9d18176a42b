"""The lock files are current with pyproject.toml, hashed, and name no place; looked at offline."""

import re

import pytest
from packaging.utils import canonicalize_name

from tests.packaging.packages import (
    CLUSTER_LOCK,
    LOCK,
    installed,
    pins_for,
    read_lock,
    requirements,
)

PYTHONS = ("3.11", "3.12", "3.13")
CLUSTER = ("slurm", "kubernetes", "s3")
PARTS = {
    LOCK: {"groups": ("dev",)},
    CLUSTER_LOCK: {"extras": CLUSTER},
}
OWN = re.compile(r"focus-audit \(pyproject\.toml(:dev)?\)")
both = pytest.mark.parametrize("lock", PARTS, ids=lambda lock: lock.name)


def _name(requirement):
    return canonicalize_name(requirement.name)


@both
@pytest.mark.parametrize("python", PYTHONS)
def test_what_pyproject_asks_for_is_pinned_within_its_range(lock, python):
    pins = pins_for(lock, python)
    asked = requirements(**PARTS[lock])
    assert [str(r) for r in asked if _name(r) not in pins] == []
    beside = [r for r in asked if not r.specifier.contains(pins[_name(r)].version)]
    assert [f"{r}, pinned {pins[_name(r)].version}; make lock" for r in beside] == []


@both
def test_nothing_is_pinned_that_nobody_asks_for(lock):
    pins = read_lock(lock)
    asked = {_name(r) for r in requirements(**PARTS[lock])}
    assert {pin.name for pin in pins if any(map(OWN.fullmatch, pin.via))} == asked
    parents = {name for pin in pins for name in pin.via if not OWN.fullmatch(name)}
    assert parents <= {pin.name for pin in pins}
    assert [pin.name for pin in pins if not pin.via] == []


@both
def test_every_pin_has_hashes(lock):
    assert [pin.name for pin in read_lock(lock) if not pin.hashes] == []


def test_the_two_lock_files_agree():
    first, second = ({(p.name, p.version): p for p in read_lock(lock)} for lock in PARTS)
    tools = {name for name, _ in first} - {name for name, _ in second}
    plugins = {name for name, _ in second} - {name for name, _ in first}
    assert {key for key in first if key[0] not in tools} == {
        key for key in second if key[0] not in plugins
    }
    assert [k for k in first if k in second and first[k].hashes != second[k].hashes] == []


def test_what_is_installed_asks_for_nothing_that_is_not_pinned():
    pins = pins_for(LOCK)
    found = installed()
    assert {n: p.version for n, p in found.items()} == {n: pins[n].version for n in found}


def test_the_cluster_lock_has_no_tools():
    assert not {"pytest", "ruff", "hypothesis", "moto"} & set(pins_for(CLUSTER_LOCK))


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://mirror.example/simple",
        "--find-links /opt/wheels",
        "numpy @ https://files.example/numpy.whl \\",
        "numpy @ file:///opt/numpy.whl \\",
        "-e ../other",
        "numpy==2.4.6",
        "    # via -r /home/somebody/requirements.in",
        "    --hash=md5:0123",
    ],
)
def test_an_index_a_host_or_a_path_is_no_line_of_a_lock_file(line, tmp_path):
    lock = tmp_path / "some.lock"
    start = "absl-py==2.5.1 \\\n    --hash=sha256:" + 64 * "0" + "\n    # via keras\n"
    lock.write_text(start)
    assert [pin.name for pin in read_lock(lock)] == ["absl-py"]
    lock.write_text(start + line + "\n")
    with pytest.raises(ValueError, match=r"some\.lock:4: is no pin"):
        read_lock(lock)
