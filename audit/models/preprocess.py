"""From pixels in 0-255 to what the model was trained on, as part of the traced graph."""

from __future__ import annotations

from typing import Any

from audit.config.model import CustomPreprocess
from audit.models.runtime import tensorflow


def preprocess(x: Any, how: str | CustomPreprocess) -> Any:
    """Apply the named preprocessing to float32 RGB pixels (B, H, W, C) in 0-255.

    A keras.applications name calls that family's own ``preprocess_input``, which for some families
    (EfficientNet, ConvNeXt, MobileNetV3) does nothing, since the model holds it.
    """
    if isinstance(how, CustomPreprocess):
        return _custom(x, how)
    if how == "none":
        return x
    if how == "scale_0_1":
        return x / 255.0
    if how == "scale_minus1_1":
        return x / 127.5 - 1.0
    tensorflow()
    import keras

    return getattr(keras.applications, how).preprocess_input(x)


def _custom(x: Any, how: CustomPreprocess) -> Any:
    tf = tensorflow()
    if how.channel_order == "bgr":
        x = x[..., ::-1]
    mean, std = tf.constant(how.mean, x.dtype), tf.constant(how.std, x.dtype)
    return (x / how.scale - mean) / std
