"""Rules of the way back through rectifiers: against the papers, and what they leave alone."""

import numpy as np
import pytest

from audit.errors import AuditError
from audit.models.rules import ATTRIBUTE, RULES, gradient_rule, rectifiers
from audit.models.trace import trace_model

from .networks import BATCH, SIZE, L, conv, dense, images, keras, tf
from .ruled import ruled

ACTIVATIONS = {
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "leaky": lambda x: tf.nn.leaky_relu(x, 0.3),
    "elu": tf.nn.elu,
    "selu": tf.nn.selu,
    "silu": tf.nn.silu,
}
every_rule = pytest.mark.parametrize("rule", RULES)


def model_of(activation, dtype=None):
    """Convolution, activation, convolution, activation, head; the activation is a layer's call."""

    class Activation(L.Layer):
        def call(self, x):
            return activation(x)

    x = keras.Input(SIZE)
    a = Activation(name="first", dtype=dtype)(conv(activation=None, strides=2)(x))
    a = Activation(name="second", dtype=dtype)(conv(activation=None)(a))
    return keras.Model(x, dense(4)(L.GlobalAveragePooling2D()(a)))


def traced(model):
    return trace_model(model, BATCH, SIZE, lambda x: x / 255)


def pixels():
    return tf.constant(images(seed=5), tf.float32)


def by_graph(trace, rule, x=None):
    with trace.function.graph.as_default(), gradient_rule(trace, rule):
        (gradient,) = tf.gradients(trace.output[:, 1], trace.floats)
    return trace.callable([trace.floats], [gradient])(pixels() if x is None else x)[0].numpy()


def by_tape(model):
    x = pixels()
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x / 255, training=False)[:, 1]
    return tape.gradient(y, x).numpy()


def same(found, expected):
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@every_rule
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_against_the_papers(name, rule):
    function = ACTIVATIONS[name]
    model = model_of(function)
    twin = model_of(ruled(function, rule))
    twin.set_weights(model.get_weights())
    trace = traced(model)
    replaced, others = rectifiers(trace)
    assert len(replaced) == 2 and not others
    expected = by_tape(twin)
    same(by_graph(trace, rule), expected)
    assert np.abs(by_tape(model) - expected).max() > 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["relu", "silu"])
def test_one_graph_takes_gradients_by_several_rules(name):
    """Nothing of a rule stays: neither in the graph nor in what TensorFlow keeps."""
    model = model_of(ACTIVATIONS[name])
    trace = traced(model)
    first = {rule: by_graph(trace, rule) for rule in ("plain", *RULES)}
    for rule in ("deconv", "plain", "guided", "plain"):
        np.testing.assert_array_equal(by_graph(trace, rule), first[rule])
    same(first["plain"], by_tape(model))
    assert not (first["guided"] == first["plain"]).all()


def attributes(trace):
    found = {}
    for op in trace.function.graph.get_operations():
        try:
            found[op.name] = op.get_attr(ATTRIBUTE)
        except ValueError:
            found[op.name] = None
    return found


@pytest.mark.parametrize("name", ["relu", "silu"])
def test_the_graph_is_as_it_was_even_after_a_fault(name):
    trace = traced(model_of(ACTIVATIONS[name]))
    before = attributes(trace)
    with pytest.raises(KeyboardInterrupt), gradient_rule(trace, "guided"):
        assert attributes(trace) != before
        raise KeyboardInterrupt
    assert attributes(trace) == before


@every_rule
def test_a_broken_gradient_stays_broken(rule):
    trace = traced(model_of(tf.nn.relu))
    x = pixels().numpy()
    x[1] = np.nan
    found = by_graph(trace, rule, tf.constant(x))
    assert np.isfinite(found[0]).all() and found[0].any()
    # Of broken pixels nothing is positive; what is asked is that nobody takes it for a map.
    with trace.function.graph.as_default(), gradient_rule(trace, rule):
        ones = tf.fill([BATCH], np.float32(np.nan))
        (gradient,) = tf.gradients(trace.output[:, 1], trace.floats, grad_ys=ones)
    assert np.isnan(trace.callable([trace.floats], [gradient])(pixels())[0].numpy()).any()


