"""The words on the system: all of them optional, none of them blank or endless."""

import pytest
from pydantic import ValidationError

from audit.config.system import LONG, SHORT, SystemSection


def test_nothing_has_to_be_said():
    assert set(SystemSection().model_dump().values()) == {None}


@pytest.mark.parametrize("name", SystemSection.model_fields)
def test_what_is_said_is_kept_and_neither_blank_nor_endless(name):
    assert getattr(SystemSection(**{name: "Ünicode <b>"}), name) == "Ünicode <b>"
    for text in (" ", "x" * (LONG + 1)):
        with pytest.raises(ValidationError):
            SystemSection(**{name: text})
    assert 0 < SHORT < LONG
