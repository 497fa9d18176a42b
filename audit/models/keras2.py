"""Files of Keras 2 that Keras 3 cannot load: through tf_keras, after a look for code in them.

tf_keras imports what a config names and has run a Lambda from an .h5 although told not to, so it is
given only configs that were read here first.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from audit.errors import AuditError, first_line
from audit.models.budget import weights_within
from audit.models.contents import Contents
from audit.models.named import Known, check_config
from audit.models.runtime import tensorflow

EXTRA = "pip install 'focus-audit[keras2]'"

# Rooms of tf_keras whose classes are data only: a config names them and gives them numbers.
ROOMS = (
    "layers", "layers.experimental.preprocessing", "initializers", "regularizers", "constraints",
    "mixed_precision",
)  # fmt: skip
STRUCTURE = {
    "Functional", "InputSpec", "LayerScale", "Model", "Sequential", "SyncBatchNormalization",
    "TensorShape", "__ellipsis__", "__numpy__", "__slice__", "__tensor__", "__tuple__",
}  # fmt: skip
# They run code, or read files whose names stand in the config.
REFUSED = {"Lambda", "TFSMLayer", "StringLookup", "IntegerLookup", "TextVectorization"}


def load_keras2(path: Path, contents: Contents, trusted: bool, why: str) -> Any:
    """The model in a file that Keras 3 cannot load, for the reason ``why``.

    ``contents``: of that file, which were checked.

    Raises
    ------
    AuditError: the file holds code and is not ``trusted``, tf_keras is missing, or fails, too.
    """
    where = f"model.path: {path}"
    tf_keras = _tf_keras(where, why)
    if not trusted:
        check_config(contents.config, known_names(tf_keras), where)
    layer_scale = tf_keras.src.applications.convnext.LayerScale
    try:
        with weights_within(path):
            return tf_keras.models.load_model(
                path, {"LayerScale": layer_scale}, compile=False, safe_mode=not trusted
            )
    except AuditError:
        raise
    except Exception as error:  # whatever the broken part raises
        raise AuditError(
            f"cannot be loaded, neither by Keras 3 ({why}) nor by tf_keras: {first_line(error)}",
            where=where,
        ) from error


def _tf_keras(where: str, why: str) -> ModuleType:
    tensorflow()
    try:
        import tf_keras
    except ImportError as error:
        raise AuditError(
            f"was made by Keras 2, and Keras 3 cannot load it: {why}",
            where=where,
            hint=f"tf_keras may: {EXTRA}",
        ) from error
    return tf_keras


def known_names(tf_keras: ModuleType) -> Known:
    """What tf_keras has, as it is installed."""
    known = set(STRUCTURE)
    for room in ROOMS:
        module = tf_keras
        for part in room.split("."):
            module = getattr(module, part)
        known |= {name for name, value in vars(module).items() if isinstance(value, type)}
    return Known(frozenset(known - REFUSED))