@every_rule
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(rule, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = model_of(tf.nn.relu)
        twin = model_of(ruled(tf.nn.relu, rule))
    finally:
        keras.config.set_dtype_policy("float32")
    twin.set_weights(model.get_weights())
    found, expected = by_graph(traced(model), rule), by_tape(twin)
    assert found.dtype == np.float32
    error = 0.01 if policy == "mixed_float16" else 0.1
    np.testing.assert_allclose(found, expected, atol=error * np.abs(expected).max())


def test_a_hard_swish_is_left_alone():
    trace = traced(model_of(keras.activations.hard_silu))
    replaced, others = rectifiers(trace)
    assert (len(replaced), others) == (0, {"Relu6 of gates": 2})
    same(by_graph(trace, "guided"), by_graph(trace, "plain"))


@every_rule
@pytest.mark.parametrize(
    "gate",
    [
        keras.activations.hard_sigmoid,
        # As keras.applications' MobileNetV3 writes it.
        lambda x: L.ReLU(6.0)(x + 3.0) * (1.0 / 6.0),
        keras.activations.sigmoid,
    ],
)
def test_the_gate_of_squeeze_and_excite_is_left_alone(gate, rule):
    def build(relu, gate):
        keras.utils.set_random_seed(1)
        x = keras.Input(SIZE)
        a = conv(activation=relu, strides=2)(x)
        b = L.Multiply()([a, gate(L.Conv2D(5, 3, padding="same")(a))])
        return keras.Model(x, dense(4)(L.GlobalAveragePooling2D()(b)))

    model, twin = build("relu", gate), build(ruled(tf.nn.relu, rule), gate)
    trace = traced(model)
    replaced, others = rectifiers(trace)
    assert [op.type for op in replaced] == ["Relu"]
    assert others == ({} if gate is keras.activations.sigmoid else {"Relu6 of gates": 1})
    same(by_graph(trace, rule), by_tape(twin))


@pytest.mark.parametrize(
    ("activation", "told"),
    [
        (keras.activations.gelu, {"Erfc": 2}),
        (lambda x: keras.activations.gelu(x, approximate=True), {"Tanh": 2}),
        (keras.activations.tanh, {"Tanh": 2}),
        (keras.activations.softplus, {"Softplus": 2}),
        (keras.activations.mish, {"Softplus": 2, "Tanh": 2}),
        (lambda x: x * tf.sigmoid(x), {"Sigmoid times its input": 2}),
        (lambda x: x, {}),
    ],
)
def test_what_cannot_be_replaced_is_named(activation, told):
    assert rectifiers(traced(model_of(activation))) == ([], told)


def test_the_negative_side_of_a_prelu_is_named():
    x = keras.Input(SIZE)
    model = keras.Model(x, dense(4)(L.Flatten()(L.PReLU()(conv(activation=None)(x)))))
    replaced, others = rectifiers(traced(model))
    assert [op.type for op in replaced] == ["Relu"]
    assert others == {"Relu of a PReLU's negative side": 1}


def test_only_what_lies_between_the_image_and_the_scores_counts():
    class Aside(L.Layer):
        """Adds a number that no pixel reaches, and works out one that reaches no score."""

        def call(self, x):
            tf.nn.relu(x)
            return x + tf.nn.relu(tf.constant([0.5]))

    x = keras.Input(SIZE)
    model = keras.Model(x, dense(4)(L.GlobalAveragePooling2D()(Aside()(conv()(x)))))
    trace = traced(model)
    assert sum(op.type == "Relu" for op in trace.function.graph.get_operations()) == 3
    (replaced,), _ = rectifiers(trace)
    assert replaced.inputs[0].op.type == "BiasAdd"


@every_rule
@pytest.mark.parametrize("deep", [False, True])
def test_rectifiers_out_of_reach_are_refused(rule, deep):
    function = tf.function(lambda x: tf.nn.relu(x))
    trace = traced(model_of(tf.function(lambda x: function(x)) if deep else function))
    with pytest.raises(AuditError, match="inside a function that the model calls: 2 Relu"):
        by_graph(trace, rule)
    assert by_graph(trace, "plain").any()


def test_a_loop_with_rectifiers_is_refused_and_one_without_is_not():
    def loop(function):
        return lambda x: tf.while_loop(
            lambda k, a: k < 2, lambda k, a: (k + 1, function(a)), (0, x)
        )[1]

    with pytest.raises(AuditError, match="Relu"):
        rectifiers(traced(model_of(loop(tf.nn.relu))))
    assert rectifiers(traced(model_of(loop(tf.tanh))))[0] == []
