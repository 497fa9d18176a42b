"""Pascal VOC: one XML file per image, as in the VOC challenges and as labelImg writes it."""

from __future__ import annotations

from audit.annotations import AnnotationSource, register_format
from audit.annotations._collect import Collector
from audit.annotations._xml import read_folder
from audit.records import ParsedAnnotations


@register_format(
    "voc",
    summary="Pascal VOC: a folder of XML files, one per image",
    spec="Everingham and Winn, The PASCAL Visual Object Classes Challenge 2012 Development Kit; "
    "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/index.html",
)
def parse(source: AnnotationSource) -> ParsedAnnotations:
    """Read a folder of VOC files (with subfolders), or one file.

    ``xmin .. xmax`` are the first and the last pixel, counted from 1, and become ``xmin - 1 ..
    xmax``. The image is ``<filename>`` below the image root, in the folder that the XML file has
    below the annotations; where it is not there, the image of the same stem, then the one with the
    XML file's own stem. A size of 0 x 0 is unknown. ``difficult``, ``truncated`` and ``occluded``
    are kept; ``<part>`` elements are not objects.
    """
    collector = Collector(source)
    read_folder(collector)
    return collector.finish()
