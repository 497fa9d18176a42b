"""SavedModel folders: the same maps as their source, and nothing that could leave the model."""

import os

import numpy as np
import pytest

from audit.errors import AuditError
from audit.models.graph import default_layer, final_activation
from audit.models.inputs import inputs_of
from audit.models.loading import load_model
from audit.models.operations import ALLOWED, READS_CHECKPOINT, WRITES_CHECKPOINT
from audit.models.probe import ModelProbe
from audit.models.saved_model import inlined
from audit.models.trace import input_shape, trace_model

from .networks import BATCH, NETWORKS, SIZE, L, config, conv, dense, images, keras, tf


def export(model, path):
    model.export(path, verbose=False)


def save(model, path):
    tf.saved_model.save(model, str(path))


def answers(path, **keys):
    """(layer path, scores, probabilities, mean gradients) of every class of every image."""
    probe = ModelProbe(config(path, **keys))
    n = probe.facts.n_outputs
    forward = probe.forward(images())
    rows, seeds = np.repeat(np.arange(BATCH), n), np.tile(np.eye(n, dtype=np.float32), (BATCH, 1))
    gradients = probe.mean_gradients(forward, 0, rows, seeds)
    activations = probe.activations(forward, 0)
    maps = np.maximum(np.einsum("phwc,pc->phw", activations[rows], gradients), 0)
    return probe.facts.layers[0].path, forward.scores, forward.probabilities, gradients, maps


def assert_same(found, expected):
    assert found[0] == expected[0]
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * np.abs(other).max() + 1e-30)
    assert np.abs(expected[-1]).max() > 0


def silu():
    x = keras.Input(SIZE)
    tensor = L.Activation("silu", name="act")(conv("top", activation=None, strides=2)(x))
    for activation in ("gelu", "hard_silu"):
        tensor = conv(filters=6, activation=activation)(tensor)
    pooled = L.GlobalAveragePooling2D()(tensor)
    return keras.Model(x, dense(4, "softmax")(pooled))


# tf.saved_model.save writes down the batch that happened to build a class of a user's own.
PAIRS = [(n, s) for n in [*NETWORKS, "silu"] for s in (export, save)]
PAIRS.remove(("transfer", save))


@pytest.mark.parametrize(("name", "saved"), PAIRS)
def test_a_folder_gives_what_its_source_gives(name, saved, tmp_path, network):
    """The layer has the same name, too, so that a config can be kept."""
    keys = {}
    if name == "silu":
        model, source = silu(), tmp_path / "m.keras"
        model.save(source)
    else:
        made, source = network(name)
        model = made.model
        keys = {"explain__layer": made.layer} if made.explicit else {}
    saved(model, tmp_path / "folder")
    assert_same(answers(tmp_path / "folder", **keys), answers(source, **keys))


@pytest.mark.parametrize("name", ["nested", "batch_norm", "skip", "shared", "transfer"])
def test_layers_have_the_names_that_keras_gave(name, tmp_path, network):
    made, source = network(name)
    export(made.model, tmp_path / "folder")
    found, expected = traced(tmp_path / "folder").layers, traced(source).layers
    # A layer that is held in two places has one name here; one that is called twice has two.
    wanted = {p for p, t in expected.items() if t.op.type != "Placeholder"}
    wanted -= {"top"} if name == "transfer" else set()
    assert set(found) == wanted | ({"twice_1"} if name == "shared" else set())
    for path in wanted:
        assert (found[path].op.type, found[path].shape) == (
            expected[path].op.type,
            expected[path].shape,
        )


def traced(path, batch=BATCH, **keys):
    section = config(path, **keys).model
    model = load_model(section)
    return trace_model(model, batch, input_shape(model, section.input_size), lambda x: x)


# --- signatures ---------------------------------------------------------------------------------


