"""What a stage sets of its own process before it works."""

from __future__ import annotations

import os

from audit.config.model import Config

# Sums by BLAS depend on its threads; what is taken with it is too small to gain from them.
SINGLE_THREADED = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def thread_count(config: Config) -> int:
    """Threads of inference and of decoding: from the config, not from ``--cores``."""
    if config.run.threads != "auto":
        return int(config.run.threads)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def with_batch(config: Config, size: int) -> Config:
    """The same config with batches of that size."""
    return config.model_copy(update={"run": config.run.model_copy(update={"batch_size": size})})


def start_model(config: Config) -> None:
    """TensorFlow as the config wants it; before its first use in this process."""
    from audit.models.runtime import start

    start(thread_count(config), config.run.device, config.run.precision)


def set_threads() -> None:
    """Make NumPy's and OpenCV's results independent of the machine's cores; before NumPy's import."""
    for name in SINGLE_THREADED:
        os.environ[name] = "1"
