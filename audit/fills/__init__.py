"""Fills: what is put in the place of a part of an image, to see what the model answers without it.

How to add a fill
-----------------
Write one file here with a function behind :func:`audit.fills.fill`::

    @fill("grey", "middle grey", "Zeiler and Fergus 2014, ECCV", kind="colour")
    def grey(pixels, region, donor):
        return np.full_like(pixels, 128)

It takes uint8 (h, w, C) pixels of the model's input without padding, the bool (h, w) region to be
filled, and the donor image where the fill asks for one; it gives uint8 of the pixels' shape, of
which the region alone is used. It must not let anything of the removed part through but what the
whole image says, must change nothing that it is given, and must give the same bytes each time. The
contract tests (``tests/fills``) run over the registry. No fill is neutral: each puts the image off
what the model was trained on, in its own way, so that results are told fill by fill and a fill has
to prove itself on controls (:mod:`audit.statistics.confirmation`).
"""

from audit.fills.base import FILLS, Donor, Fill, Picture, fill, fill_region

FILLS.load(__name__, list(__path__))

from audit.fills.regions import control_boxes, touched  # noqa: E402

__all__ = [
    "FILLS", "Donor", "Fill", "Picture", "control_boxes", "fill", "fill_region", "touched",
]  # fmt: skip