class Served(tf.Module):
    """A hand-made model: an image, and what a test adds to it."""

    def __init__(self, body=None):
        super().__init__()
        self.kernel = tf.Variable(tf.random.stateless_normal((3, 3, 3, 5), (1, 2)))
        self.head = tf.Variable(tf.random.stateless_normal((5, 4), (3, 4)))
        self.body = body or (lambda x: x)

    def scores(self, x):
        x = tf.nn.relu(tf.nn.conv2d(self.body(x), self.kernel, 1, "SAME"))
        return tf.nn.softmax(tf.reduce_mean(x, [1, 2]) @ self.head)

    def keep(self, path, *specs, call=None, names=("serving_default",)):
        specs = specs or (tf.TensorSpec((None, *SIZE), tf.float32, "image"),)
        function = tf.function(call or self.scores, input_signature=specs)
        tf.saved_model.save(self, str(path), signatures=dict.fromkeys(names, function))
        return path


def fault(path, **keys):
    with pytest.raises(AuditError) as caught:
        load_model(config(path, **keys).model)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_signatures_are_chosen_by_name(tmp_path):
    one = Served().keep(tmp_path / "one", names=["only"])
    assert load_model(config(one).model).signature is not None
    two = Served().keep(tmp_path / "two", names=["a", "b"])
    assert fault(two).endswith(
        "has 2 signatures and none is called serving_default; name one by model.signature: a, b"
    )
    assert load_model(config(two, model__signature="b").model).signature is not None
    line = fault(two, model__signature="bb")
    assert line == "model.signature: no signature 'bb'; did you mean 'b'?"
    bare = tmp_path / "bare"
    tf.saved_model.save(tf.Module(), str(bare))
    assert "has no serving signature" in fault(bare)


def test_a_batch_size_of_the_signature_s_own(tmp_path):
    fixed = tf.TensorSpec((3, *SIZE), tf.float32, "image")
    path = Served().keep(tmp_path / "m", fixed)
    assert traced(path, batch=3).output.shape == (3, 4)
    with pytest.raises(AuditError, match="takes batches of 3 only; .* set run.batch_size: 3"):
        traced(path)
    one = Served().keep(tmp_path / "one", tf.TensorSpec((1, *SIZE), tf.float32))
    with pytest.raises(AuditError, match="takes batches of 1 only; .* an open batch axis"):
        traced(one)


def test_sizes_are_those_of_the_signature(tmp_path):
    path = Served().keep(tmp_path / "open", tf.TensorSpec((None, None, None, 3), tf.float32))
    with pytest.raises(AuditError, match="leaves its input size open"):
        traced(path)
    assert traced(path, model__input_size=[8, 9]).pixels.shape == (BATCH, 8, 9, 3)
    path = Served(lambda x: tf.ensure_shape(x, (None, *SIZE))).keep(
        tmp_path / "unknown", tf.TensorSpec(None, tf.float32)
    )
    with pytest.raises(AuditError, match="input is no image; expected shape"):
        traced(path)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "float64"])
def test_numbers_of_other_types(dtype, tmp_path):
    model = Served(lambda x: tf.cast(x, tf.float32) / 255)
    path = model.keep(tmp_path / "m", tf.TensorSpec((None, *SIZE), dtype, "image"))
    found = ModelProbe(config(path, model__preprocess="none")).forward(images())
    expected = model.scores(images().astype(np.float32)).numpy()
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-3)
    if dtype == "uint8":
        with pytest.raises(AuditError, match="whole numbers .*; expected none"):
            ModelProbe(config(path, model__preprocess="scale_0_1"))


def test_text_is_no_image(tmp_path):
    def decoded(x):
        return tf.map_fn(lambda b: tf.cast(tf.io.decode_jpeg(b, 3), tf.float32), x, tf.float32)

    spec = tf.TensorSpec((None,), tf.string, "bytes")
    path = Served(decoded).keep(tmp_path / "m", spec)
    with pytest.raises(AuditError, match="the model's input is no image"):
        traced(path)


