"""What is said of a model file that will not do."""

import pytest

from audit.errors import AuditError
from audit.models.loading import load_model

from .networks import config


def fault(path, **keys):
    """The one line that refuses a file, without the part that names it."""
    with pytest.raises(AuditError) as caught:
        load_model(config(path, **keys).model)
    line = str(caught.value)
    assert line.startswith(f"model.path: {path}: ") and "\n" not in line
    return line.removeprefix(f"model.path: {path}: ")
