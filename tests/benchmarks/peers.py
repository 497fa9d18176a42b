"""Grad-CAM of other packages on the same model and images, each in its own environment.

``compare`` makes the environment; the rest of this file runs inside of it, as
``python peers.py PACKAGE MODEL IMAGES CLASSES``, and inside of ours for ``focus-audit``.
"""

from __future__ import annotations

import subprocess
import sys
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

PACKAGES = ["xplique", "tf-explain", "tf-keras-vis", "opencv-python-headless"]
LAYER, BATCH, ROUNDS = "conv_35_relu6", 32, 3
# Images that each is given: about ten seconds' work.
COUNTS = {"focus-audit": 640, "xplique": 640, "tf-keras-vis": 128, "tf-explain": 64}


def compare(folder: Path, model: Path) -> None:
    """Make the environment once, then time all packages in turn, ``ROUNDS`` times over."""
    python = _environment(folder / "peers")
    for each in (1, 5):
        print(f"classes explained in each image: {each}")
        rates: dict[str, list[float]] = {name: [] for name in COUNTS}
        for _ in range(ROUNDS):
            for name, count in COUNTS.items():
                # Ours costs as much for five classes as for one.
                images = count if name == "focus-audit" else max(BATCH, count // each)
                rate = _rate(name, python, model, images, each)
                rates[name] += [] if rate is None else [rate]
        ours = np.median(rates["focus-audit"])
        for name, found in rates.items():
            if found:
                rate = np.median(found)
                print(f"{name:<13} {rate:7.1f} images/s   ours is {ours / rate:.1f} times as fast")


def _rate(name: str, python: Path, model: Path, count: int, each: int) -> float | None:
    own = sys.executable if name == "focus-audit" else str(python)
    command = [own, str(Path(__file__).resolve()), name, str(model), str(count), str(each)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return float(done.stdout.split()[-1])
    print(f"{name}: failed: {done.stderr.strip().splitlines()[-1]}")
    return None


def _environment(folder: Path) -> Path:
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES]
        subprocess.run(command, check=True)
        # A dependency brings the build that needs libGL; only one of the two may be there.
        pip = [str(python), "-m", "pip"]
        subprocess.run([*pip, "uninstall", "--quiet", "--yes", "opencv-python"], check=True)
        again = ["install", "--quiet", "--force-reinstall", "--no-deps", "opencv-python-headless"]
        subprocess.run([*pip, *again], check=True)
    return python


def focus_audit(path: str, images: np.ndarray, classes: np.ndarray) -> float:
    from audit.config.model import Config
    from audit.explain import METHODS, ClassScore, Question, Wanted
    from audit.models.probe import ModelProbe
    from audit.models.runtime import SIDE_BY_SIDE, start
    from audit.stages.runtime import thread_count

    nothing = {"format": "coco", "annotations": "-", "images": "-"}
    model = {"path": path, "preprocess": "mobilenet_v2"}
    config = Config.model_validate({"audit": {"name": "x"}, "model": model, "dataset": nothing})
    start(thread_count(config))
    probe = ModelProbe(config)
    pixels = np.uint8((images + 1) * 127.5)

    def run(batch: slice) -> None:
        wanted = [
            Wanted(row, ClassScore((int(output),), "logit", "softmax"))
            for row, outputs in enumerate(classes[batch])
            for output in outputs
        ]
        question = Question(probe, probe.forward(pixels[batch]), wanted, range(BATCH), 56, 0)
        METHODS.get("gradcam").heatmaps(question.trace(0))

    return timed(run, len(images), SIDE_BY_SIDE)  # as the explain stage does


def xplique(path: str, images: np.ndarray, classes: np.ndarray) -> float:
    from xplique.attributions import GradCAM

    explainer = GradCAM(_keras_model(path), batch_size=BATCH, conv_layer=LAYER)
    targets = np.eye(1000, dtype=np.float32)[classes]

    def run(batch: slice) -> None:
        for k in range(classes.shape[1]):
            explainer(images[batch], targets[batch, k])

    return timed(run, len(images))


def tf_keras_vis(path: str, images: np.ndarray, classes: np.ndarray) -> float:
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
    from tf_keras_vis.utils.scores import CategoricalScore

    explainer = Gradcam(_keras_model(path), model_modifier=ReplaceToLinear(), clone=False)

    def run(batch: slice) -> None:
        for outputs in classes[batch].T:
            explainer(CategoricalScore(outputs.tolist()), images[batch], penultimate_layer=LAYER)

    return timed(run, len(images))


def tf_explain(path: str, images: np.ndarray, classes: np.ndarray) -> float:
    from tf_explain.core.grad_cam import GradCAM

    model, explainer = _keras_model(path), GradCAM()

    def run(batch: slice) -> None:  # one class a call: each image's own class is a call of its own
        for image, outputs in zip(images[batch], classes[batch], strict=True):
            for output in outputs:
                explainer.explain((image[None], None), model, int(output), layer_name=LAYER)

    return timed(run, len(images))


def _keras_model(path: str):
    import keras

    return keras.saving.load_model(path, compile=False)


def timed(run, count: int, at_once: int = 1) -> float:
    """Images per second over full batches, so many under way at once, after one not counted."""
    batches = [slice(k, k + BATCH) for k in range(0, count, BATCH)]
    run(batches[0])
    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(run, batches))
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    name, path, count, each = sys.argv[1:]
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (int(count), 224, 224, 3)).astype(np.float32)
    classes = rng.integers(0, 1000, (int(count), int(each)))
    functions = {
        "focus-audit": focus_audit,
        "xplique": xplique,
        "tf-keras-vis": tf_keras_vis,
        "tf-explain": tf_explain,
    }
    print(functions[name](path, images, classes))