def test_inputs_and_outputs_keep_their_names(tmp_path):
    """Names in an order that is not that of the alphabet, where a mix-up would show."""
    spec = tf.TensorSpec((None, *SIZE), tf.float32, "z_image")
    more = [tf.TensorSpec((None, 4), tf.float32, name) for name in ("b", "a")]
    model = Served()

    def call(z_image, b, a):
        p = model.scores(z_image)
        return {"z": p * 2 + b, "m": p - a, "a": b}

    path = model.keep(tmp_path / "m", spec, *more, call=call)
    loaded = load_model(config(path).model)
    assert sorted(i.name for i in inputs_of(loaded)) == ["a", "b", "z_image"]
    pixels = images()
    values = {n: np.full((BATCH, 4), v, np.float32) for n, v in (("a", 5.0), ("b", 7.0))}
    p = model.scores(pixels.astype(np.float32)).numpy()
    for name, expected in {"z": p * 2 + 7, "m": p - 5, "a": values["b"]}.items():
        trace = trace_model(loaded, BATCH, SIZE, lambda x: x, None, ("a", "b"), name)
        feeds = [trace.pixels, *trace.extras.values()]
        found = trace.callable(feeds, [trace.output])(
            tf.constant(pixels), *(tf.constant(values[n]) for n in trace.extras)
        )
        np.testing.assert_allclose(found[0], expected, rtol=1e-5)


def test_loops_and_branches_are_differentiated(tmp_path):
    def looped(x):
        x = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.nn.silu(x), lambda: x)
        _, x = tf.while_loop(lambda i, _: i < 3, lambda i, t: (i + 1, t * 1.5), (0, x))
        return tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2, lambda: -x)

    model = Served()
    kernel = model.kernel

    def call(image):
        layer = tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "SAME"))
        return tf.nn.softmax(tf.reduce_mean(looped(layer), [1, 2]) @ model.head)

    path = model.keep(tmp_path / "m", call=call)
    trace = traced(path)
    conv_op = next(o for o in trace.function.graph.get_operations() if o.type == "Conv2D")
    layer = conv_op.outputs[0]
    _, logits = final_activation(trace.output)
    with trace.function.graph.as_default():
        (gradient,) = tf.gradients(logits[:, 0], layer)
    (found,) = trace.callable([trace.pixels], [gradient])(tf.constant(images()))
    with tf.GradientTape() as tape:
        before = tf.nn.conv2d(images().astype(np.float32), kernel, 1, "SAME")
        tape.watch(before)
        y = (tf.reduce_mean(looped(tf.nn.relu(before)), [1, 2]) @ model.head)[:, 0]
    np.testing.assert_allclose(found, tape.gradient(y, before), rtol=1e-4, atol=1e-7)


def test_the_default_layer_is_found(tmp_path):
    trace = traced(Served().keep(tmp_path / "m"))
    layer, _ = default_layer(final_activation(trace.output)[1], trace.pixels, BATCH)
    assert (layer.op.type, trace.path_of(layer)) == ("Relu", "Relu")


# --- what is refused ----------------------------------------------------------------------------


def wrote(target):
    def body(x):
        with tf.control_dependencies([tf.io.write_file(str(target), "x")]):
            return tf.identity(x)

    return body


def branched(target):
    return lambda x: tf.cond(tf.reduce_sum(x) > 1e9, lambda: wrote(target)(x), lambda: x)


def called(target):
    return tf.function(tf.function(wrote(target)))


