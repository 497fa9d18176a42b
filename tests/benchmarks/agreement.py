"""Do our maps equal those of other packages, on real weights and photographs?

``python -m tests.benchmarks.agreement``: our maps are made here, the peers' in an environment of
their own (that of ``peers.py``, made if need be) by ``agreement_peers.py``; both lie as ``.npz``
files in the folder of the benchmarks. Every pair is either said to be the same, and is to correlate
at least .999 on every image, or the difference is explained: then the peer's formula, put on our own
activations and gradients, has to give the peer's map.

To add a method: an entry in :data:`OURS`, its peers in ``agreement_peers.py``, a row in
:data:`PAIRS`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from tests.benchmarks.__main__ import FOLDER
from tests.benchmarks.data import SHARED
from tests.benchmarks.peers import _environment

COUNT, BATCH, SAME = 10, 32, 0.999
# The layers by which maps are named: "last" is the default one, behind which all is linear, "middle"
# is one at which gradients vary.
PLACES = ("last", "middle")


class Network(NamedTuple):
    """Trained weights below shared/data, the side of their input, and a layer for each place."""

    file: str
    side: int
    layers: tuple[str, ...]

    @property
    def path(self) -> Path:
        return SHARED / "weights" / self.file


NETWORKS = (
    Network("mobilenet_v2_100_224_imagenet.keras", 224, ("conv_35_relu6", "conv_27_relu6")),
    Network("mobilenet_v1_025_128_imagenet.keras", 128, ("conv_14_relu6", "conv_10_relu6")),
)


class Ours(NamedTuple):
    """A method with its options and the score; at the layers, or at the input."""

    method: str
    options: dict[str, Any] = {}
    score: str = "logit"
    places: tuple[str, ...] = PLACES


class Pair(NamedTuple):
    """One of ours and one of a peer's, by their keys; ``why`` they differ, where they do."""

    ours: str
    theirs: str
    why: str = ""


OURS = {
    "gradcam": Ours("gradcam"),
    "gradcam_guided_gate": Ours("gradcam_guided_gate"),
    "gradcam_plus_plus": Ours("gradcam_plus_plus"),
    "layercam": Ours("layercam"),
    "scorecam": Ours(
        "scorecam", {"weights": "increase", "fill": "grey"}, "probability", ("last",)
    ),
}  # fmt: skip
PAIRS = [
    Pair("gradcam", "xplique GradCAM"),
    Pair("gradcam", "tf-keras-vis Gradcam"),
    Pair("gradcam", "tf-explain GradCAM"),
    Pair("gradcam_guided_gate", "tf-explain GradCAM, guided"),
    Pair("gradcam_plus_plus", "xplique GradCAMPP", "it takes the mean of A for its sum"),
    Pair("plus_plus, mean of A", "xplique GradCAMPP"),
    Pair("gradcam_plus_plus", "tf-keras-vis GradcamPlusPlus", "it divides alpha by its sum"),
    Pair("plus_plus, alpha to 1", "tf-keras-vis GradcamPlusPlus"),
    Pair("layercam", "tf-keras-vis Layercam"),
    Pair("scorecam", "tf-keras-vis Scorecam", "its masks are enlarged corner to corner"),
    Pair("scorecam", "tf-keras-vis Scorecam, our masks"),
]


def main() -> int:
    """Print a table for each network; the number of pairs that fail."""
    if not SHARED.is_dir():
        print(f"needs {SHARED.name}, which is not part of a clone")
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    return sum(compare(network) for network in NETWORKS)


def compare(network: Network) -> int:
    print(f"\n{network.file}", flush=True)
    python, files = _environment(FOLDER / "peers"), [FOLDER / f"{n}.npz" for n in ("ours", "peers")]
    pixels = photographs(network.side)
    layers = dict(zip(PLACES, network.layers, strict=True))
    np.savez(FOLDER / "images.npz", pixels=pixels, **layers)
    np.savez(files[0], **our_maps(network, pixels))
    script = Path(__file__).with_name("agreement_peers.py")
    command = [python, script, network.path, FOLDER / "images.npz", files[0], files[1]]
    subprocess.run(list(map(str, command)), check=True)
    return table(*(np.load(f) for f in files))


