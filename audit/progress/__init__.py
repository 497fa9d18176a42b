"""Progress of long work: one line that renews itself on a terminal, plain lines elsewhere, JSON on
request.

``Progress`` is what a stage counts with; ``Event`` is one thing that is told, as text or as JSON;
``Screen`` brings events to standard error; ``Meter`` makes rates of counts.
"""

from audit.progress.counter import Progress
from audit.progress.events import Event, read_event, wants_json
from audit.progress.meter import Meter, duration, plain_interval
from audit.progress.screen import Screen

__all__ = [
    "Event",
    "Meter",
    "Progress",
    "Screen",
    "duration",
    "plain_interval",
    "read_event",
    "wants_json",
]
