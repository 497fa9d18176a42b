"""Explanation methods.

To add one: a file in this folder with a function of a :class:`~audit.explain.question.LayerTrace`
that gives one raw map per target, decorated with :func:`~audit.explain.method.method`, which takes
the name, one line that says what it is, the source, the level (what grid it answers on), and its
options. What a method may ask of the model, and of nothing else, is in
:mod:`audit.explain.question`; TensorFlow is not seen here. The contract tests in ``tests/explain``
then cover it.
"""

from audit.explain.method import METHODS, NO_LAYER, Method, Option, chosen_methods
from audit.explain.question import LayerTrace, Question, Subject, Wanted
from audit.explain.score import ClassScore

__all__ = [
    "METHODS", "NO_LAYER", "ClassScore", "LayerTrace", "Method", "Option", "Question", "Subject",
    "Wanted", "chosen_methods",
]  # fmt: skip

METHODS.load(__name__, __path__)
