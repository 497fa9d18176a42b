"""Names of Keras 3 that a model's config may hold, and those that do more than compute."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace
from functools import cache

from audit.models.named import Known
from audit.models.runtime import tensorflow

# Rooms of Keras whose classes are data only: a config names them and gives them numbers.
ROOMS = (
    "layers", "initializers", "regularizers", "constraints", "dtype_policies", "quantizers",
    "losses", "metrics", "optimizers", "optimizers.schedules", "random",
)  # fmt: skip
STRUCTURE = {
    "Functional", "Model", "Sequential", "InputSpec", "KerasTensor", "LayerScale",
    "CustomScaleLayer", "DTypePolicy",
    "DTypePolicyMap", "FloatDTypePolicy", "QuantizedDTypePolicy",
    "__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__",
}  # fmt: skip
# They run code, load a model, or hand the work to another library.
REFUSED = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
# Rooms whose functions compute, and do nothing else.
FUNCTIONS = ("activations", "ops", "losses", "metrics", "initializers")


def known_names() -> Known:
    """What Keras 3 has, as it is installed, and what this process has registered."""
    tensorflow()
    import keras

    return replace(_names(), registered=frozenset(keras.saving.get_custom_objects()))


@cache
def _names() -> Known:
    import keras

    classes = set(STRUCTURE) | _operations()
    functions: set[str] = set()
    for room in ROOMS:
        module = importlib.import_module(f"keras.{room}")
        classes |= {name for name, value in vars(module).items() if isinstance(value, type)}
    for room in FUNCTIONS:
        values = vars(getattr(keras, room))
        functions |= {n for n, v in values.items() if callable(v) and not isinstance(v, type)}
    return Known(frozenset(classes - REFUSED), frozenset(functions), frozenset(REFUSED))


def _operations() -> set[str]:
    """Operations that a functional model may hold beside its layers."""
    from keras.src import ops
    from keras.src.ops.operation import Operation

    found: set[str] = set()
    for info in pkgutil.iter_modules(ops.__path__):
        if not info.name.endswith("_test"):
            values = vars(importlib.import_module(f"{ops.__name__}.{info.name}"))
            found |= {
                n for n, v in values.items() if isinstance(v, type) and issubclass(v, Operation)
            }
    return found