HOSTILE = {
    "WriteFile": wrote,
    "WriteFile in a branch": branched,
    "WriteFile in a function": called,
    "ReadFile": lambda target: lambda x: x + float(0) * tf.cast(
        tf.strings.length(tf.io.read_file(str(target))), tf.float32
    ),
    "EagerPyFunc": lambda target: lambda x: tf.ensure_shape(
        tf.py_function(lambda t: t, [x], tf.float32), (None, *SIZE)
    ),
    "PrintV2": lambda target: lambda x: (tf.print(x), x)[1],
    "MatchingFiles": lambda target: lambda x: x + tf.cast(
        tf.size(tf.io.matching_files(str(target))), tf.float32
    ),
    "SaveV2": lambda target: lambda x: (
        tf.raw_ops.SaveV2(
            prefix=str(target), tensor_names=["x"], shape_and_slices=[""], tensors=[x]
        ),
        x,
    )[1],
    "RestoreV2": lambda target: lambda x: x + tf.raw_ops.RestoreV2(
        prefix=str(target), tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32]
    )[0],
    "Timestamp": lambda target: lambda x: x + tf.cast(tf.timestamp() * 0, tf.float32),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_operations_that_leave_the_model_are_named(name, tmp_path):
    target = tmp_path / "written"
    path = Served(HOSTILE[name](target)).keep(tmp_path / "m")
    line = fault(path)
    assert f"holds the operation {name.split()[0]!r}" in line
    assert line.endswith("set model.trust_code: true only if you trust where it came from")
    assert not list(tmp_path.glob("written*"))
    assert load_model(config(path, model__trust_code=True).model).signature is not None


def test_a_table_that_is_filled_on_loading_is_looked_at(tmp_path):
    """Its initialiser runs by loading alone, whatever the signature does."""
    (tmp_path / "words").write_text("a\n")

    class Tabled(Served):
        def __init__(self):
            super().__init__()
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.TextFileInitializer(
                    str(tmp_path / "words"), tf.string, 0, tf.int64, -1, delimiter=" "
                ),
                -1,
            )

    assert "InitializeTableFromTextFileV2" in fault(Tabled().keep(tmp_path / "m"))


def test_an_operation_that_nothing_calls_is_refused_all_the_same(tmp_path):
    model = Served()
    model.unused = tf.function(wrote(tmp_path / "written"))
    model.unused.get_concrete_function(tf.TensorSpec((1,), tf.float32))
    assert "'WriteFile'" in fault(model.keep(tmp_path / "m"))


def test_custom_operations_are_named(tmp_path):
    path = Served().keep(tmp_path / "m")
    file = path / "saved_model.pb"
    file.write_bytes(file.read_bytes().replace(b"\x04Relu", b"\x04Rule"))
    assert "holds the operation 'Rule'" in fault(path)


def test_a_saver_s_operations_under_a_signature_s_name(tmp_path):
    """The saver of every file may write; a signature that points at it is refused."""
    from tensorflow.core.protobuf import saved_model_pb2

    path = Served().keep(tmp_path / "m")
    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    meta = saved.meta_graphs[0]
    own = meta.signature_def["serving_default"].outputs["output_0"]
    own.name = meta.saver_def.save_tensor_name
    (path / "saved_model.pb").write_bytes(saved.SerializeToString())
    line = fault(path)
    assert any(repr(op) in line for op in WRITES_CHECKPOINT)


