"""Registries refuse duplicates and name the nearest choice."""

import pytest

from audit.errors import AuditError
from audit.registry import Registry


@pytest.fixture
def things():
    registry = Registry("thing")
    registry.add("b", 2)
    registry.register("a")(1)
    return registry


def test_entries_are_sorted_by_name(things):
    assert things.names() == ["a", "b"]
    assert list(things.items()) == [("a", 1), ("b", 2)]
    assert things.get("b") == 2


def test_a_name_is_taken_once(things):
    with pytest.raises(ValueError, match="thing 'a' is registered twice"):
        things.add("a", 3)
    assert things.get("a") == 1


def test_unknown_name(things):
    with pytest.raises(
        AuditError, match="explain.method: unknown thing 'c'; the choices are: a, b"
    ):
        things.get("c", where="explain.method")
