"""Everything that touches TensorFlow: loading a model, tracing it, finding its layers, running it.

The other rooms see a :class:`~audit.models.probe.ModelProbe`, which takes and gives NumPy arrays.
TensorFlow is imported inside functions of :mod:`runtime`, so that importing this package is cheap.
"""
