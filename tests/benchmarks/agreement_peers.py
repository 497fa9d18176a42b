"""The peers' maps for ``agreement.py``; runs in their environment, without ours.

``python agreement_peers.py MODEL IMAGES CLASSES OUT``: three ``.npz`` files of arrays.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


class Case:
    """A model that ends in logits, preprocessed images, their classes, and a layer."""

    def __init__(self, model: Any, images: np.ndarray, classes: np.ndarray, layer: str) -> None:
        self.model, self.images, self.classes, self.layer = model, images, classes, layer


def xplique_maps(case: Case) -> dict[str, np.ndarray]:
    """On the layer's own grid: before its enlargement, which is bicubic."""
    from xplique.attributions import GradCAM, GradCAMPP

    targets, maps = np.eye(1000, dtype=np.float32)[case.classes], {}
    for name, kind in (("xplique GradCAM", GradCAM), ("xplique GradCAMPP", GradCAMPP)):
        own = kind(case.model, conv_layer=case.layer)
        features, gradients = own._gradient(case.images, targets)
        maps[name] = np.array(
            own._apply_weights(own._compute_weights(gradients, features), features)
        )
    return maps


def tf_keras_vis_maps(case: Case) -> dict[str, np.ndarray]:
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
    from tf_keras_vis.layercam import Layercam
    from tf_keras_vis.utils.scores import CategoricalScore

    return {
        f"tf-keras-vis {kind.__name__}": np.array(
            kind(case.model, clone=False)(
                CategoricalScore(case.classes.tolist()), case.images, penultimate_layer=case.layer,
                seek_penultimate_conv_layer=False, expand_cam=False, normalize_cam=False,
            )
        )
        for kind in (Gradcam, GradcamPlusPlus, Layercam)
    }  # fmt: skip


def tf_keras_vis_scorecam(case: Case) -> dict[str, np.ndarray]:
    """As it is, and with masks that are enlarged as ours are."""
    from tf_keras_vis import scorecam

    maps = {"tf-keras-vis Scorecam": _scorecam(case)}
    scorecam.zoom = _half_pixel_zoom
    return maps | {"tf-keras-vis Scorecam, our masks": _scorecam(case)}


def _scorecam(case: Case) -> np.ndarray:
    from tf_keras_vis.scorecam import Scorecam
    from tf_keras_vis.utils.scores import CategoricalScore

    own, found = Scorecam(case.model, clone=False), []
    for image, label in zip(case.images, case.classes, strict=True):  # memory: 1,280 masks each
        found += list(
            own(
                CategoricalScore([int(label)]), image[None], penultimate_layer=case.layer,
                seek_penultimate_conv_layer=False, expand_cam=False, normalize_cam=False,
            )
        )  # fmt: skip
    return np.array(found)


def _half_pixel_zoom(values: Any, factors: Any, order: int, mode: str) -> np.ndarray:
    """In the place of scipy's zoom: (1, h, w, C) by the factors, bilinear, half-pixel centres."""
    import tensorflow as tf

    size = [round(n * f) for n, f in zip(values.shape[1:3], factors[1:3], strict=True)]
    return tf.image.resize(values, size, "bilinear").numpy()


def tf_explain_maps(case: Case) -> dict[str, np.ndarray]:
    """Before its display, which is what it is made for; the positive part."""
    from tf_explain.core.grad_cam import GradCAM

    maps = {}
    for name, guided in (("tf-explain GradCAM", False), ("tf-explain GradCAM, guided", True)):
        found = []
        for image, label in zip(case.images, case.classes, strict=True):
            parts = GradCAM.get_gradients_and_filters(
                case.model, image[None], case.layer, int(label), guided
            )
            (own,) = GradCAM.generate_ponderated_output(*parts)
            found.append(np.maximum(own, 0))
        maps[name] = np.array(found)
    return maps


AT_LAYERS = [xplique_maps, tf_keras_vis_maps, tf_explain_maps]
# At the last layer alone: a pass for each channel and image.
SLOW = [tf_keras_vis_scorecam]


def main(model: str, images: str, ours: str, out: str) -> None:
    import keras

    keras.utils.disable_interactive_logging()
    given, classes = np.load(images), np.load(ours)["classes"]
    whole = keras.saving.load_model(model, compile=False)
    logits = keras.Model(whole.inputs, whole.get_layer("logits").output)
    pixels = given["pixels"].astype(np.float32) / 127.5 - 1
    maps = {}
    for name in ("last", "middle"):
        case = Case(logits, pixels, classes, str(given[name]))
        for function in AT_LAYERS + SLOW * (name == "last"):
            print(function.__name__, name, flush=True)
            maps |= {f"{key} {name}": found for key, found in function(case).items()}
    np.savez(out, **maps)


if __name__ == "__main__":
    main(*sys.argv[1:])
