"""Explanation methods.

To add one: a file in this folder with a function of a :class:`~audit.explain.method.LayerTrace`
that gives heatmaps, decorated with :func:`~audit.explain.method.method`, which takes the name, one
line that says what it is, the source, and what the method needs of the model. The contract tests in
``tests/explain`` then cover it.
"""

from audit.explain.method import METHODS, LayerTrace, Method

__all__ = ["METHODS", "LayerTrace", "Method"]

METHODS.load(__name__, __path__)
