"""The one place that imports TensorFlow, after setting what its results depend on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType


@cache
def tensorflow() -> ModuleType:
    """TensorFlow, imported on the first call; quiet and reproducible.

    oneDNN stays on: without it results depend on the number of threads (measured).
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    with _stderr_dropped():
        import tensorflow as tf

        tf.config.list_logical_devices()  # the first use of a device prints lines of its own
    tf.get_logger().setLevel("ERROR")
    return tf


def start(threads: int) -> ModuleType:
    """:func:`tensorflow` with that many threads inside an operation; only before its first use."""
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    os.environ["OMP_NUM_THREADS"] = str(threads)
    return tensorflow()


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
