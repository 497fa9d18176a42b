"""What a model's config may name: parts of Keras that are data only.

A config is a program of a kind. It names classes and functions, and Keras makes and calls them, also
those that read files, fetch weights or run code. So each name is looked up here first, in a list of
what is known to stay inside the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from audit.errors import AuditError
from audit.models.operations import ALLOWED, TRUST_HINT

# Functions of TensorFlow that a layer of CALLS may call: arithmetic.
CALLS = {"TFOpLambda", "SlicingOpLambda"}
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
# Keys that name a file to read, where they are a text.
FILES = ("vocabulary", "idf_weights", "filepath")
# More than any network has; each is an object that Keras makes.
MAX_OBJECTS = 200_000


@dataclass(frozen=True)
class Known:
    """Names of one version of Keras."""

    classes: frozenset[str]
    """That are data only."""
    functions: frozenset[str] | None = None
    """Likewise; None: any, as this version looks them up among such only."""
    others: frozenset[str] | None = None
    """Classes that it has, too, and that do more; None: that cannot be told."""
    registered: frozenset[str] = frozenset()
    """Names that this process has registered itself: no code of the file's."""


def check_config(config: Any, known: Known, where: str) -> None:
    """Refuse a config that names anything but Keras' own layers and TensorFlow's arithmetic.

    Raises
    ------
    AuditError: names it.
    """
    for number, item in enumerate(_objects(config)):
        if number == MAX_OBJECTS:
            raise AuditError(f"has more than {MAX_OBJECTS} parts", where=where)
        reason = _reason_against(item, known)
        if reason is not None and _is_unheard_of(item, known):
            what = (
                f"cannot be loaded: it names the class {item['class_name']!r}, which Keras has not"
            )
            raise AuditError(what, where=where)
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


def _reason_against(item: dict[str, Any], known: Known) -> str | None:
    name, module = item.get("class_name"), item.get("module")
    config = item.get("config")
    if isinstance(item.get("registered_name"), str) and item["registered_name"] in known.registered:
        return None
    if name in ("Lambda", "__lambda__"):
        return "a Lambda layer, which is Python code"
    if name == "function":
        return (
            None
            if _is_plain_function(config, module, known)
            else f"a function of its own, {config!r}"
        )
    if module is not None and not re.fullmatch(r"(tf_)?keras(\.\w+)*", str(module)):
        return f"an object of the module {module!r}"
    if name == "TensorFlowOpLayer":
        return _operation_against(config)
    if isinstance(name, str) and name in CALLS:
        return _call_against(config)
    if not isinstance(name, str) or name not in known.classes:
        return f"an object of the class {name!r}, which is not known to be without code"
    if item.get("registered_name") not in (None, name):
        return f"an object registered as {item['registered_name']!r}"
    return _file_against(name, config)


def _is_unheard_of(item: dict[str, Any], known: Known) -> bool:
    """A class that no trust would help to load: a user's own, as a rule."""
    name, module = item.get("class_name"), item.get("module")
    ours = module is None or str(module).split(".")[0] == "keras"
    if known.others is None or not ours or not isinstance(name, str):
        return False
    return name not in known.classes | known.others | {"function", "__lambda__"}


def _is_plain_function(config: Any, module: Any, known: Known) -> bool:
    if module != "builtins" and not (known.functions and str(module).startswith("keras")):
        return False
    if not isinstance(config, str) or not config.isidentifier():
        return False
    return known.functions is None or config in known.functions


def _file_against(name: str, config: Any) -> str | None:
    """A layer may read a file of this machine into the model, which then tells it."""
    named = [config[key] for key in FILES if key in config] if isinstance(config, dict) else []
    read = next((value for value in named if isinstance(value, str)), None)
    return None if read is None else f"a {name} that reads the file {read!r}"


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
