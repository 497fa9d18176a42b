"""Guided backpropagation and deconvnet written from their papers, on the eager model itself."""

from __future__ import annotations

from contextlib import contextmanager

from .networks import keras, tf


def ruled(function, rule):
    """An activation whose way back follows the rule, whatever its own derivative."""

    @tf.custom_gradient
    def activation(x):
        def back(g):
            zero = tf.zeros_like(g)
            if rule == "guided":
                return tf.where((x > 0) & (g > 0), g, zero)
            return tf.where(g > 0, g, zero)

        return function(x), back

    return activation


@contextmanager
def twin(model, rule):
    """While it lasts, every ReLU of ``model`` and of the models in it goes back by ``rule``."""
    layers = [layer for layer in model._flatten_layers() if _relu_of(layer)]
    assert layers or rule == "plain"
    own = [(layer, getattr(layer, "activation", None)) for layer in layers]
    try:
        for layer in layers if rule != "plain" else ():
            if isinstance(layer, keras.layers.ReLU):
                object.__setattr__(layer, "call", ruled(tf.nn.relu, rule))
            else:
                layer.activation = ruled(tf.nn.relu, rule)
        yield
    finally:
        for layer, activation in own:
            if isinstance(layer, keras.layers.ReLU):
                vars(layer).pop("call", None)
            else:
                layer.activation = activation


def _relu_of(layer):
    relu = keras.activations.relu
    return isinstance(layer, keras.layers.ReLU) or getattr(layer, "activation", None) is relu
