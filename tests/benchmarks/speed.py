"""Explain against the work nobody can avoid: decoding and resizing, and the bare forward pass.

Run as a script in a process of its own: ``python -m tests.benchmarks.speed CONFIG COUNT``. Each of
the three is measured in turn, several times over, so that a noisy machine troubles all alike.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from audit.stages.runtime import set_threads

set_threads()

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from audit.config.model import Config  # noqa: E402
from audit.models.probe import ModelProbe  # noqa: E402
from audit.models.runtime import start  # noqa: E402
from audit.progress import Progress  # noqa: E402
from audit.stages.explain import explain_shard  # noqa: E402
from audit.stages.index import run_index  # noqa: E402
from audit.stages.inspect import run_inspect  # noqa: E402
from audit.stages.layout import Layout  # noqa: E402
from audit.stages.runtime import thread_count  # noqa: E402
from audit.stages.settings import load_settings, write_settings  # noqa: E402

ROUNDS = 4


def main(config_file: str, count: str) -> None:
    """Print one line: milliseconds per image of each, and the ratio."""
    config = load_settings([config_file])
    start(thread_count(config))
    cv2.setNumThreads(1)
    layout = Layout(Path(config.audit.output or ""))
    write_settings(config, layout.config)
    quiet = Progress("bench", quiet=True)
    run_inspect(config, layout)
    model = json.loads(layout.model.read_text())
    manifest = run_index(config, layout, model, quiet)
    found = {**model, **manifest["mapping"]}
    (shard,) = (s["name"] for s in manifest["shards"])
    paths = sorted(Path(config.dataset.image_paths()[0]).glob("*.jpg"))[: int(count)]
    forward = bare_forward(config)

    probe = ModelProbe(config)

    def explain() -> None:
        explain_shard(config, layout, found, shard, probe, quiet)

    explain()  # compiles, and fills the file cache: start-up, which no image pays for
    rows = []
    for _ in range(ROUNDS):
        parts = (lambda: decode_only(paths, config), lambda: forward(len(paths)), explain)
        rows.append([timed(part) for part in parts])
    decode, bare, ours = np.median(rows, axis=0) * 1000 / len(paths)
    print(
        f"decode+resize {decode:.3f}  forward {bare:.3f}  explain {ours:.3f} ms/image  "
        f"of the bound {(decode + bare) / ours:.3f}  of the forward alone {bare / ours:.3f}"
    )


def decode_only(paths: list[Path], config: Config) -> None:
    """Read, decode and resize, on as many threads as explain takes."""

    def one(path: Path) -> np.ndarray:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        return cv2.resize(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), (224, 224))

    with ThreadPoolExecutor(thread_count(config)) as pool:
        for _ in pool.map(one, paths):
            pass


def bare_forward(config: Config):
    """The compiled model on a batch in memory; takes the number of images."""
    import tensorflow as tf

    from audit.models.loading import load_model

    model = load_model(config.model)
    batch = config.run.batch_size
    size = model.inputs[0].shape[1:]
    function = tf.function(lambda x: model(x, training=False))
    function = function.get_concrete_function(tf.TensorSpec((batch, *size), tf.float32))
    x = tf.constant(np.random.default_rng(0).uniform(-1, 1, (batch, *size)).astype(np.float32))

    def forward(count: int) -> None:
        for _ in range(-(-count // batch)):
            function(x).numpy()

    return forward


def timed(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main(*sys.argv[1:])