def photographs(side: int) -> np.ndarray:
    """uint8 (COUNT, side, side, 3) of fruit and kangaroos."""
    paths = sorted((SHARED / "fruit3/test").glob("*.jpg")) + sorted(
        (SHARED / "kangaroo").rglob("*.jpg")
    )
    chosen = paths[:: len(paths) // COUNT][:COUNT]
    found = [cv2.cvtColor(cv2.imread(str(p)), cv2.COLOR_BGR2RGB) for p in chosen]
    return np.stack([cv2.resize(p, (side, side), interpolation=cv2.INTER_AREA) for p in found])


def our_maps(network: Network, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Maps of the most probable class, by "key layer", and which class it is."""
    from audit.config.model import Config
    from audit.models.probe import ModelProbe

    values = {
        "audit": {"name": "x"},
        "model": {"path": str(network.path), "preprocess": "mobilenet_v2"},
        "dataset": {"format": "coco", "annotations": "-", "images": "-"},
        "explain": {"layer": list(network.layers)},
    }
    probe = ModelProbe(Config.model_validate(values))
    batch = np.zeros((BATCH, *pixels.shape[1:]), np.uint8)
    batch[: len(pixels)] = pixels
    forward = probe.forward(batch)
    classes = forward.scores[: len(pixels)].argmax(axis=1)
    maps = {"classes": classes}
    for key, ours in OURS.items():
        maps |= maps_of(key, ours, probe, forward, classes)
    for key, weights in FORMULAS.items():
        maps |= maps_by(key, weights, probe, forward, classes)
    return maps


def question(probe: Any, forward: Any, classes: np.ndarray, score: str = "logit") -> Any:
    from audit.explain import ClassScore, Question, Wanted

    wanted = [Wanted(k, ClassScore((int(c),), score, "softmax")) for k, c in enumerate(classes)]
    return Question(probe, forward, wanted, range(BATCH), 56, 0)


def maps_of(key: str, ours: Ours, probe: Any, forward: Any, classes: np.ndarray) -> dict[str, Any]:
    from audit.explain import METHODS

    method, asked = METHODS.get(ours.method), question(probe, forward, classes, ours.score)
    options = method.settings(ours.options, "options")
    if method.level == "input":
        return {key: method.heatmaps(asked.trace(None), options)}
    return {
        f"{key} {place}": method.heatmaps(asked.trace(PLACES.index(place)), options)
        for place in ours.places
    }


def _mean_of_activations(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Weights of Grad-CAM++ as xplique has them."""
    below = 2 * g**2 + g**3 * a.mean(axis=(0, 1))
    return (g**2 / (below + 1e-4 * (below == 0)) * np.maximum(g, 0)).mean(axis=(0, 1))


def _alphas_to_one(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Weights of Grad-CAM++ as the authors' code and tf-keras-vis have them."""
    below = 2 * g**2 + g**3 * a.sum(axis=(0, 1))
    alpha = g**2 / (below + (g == 0))
    total = alpha.sum(axis=(0, 1))
    return (np.maximum(g, 0) * alpha / (total + (total == 0))).sum(axis=(0, 1))


FORMULAS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "plus_plus, mean of A": _mean_of_activations,
    "plus_plus, alpha to 1": _alphas_to_one,
}


def maps_by(
    key: str, weights: Callable, probe: Any, forward: Any, classes: np.ndarray
) -> dict[str, np.ndarray]:
    """The channels by a peer's weights, on our activations and gradients."""
    asked, maps = question(probe, forward, classes), {}
    for place, name in enumerate(PLACES):
        trace = asked.trace(place)
        pairs = [(a.astype(np.float64), g.astype(np.float64)) for a, g in trace.pairs()]
        maps[f"{key} {name}"] = trace.combined([weights(a, g) for a, g in pairs])
    return maps


def table(ours: Any, theirs: Any) -> int:
    """Print each pair's correlations over the images; the number of pairs that fail."""
    failed = 0
    print(f"{'ours':<24}{'theirs':<35}{'layer':<9}{'least':>7}{'mean':>7}")
    for pair in PAIRS:
        keys = [key for key in theirs.files if key.rpartition(" ")[0] == pair.theirs]
        for key in keys or [None]:
            layer = key.rpartition(" ")[2] if key else "-"
            own = f"{pair.ours} {layer}" if f"{pair.ours} {layer}" in ours.files else pair.ours
            found = correlations(ours[own], theirs[key]) if key else np.array([np.nan])
            wrong = not pair.why and not found.min() >= SAME
            failed += wrong
            note = "FAILED" if wrong else pair.why
            print(
                f"{pair.ours:<24}{pair.theirs:<35}{layer:<9}"
                f"{found.min():7.4f}{found.mean():7.4f}  {note}"
            )
    return failed


def correlations(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Pearson's, one an image; two maps of zeros are the same."""
    found = []
    for one, other in zip(ours, theirs, strict=True):
        if one.any() or other.any():
            found.append(np.corrcoef(one.ravel(), other.ravel())[0, 1])
    return np.array(found)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
