"""The gate: a policy, held against the tables of a run.

Pure functions on rows of ``per_class.csv``, as text by column: nothing here reads a file, so that the
gate answers at once. :func:`evaluate` makes the checks, :func:`apply_waivers` settles them for a day,
:func:`verdict_of` puts them together and :func:`junit` writes them for a build server.

A check ends in one of five states. ``pass`` and ``fail``; ``warn``: it does not hold, and the policy
says that this is no failure; ``not_observed``: its figure is not known, which is never a pass;
``waived``: it would fail, and somebody answers for it until a day.
"""

from .baseline import Setting, differences
from .checks import Check, evaluate
from .figures import Figure, Report, Row
from .junit import junit
from .verdict import VERDICT_VERSION, Verdict, verdict_of
from .waivers import apply_waivers

__all__ = [
    "VERDICT_VERSION", "Check", "Figure", "Report", "Row", "Setting", "Verdict", "apply_waivers",
    "differences", "evaluate", "junit", "verdict_of",
]  # fmt: skip
