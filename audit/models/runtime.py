"""The one place that imports TensorFlow, after setting what its results depend on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

from audit.errors import AuditError

# Passes that may be under way at once. A second one works while the first waits for a small operation
# to end, for Python or for its data: 1.1 to 1.2 times as many images; each takes its own memory.
SIDE_BY_SIDE = 2
# TensorFlow's own rewriting of graphs, by the name that Keras gives such a policy: sums and what is
# delicate stay float32. Each is for one kind of device, and is no part of the model.
REWRITING = {
    "mixed_bfloat16": ("CPU", "auto_mixed_precision_onednn_bfloat16"),
    "mixed_float16": ("GPU", "auto_mixed_precision"),
}


@cache
def tensorflow() -> ModuleType:
    """TensorFlow, imported on the first call; quiet and reproducible.

    oneDNN stays on: without it results depend on the number of threads (measured).
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    with _stderr_dropped():
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)  # others may be at work on it
        tf.config.list_logical_devices()  # the first use of a device prints lines of its own
    tf.get_logger().setLevel("ERROR")
    return tf


def start(threads: int, device: str = "auto", precision: str = "float32") -> ModuleType:
    """:func:`tensorflow` with that many threads inside an operation; only before its first use.

    Up to :data:`SIDE_BY_SIDE` operations are under way at once, be they of one pass or of several:
    the bytes are the same.

    ``device``: auto (a GPU where there is one), cpu or gpu. ``precision``: float32, mixed_bfloat16
    (of a CPU) or mixed_float16 (of a GPU).

    Raises
    ------
    AuditError: there is no GPU, or the precision is another device's.
    """
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = str(min(threads, SIDE_BY_SIDE))
    os.environ["OMP_NUM_THREADS"] = str(threads)
    # The same algorithm each time: cuDNN would take whichever is faster at the moment.
    os.environ["TF_CUDNN_DETERMINISTIC"] = "1"
    os.environ["TF_CUDNN_USE_AUTOTUNE"] = "0"
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    tf = tensorflow()
    kind = device_kind()
    if device == "gpu" and kind != "GPU":
        raise AuditError(
            "TensorFlow finds no GPU", where="run.device",
            hint="install tensorflow[and-cuda] beside its driver, or set run.device: auto",
        )  # fmt: skip
    # The GPU's shortened float32 has the 10 bits of a float16: not the CPU's results.
    tf.config.experimental.enable_tensor_float_32_execution(precision != "float32")
    _rewrite(tf, kind, precision)
    return tf


def device_kind() -> str:
    """``GPU`` where TensorFlow works on one, else ``CPU``."""
    return "GPU" if tensorflow().config.list_logical_devices("GPU") else "CPU"


def device_name() -> str:
    """The device in words, as provenance tells it: ``GPU (NVIDIA H100 ...)``, or ``CPU``."""
    tf = tensorflow()
    if device_kind() == "CPU":
        return "CPU"
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return f"GPU ({details.get('device_name', 'of unknown name')})"


def ran_out_of_memory(error: Exception) -> bool:
    """Whether TensorFlow could not hold a tensor."""
    return isinstance(error, (tensorflow().errors.ResourceExhaustedError, MemoryError))


def _rewrite(tf: ModuleType, kind: str, precision: str) -> None:
    wanted, option = REWRITING.get(precision, (kind, None))
    if wanted != kind:
        own = next(name for name, (device, _) in REWRITING.items() if device == kind)
        raise AuditError(
            f"{precision} is for a {wanted}, and this machine works on its {kind}",
            where="run.precision", hint=f"set run.precision: {own}, or float32",
        )  # fmt: skip
    if option:
        tf.config.optimizer.set_experimental_options({option: True})


@contextmanager
def _stderr_dropped() -> Iterator[None]:
    """TensorFlow's C++ start-up lines ignore its own log level; they are kept from the user."""
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
