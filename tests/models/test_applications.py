"""The default layer, the logits and the gradients of the networks on which the rules were tried."""

from dataclasses import dataclass

import numpy as np
import pytest

from audit.models.graph import default_layer, final_activation
from audit.models.preprocess import preprocess
from audit.models.trace import input_shape, trace_model

from .networks import L, keras, tf

BATCH, CLASSES = 2, 7


@dataclass(frozen=True)
class Expected:
    """What the table of explainers.md says of a network at its own input size."""

    prepared: str
    layer: str | None
    """None: numbered by what was built before, or no layer made the tensor."""
    op: str
    shape: tuple[int, int, int]
    input_size: tuple[int, int] | None = None
    """Only where the network leaves it open."""


NETWORKS = {
    "VGG16": Expected("vgg16", "block5_conv3", "Relu", (14, 14, 512)),
    "VGG19": Expected("vgg19", "block5_conv4", "Relu", (14, 14, 512)),
    "ResNet50": Expected("resnet50", "conv5_block3_out", "Relu", (7, 7, 2048)),
    "ResNet50V2": Expected("resnet_v2", "post_relu", "Relu", (7, 7, 2048)),
    "ResNet101V2": Expected("resnet_v2", "post_relu", "Relu", (7, 7, 2048)),
    "InceptionV3": Expected("inception_v3", "mixed10", "ConcatV2", (8, 8, 2048)),
    "Xception": Expected("xception", "block14_sepconv2_act", "Relu", (10, 10, 2048)),
    "DenseNet121": Expected("densenet", "relu", "Relu", (7, 7, 1024)),
    "MobileNet": Expected("mobilenet", "conv_pw_13_relu", "Relu6", (7, 7, 1024)),
    "MobileNetV2": Expected("mobilenet_v2", "out_relu", "Relu6", (7, 7, 1280)),
    "MobileNetV3Small": Expected("mobilenet_v3", None, "Mul", (7, 7, 576), (224, 224)),
    "NASNetMobile": Expected("nasnet", None, "Relu", (7, 7, 1056)),
    "EfficientNetB0": Expected("efficientnet", "top_activation", "IdentityN", (7, 7, 1280)),
    "EfficientNetV2B0": Expected("efficientnet_v2", "top_activation", "IdentityN", (7, 7, 1280)),
    "ConvNeXtTiny": Expected("convnext", None, "AddV2", (7, 7, 768)),
}
QUICK = {"MobileNet"}


def calibrated(model, x):
    """Random weights under which activations neither vanish nor explode.

    Kernels are He's; batch norms are given the statistics of ``x``, layer after layer.
    """
    rng = np.random.default_rng(0)
    flat = list(model._flatten_layers())
    for layer in flat:
        for name in ("kernel", "depthwise_kernel", "pointwise_kernel"):
            weight = getattr(layer, name, None)
            if weight is not None:
                fan_in = np.prod(weight.shape[:2] if "depthwise" in name else weight.shape[:-1])
                scale = np.float32(np.sqrt(2 / fan_in))
                weight.assign(rng.standard_normal(weight.shape, np.float32) * scale)
    norms = [layer for layer in flat if isinstance(layer, L.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    if norms:
        model(x, training=True)
    return model


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS]
)
def test_layer_logits_and_gradients(name):
    expected = NETWORKS[name]
    keras.backend.clear_session()
    model = getattr(keras.applications, name)(weights=None, classes=CLASSES)
    size = input_shape(model, expected.input_size)
    prepare = lambda x: preprocess(x, expected.prepared)  # noqa: E731
    pixels = np.random.default_rng(1).integers(0, 256, (BATCH, *size), np.uint8)
    calibrated(model, prepare(tf.constant(pixels, tf.float32)))

    trace = trace_model(model, BATCH, size, prepare)
    activation, logits = final_activation(trace.output)
    layer, _ = default_layer(logits, trace.pixels, BATCH)
    assert (activation, logits.shape.as_list()) == ("softmax", [BATCH, CLASSES])
    assert (layer.op.type, tuple(layer.shape[1:])) == (expected.op, expected.shape)
    assert expected.layer in (None, trace.path_of(layer))

    with trace.function.graph.as_default():
        (gradient,) = tf.gradients(logits[:, 3], layer)
    values = trace.callable([trace.pixels], [logits, trace.output, layer, gradient])
    found, probabilities, at, gradient = (v.numpy() for v in values(tf.constant(pixels)))
    np.testing.assert_allclose(tf.nn.softmax(found), probabilities, rtol=1e-4, atol=1e-6)
    assert np.isfinite(at).all() and at.std() > 1e-3
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient).max(axis=(1, 2, 3)) > 1e-9).all()
    keras.backend.clear_session()
