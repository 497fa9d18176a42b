"""The image's mean colour."""

from __future__ import annotations

import numpy as np

from audit.fills.base import Donor, fill


@fill(
    "mean",
    "the mean colour of the whole image",
    "Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks, ECCV (grey "
    "patch); Petsiuk et al. 2018, RISE, BMVC (deletion)",
    kind="colour",
)
def mean(pixels: np.ndarray, region: np.ndarray, donor: Donor | None) -> np.ndarray:
    """One colour, rounded: the mean over all that is visible of this image.

    Not over what is kept or over what is removed: so it is the same colour whether the object or
    its background goes, and neither of the two looks more like the other than before.
    """
    colour = pixels.mean(axis=(0, 1), dtype=np.float64)
    return np.broadcast_to(np.rint(colour).astype(np.uint8), pixels.shape)
