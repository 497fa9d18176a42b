"""Inputs of the right outline and any content: what changes of bytes seldom come to."""

import json

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from . import load_targets
from .bounds import outcome
from .target import TARGETS

for _name in ("config", "coco", "results"):
    load_targets(_name)

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(QUICK, max_examples=3000)
TEXTS = st.text(max_size=20) | st.sampled_from(["a.one.jpg", "cat", "../x", "", "\0", "1", "NaN"])
NUMBERS = st.integers(-3, 3) | st.integers() | st.floats() | st.sampled_from([10**400, 1e308, -0.0])
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    PLAIN, lambda v: st.lists(v, max_size=4) | st.dictionaries(TEXTS, v, max_size=4), max_leaves=8
)


def entries(**likely):
    """Records whose keys are those of the format, as a rule, and whose values are likely or any."""
    fields = {key: value | VALUES for key, value in likely.items()}
    return st.lists(st.fixed_dictionaries({}, optional=fields) | VALUES, max_size=4) | VALUES


IDS = st.integers(0, 3)
COCO = st.fixed_dictionaries(
    {
        "images": entries(id=IDS, file_name=TEXTS, width=NUMBERS, height=NUMBERS),
        "annotations": entries(
            id=IDS, image_id=IDS, category_id=IDS, bbox=st.lists(NUMBERS, min_size=4, max_size=4),
            iscrowd=IDS, ignore=IDS, attributes=st.dictionaries(st.just("occluded"), PLAIN),
        ),
        "categories": entries(id=IDS, name=TEXTS),
    }
)  # fmt: skip
CLASSES = st.dictionaries(
    TEXTS, IDS | TEXTS | st.lists(IDS | TEXTS, max_size=3) | VALUES, max_size=3
)


@st.composite
def configs(draw):
    """Sections as they are, with some of their keys' values exchanged."""
    from audit.config.model import Config

    values = {
        "audit": {"name": "a"},
        "model": {"path": "m.keras", "preprocess": "none"},
        "dataset": {"format": "coco", "annotations": "a", "images": "i", "classes": draw(CLASSES)},
    }
    for _ in range(draw(st.integers(0, 3))):
        section = draw(st.sampled_from(sorted(Config.model_fields)))
        held = values.setdefault(section, {})
        fields = getattr(Config.model_fields[section].annotation, "model_fields", {"x": None})
        key = draw(st.sampled_from(sorted(fields)) | TEXTS)
        if isinstance(held, dict):
            held[key] = draw(VALUES)
    return values


def dumped(values):
    try:
        return yaml.safe_dump(values, allow_unicode=True).encode("utf-8", "surrogatepass")
    except (ValueError, yaml.YAMLError):  # what YAML cannot hold is no config
        return b""


STRUCTURES = {
    "coco": COCO.map(lambda v: json.dumps(v).encode()),
    "classes": CLASSES.map(lambda v: json.dumps(v).encode()),
    "config": configs().map(dumped),
    "labels": st.builds(
        lambda v: b"j" + json.dumps(v).encode(),
        st.lists(TEXTS | VALUES, min_size=3, max_size=3) | CLASSES,
    ),
}


def check(name, data):
    found = outcome(TARGETS[name], data)
    assert found in ("value", "refused"), found


@pytest.mark.parametrize("name", STRUCTURES)
@QUICK
@given(data=st.data())
def test_any_content(name, data):
    check(name, data.draw(STRUCTURES[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", STRUCTURES)
@LONG
@given(data=st.data())
def test_any_content_for_longer(name, data):
    check(name, data.draw(STRUCTURES[name]))
