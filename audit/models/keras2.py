"""Files of Keras 2 that Keras 3 cannot load: through tf_keras, after a look for code in them.

tf_keras imports what a config names and has run a Lambda from an .h5 although told not to, so it is
given only configs that were read here first.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

from audit.errors import AuditError
from audit.models.budget import weights_allowed, weights_within
from audit.models.operations import ALLOWED, TRUST_HINT
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
CALLS = {"TFOpLambda", "SlicingOpLambda"}

# Functions of TensorFlow that a layer of CALLS may call: arithmetic.
PURE_ROOMS = re.compile(r"(compat\.v1\.)?(math|nn|linalg|image|bitwise|__operators__)\.\w+")
PURE_NAMES = re.compile(r"((compat\.v1\.)?keras\.backend\.|compat\.v1\.)?(\w+)")
PURE_WORDS = """
    abs add argmax argmin batch_dot batch_flatten boolean_mask broadcast_to cast clip
    clip_by_value clip_by_norm concat concatenate constant convert_to_tensor cos cumsum divide dot
    einsum elu equal exp expand_dims eye fill flatten floor gather gather_nd greater greater_equal
    hard_sigmoid identity l2_normalize less less_equal log logical_and logical_not logical_or matmul
    max maximum mean min minimum multiply not_equal one_hot ones ones_like pad permute_dimensions pow
    prod range rank reduce_all reduce_any reduce_max reduce_mean reduce_min reduce_prod reduce_sum relu
    repeat reshape resize_images reverse roll round rsqrt shape sigmoid sign sin size slice softmax
    softplus softsign spatial_2d_padding split sqrt square squeeze stack std stop_gradient
    strided_slice subtract sum tanh tensordot tile transpose truediv unstack var where zeros zeros_like
"""
PURE = frozenset(PURE_WORDS.split())


def is_keras2(path: Path) -> bool:
    """True when the file says that a Keras before 3 wrote it, or says nothing, as the oldest do."""
    try:
        version = _version(path)
    except Exception:  # whatever a broken file raises: Keras has told already what is wrong with it
        return False
    return int(version.split(".")[0]) < 3


def load_keras2(path: Path, trusted: bool, why: str) -> Any:
    """The model in a file that Keras 3 cannot load, for the reason ``why``.

    Raises
    ------
    AuditError: the file holds code and is not ``trusted``, tf_keras is missing, or fails, too.
    """
    where = f"model.path: {path}"
    tf_keras = _tf_keras(where, why)
    if not trusted:
        check_config(_config(path), _known_classes(tf_keras), where)
    _check_weights(path, where)
    layer_scale = tf_keras.src.applications.convnext.LayerScale
    try:
        with weights_within(path):
            return tf_keras.models.load_model(
                path, {"LayerScale": layer_scale}, compile=False, safe_mode=not trusted
            )
    except AuditError:
        raise
    except Exception as error:  # whatever the broken part raises
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise AuditError(
            f"cannot be loaded, neither by Keras 3 ({why}) nor by tf_keras: {reason}", where=where
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


def _config(path: Path) -> dict[str, Any]:
    """The model's config as it stands in the file."""
    if path.suffix.lower() == ".keras":
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        config.pop("compile_config", None)  # not looked at: models are loaded without it
        return config
    import h5py

    with h5py.File(path) as file:
        return json.loads(file.attrs["model_config"])


def _version(path: Path) -> str:
    if path.suffix.lower() == ".keras":
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("metadata.json"))["keras_version"]
    import h5py

    with h5py.File(path) as file:
        version = file.attrs.get("keras_version", "1")
    return version.decode() if isinstance(version, bytes) else version


def _known_classes(tf_keras: ModuleType) -> set[str]:
    known = set(STRUCTURE)
    for room in ROOMS:
        module = tf_keras
        for part in room.split("."):
            module = getattr(module, part)
        known |= {name for name, value in vars(module).items() if isinstance(value, type)}
    return known - REFUSED


def _check_weights(path: Path, where: str) -> None:
    """Refuse weights that lie in other files, or that are larger than what is stored of them.

    Keras 3 looks at this itself, tf_keras does not.
    """
    import h5py

    with ExitStack() as stack:
        source: Any = path
        if path.suffix.lower() == ".keras":
            archive = stack.enter_context(zipfile.ZipFile(path))
            source = stack.enter_context(archive.open("model.weights.h5"))
        total = 0
        for name, found in _datasets(stack.enter_context(h5py.File(source))):
            if found is None or found.external or found.is_virtual:
                raise AuditError(f"takes the weights {name!r} from another file", where=where)
            total += found.size
    if total > weights_allowed(path):
        raise AuditError(
            f"says that it holds {total:.3g} numbers in {path.stat().st_size:,} bytes", where=where
        )


def _datasets(group: Any) -> Iterator[tuple[str, Any]]:
    """(path, data set) of an HDF5 group at any depth; None for a link, which is not followed."""
    import h5py

    for name in group:
        path = f"{group.name.rstrip('/')}/{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            yield path, None
        elif isinstance(group[name], h5py.Group):
            yield from _datasets(group[name])
        else:
            yield path, group[name]


# --- what a config may name ---------------------------------------------------------------------


def check_config(config: Any, known: set[str], where: str) -> None:
    """Refuse a config that names anything but Keras' own layers and TensorFlow's arithmetic.

    Raises
    ------
    AuditError: names it.
    """
    for item in _objects(config):
        reason = _reason_against(item, known)
        if reason is not None:
            raise AuditError(f"holds {reason}", where=where, hint=TRUST_HINT)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every dict that names a class or a module, at any depth."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            if "class_name" in current or "module" in current:
                yield current
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)


def _reason_against(item: dict[str, Any], known: set[str]) -> str | None:
    name, module = item.get("class_name"), item.get("module")
    config = item.get("config")
    if name in ("Lambda", "__lambda__"):
        return "a Lambda layer, which is Python code"
    if name == "function":
        plain = module == "builtins" and isinstance(config, str) and config.isidentifier()
        return None if plain else f"a function of its own, {config!r}"
    if module is not None and not re.fullmatch(r"(tf_)?keras(\.\w+)*", str(module)):
        return f"an object of the module {module!r}"
    if name == "TensorFlowOpLayer":
        return _operation_against(config)
    if isinstance(name, str) and name in CALLS:
        return _call_against(config)
    if not isinstance(name, str) or name not in known:
        return f"an object of the class {name!r}, which is not known to be without code"
    if item.get("registered_name") not in (None, name):
        return f"an object registered as {item['registered_name']!r}"
    return None


def _call_against(config: Any) -> str | None:
    function = config.get("function") if isinstance(config, dict) else None
    if isinstance(function, str):
        if PURE_ROOMS.fullmatch(function):
            return None
        plain = PURE_NAMES.fullmatch(function)
        if plain and plain.group(3) in PURE:
            return None
    return f"a call of {function!r}, which is not known to stay inside the model"


def _operation_against(config: Any) -> str | None:
    node = config.get("node_def") if isinstance(config, dict) else None
    operation = node.get("op") if isinstance(node, dict) else None
    if operation in ALLOWED:
        return None
    return f"the operation {operation!r}, which is not known to stay inside the model"