def test_folders_that_are_no_model(tmp_path):
    path = Served().keep(tmp_path / "m")
    whole = (path / "saved_model.pb").read_bytes()
    (path / "saved_model.pb").write_bytes(whole[: len(whole) // 2])
    assert "is not a SavedModel: saved_model.pb is broken" in fault(path)
    (path / "saved_model.pb").write_bytes(b"")
    assert "holds no graph" in fault(path)
    (path / "saved_model.pb").write_bytes(whole)
    (path / "saved_model.cpb").write_bytes(b"")
    assert "holds saved_model.cpb, which cannot be checked" in fault(path)
    (path / "saved_model.cpb").unlink()
    for file in (path / "variables").iterdir():
        file.unlink()
    assert "cannot be loaded" in fault(path)
    (tmp_path / "empty").mkdir()
    assert "is no model; expected a .keras" in fault(tmp_path / "empty")


# --- versions -----------------------------------------------------------------------------------


def test_a_model_of_tensorflow_1(tmp_path):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, (None, *SIZE))
        kernel = v1.get_variable("kernel", (3, 3, 3, 5), use_resource=False)
        pooled = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"), name="top"), [1, 2])
        y = tf.nn.softmax(pooled @ v1.get_variable("head", (5, 4), use_resource=True))
        session.run(v1.global_variables_initializer())
        expected = session.run(y, {x: images()})
        v1.saved_model.simple_save(session, str(tmp_path / "m"), {"x": x}, {"y": y})
    probe = ModelProbe(config(tmp_path / "m", model__preprocess="none"))
    np.testing.assert_allclose(probe.forward(images()).probabilities, expected, rtol=1e-5)
    assert probe.facts.layers[0].path == "top"


def test_the_private_call_is_still_there(tmp_path):
    """What saved_model.py leans on beyond the documented API of TensorFlow."""
    mend = f"TensorFlow {tf.__version__}: mend audit/models/saved_model.py: "
    model = Served(tf.function(lambda x: x * 2))
    loaded = tf.saved_model.load(str(model.keep(tmp_path / "m")))
    signature = loaded.signatures["serving_default"]
    try:
        graph_def = inlined(signature)
    except (AttributeError, TypeError, ImportError) as error:
        pytest.fail(f"{mend}inlined ({error})")
    assert not graph_def.library.function, f"{mend}inlined (calls are left)"
    kinds = {node.op for node in graph_def.node}
    assert not kinds & {"PartitionedCall", "StatefulPartitionedCall"}, f"{mend}inlined"
    assert "ReadVariableOp" in kinds, f"{mend}inlined (variables have become constants)"
    assert list(signature._arg_keywords) == ["image"], f"{mend}_arguments"
    with tf.Graph().as_default(), pytest.raises(AttributeError):
        tf.compat.v1.get_default_graph().capture  # noqa: B018 - a FuncGraph's alone
    assert len(signature.graph.captures) == 2, f"{mend}place"


def test_every_listed_operation_exists():
    from tensorflow.python.framework import op_def_registry

    listed = ALLOWED | READS_CHECKPOINT | WRITES_CHECKPOINT
    assert [name for name in sorted(listed) if op_def_registry.get(name) is None] == []
    assert not ALLOWED & (READS_CHECKPOINT | WRITES_CHECKPOINT)


def parsed(path):
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((path / "saved_model.pb").read_bytes())
    return saved


def test_variables_that_the_folder_cannot_hold(tmp_path):
    path = Served().keep(tmp_path / "m")
    saved = parsed(path)
    node = next(n for n in saved.meta_graphs[0].object_graph_def.nodes if n.HasField("variable"))
    node.variable.shape.dim[0].size = 10**10
    (path / "saved_model.pb").write_bytes(saved.SerializeToString())
    assert "weights, which its folder cannot hold" in fault(path)
    assert "weights, which its folder cannot hold" in fault(path, model__trust_code=True)


def test_an_asset_from_elsewhere(tmp_path):
    path = Served().keep(tmp_path / "m")
    saved = parsed(path)
    saved.meta_graphs[0].asset_file_def.add(filename="../../etc/passwd")
    (path / "saved_model.pb").write_bytes(saved.SerializeToString())
    assert "takes an asset from elsewhere, received '../../etc/passwd'" in fault(path)


def test_a_folder_with_pipes_devices_and_links_to_nothing(tmp_path):
    path = Served().keep(tmp_path / "m")
    (path / "assets").mkdir(exist_ok=True)
    os.mkfifo(path / "assets" / "pipe")
    assert "pipe: is no file" in fault(path)
    (path / "assets" / "pipe").unlink()
    (path / "variables" / "more").symlink_to("/dev/zero")
    assert "more: is no file" in fault(path)
    (path / "variables" / "more").unlink()
    (path / "variables" / "more").symlink_to("/nowhere")
    assert "more: is a link to nothing" in fault(path)
    (path / "variables" / "more").unlink()
    (path / "saved_model.pb").unlink()
    os.mkfifo(path / "saved_model.pb")
    assert "saved_model.pb: is no file" in fault(path)
