"""The background of another image."""

from __future__ import annotations

import numpy as np

from audit.fills.base import Donor, fill
from audit.fills.inpaint import inpainted

SOURCE = (
    "Xiao et al. 2021, Noise or Signal: The Role of Image Backgrounds in Object Recognition, ICLR "
    "(mixed-rand and mixed-same)"
)


@fill(
    "donor",
    "the background of an image of another class, at the same place",
    SOURCE,
    kind="content",
    donor="other",
)
def donor(pixels: np.ndarray, region: np.ndarray, donor: Donor | None) -> np.ndarray:
    """The donor's pixels, its own objects inpainted first."""
    return background(donor)


@fill(
    "donor_same",
    "the background of another image of the class, at the same place",
    SOURCE,
    kind="content",
    donor="same",
)
def donor_same(pixels: np.ndarray, region: np.ndarray, donor: Donor | None) -> np.ndarray:
    """As :func:`donor`; what a class's pictures have in common around the object stays."""
    return background(donor)


def background(given: Donor) -> np.ndarray:
    """uint8 (h, w, C): a donor without its objects."""
    return inpainted(given.pixels, given.objects)
