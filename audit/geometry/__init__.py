"""Where things lie: boxes, the frame between an original image and a model's input, pixel masks.

All coordinates are absolute pixels of the upright original image (the caller has applied EXIF)
unless a name says ``input``; boxes are xyxy and half-open, as drawn in :mod:`audit.records`. A
pixel belongs to a region when its centre does. Arrays of boxes are (n, 4) float64.
"""

from audit.geometry.boxes import (
    box_array,
    box_ious,
    clip_box,
    clip_boxes,
    inside_any,
    nearest_distance,
    pixel_ranges,
    point_box_distance,
)
from audit.geometry.frames import (
    RESIZE_MODES,
    Placement,
    Window,
    box_to_input,
    box_to_original,
    canvas_window,
    frame_of,
    make_frame,
    normalised_to_original,
    placement,
    visible_box,
    visible_window,
)
from audit.geometry.masks import Tiling, box_mask, dilated_counts, tile

__all__ = [
    "RESIZE_MODES",
    "Placement",
    "Tiling",
    "Window",
    "box_array",
    "box_ious",
    "box_mask",
    "box_to_input",
    "box_to_original",
    "canvas_window",
    "clip_box",
    "clip_boxes",
    "dilated_counts",
    "frame_of",
    "inside_any",
    "make_frame",
    "nearest_distance",
    "normalised_to_original",
    "pixel_ranges",
    "placement",
    "point_box_distance",
    "tile",
    "visible_box",
    "visible_window",
]
