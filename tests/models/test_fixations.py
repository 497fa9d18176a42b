"""CNN Fixations against a slow, literal one, by hand, and on the networks that people use."""

import cv2
import numpy as np
import pytest

from audit.errors import AuditError
from audit.heatmaps.fixations import fixation_heatmap, without_outliers
from audit.models import fixation_steps
from audit.models.fixations import FixationWalk
from audit.models.graph import final_activation
from audit.models.saved_model import load_saved_model
from audit.models.trace import trace_model

from . import fixation_networks, slow_fixations
from .networks import NETWORKS, SIZE, L, images, keras

BATCH = 2


def walk_of(model, size, prepare=lambda x: x):
    """The walk from the logits to the pixels as float32, before ``prepare``."""
    sources = []

    def noted(x):
        sources.append(x)
        return prepare(x)

    trace = trace_model(model, BATCH, size, noted)
    return FixationWalk(trace, final_activation(trace.output)[1], sources[-1], BATCH)


def as_list(points):
    return sorted(map(tuple, points.tolist()))


def behind_pool(model):
    """``model`` behind a maximum over 3x3, which tells the image's channels apart by their place."""
    pool = L.MaxPooling2D(3, 1, "same")
    return keras.Sequential([keras.Input(fixation_networks.SIZE), pool, model])


@pytest.mark.parametrize("name", fixation_networks.NETWORKS)
def test_points_are_those_of_the_slow_walk(name):
    model, tree = fixation_networks.NETWORKS[name]()
    walk = walk_of(behind_pool(model), fixation_networks.SIZE, lambda x: x / 255 - 0.5)
    pixels = images(BATCH, fixation_networks.SIZE, seed=3)
    activations = walk.activations(pixels)
    found = 0
    for row in range(BATCH):
        image = slow_fixations.image(pixels[row] / 255 - 0.5)
        scores = tree(slow_fixations.pool(image, 3, 1, "same", mean=False))
        np.testing.assert_allclose(activations[0][row].ravel(), scores.value, atol=1e-4)
        for unit in range(len(scores.value)):
            for sign in (1, -1):
                expected = slow_fixations.fixations(scores, unit, sign)
                assert as_list(walk.points(activations, row, [unit], sign)) == expected
                found += len(expected)
    assert found > BATCH * len(scores.value)


@pytest.mark.parametrize("name", ["flatten", "pools", "groups"])
def test_blocks_change_nothing(name, monkeypatch):
    walk = walk_of(fixation_networks.NETWORKS[name]()[0], fixation_networks.SIZE)
    activations = walk.activations(images(BATCH, fixation_networks.SIZE))
    whole = as_list(walk.points(activations, 0, [2]))
    monkeypatch.setattr(fixation_steps, "BLOCK", 50)
    assert as_list(walk.points(activations, 0, [2])) == whole


def test_where_nothing_adds_to_a_unit_its_map_leads_to_what_takes_least_away():
    """C = (0, -1, 0, -6) for unit 0, (0, 2, 0, 9) for unit 1: the first 0, and the 9."""
    value = np.array([0, 1, 0, 3], np.float32).reshape(2, 2, 1)
    kernel = np.array([[5, 5], [-1, 2], [5, 5], [-2, 3]], np.float32)
    step = fixation_steps.Weighted("map", kernel, single=True)
    points = np.concatenate([fixation_steps.start(0, 1), fixation_steps.start(1, 1)])
    ((_, found),) = step.back(points, {"map": value})
    assert found.tolist() == [[0, 0, 0, 1, 1], [0, 1, 1, 1, 1]]


def bright(*places, size=(20, 24, 3)):
    """Black pixels but for one channel at each (row, column, channel, value)."""
    pixels = np.zeros((BATCH, *size), np.uint8)
    for row, column, channel, value in places:
        pixels[0, row, column, channel] = value
    return pixels


def test_one_known_path():
    """Worked out by hand.

    The convolution, stride 2 and VALID, sees (5, 8) green at its tap (1, 0) from (2, 4), since
    2*2+1 = 5 and 2*4+0 = 8; the maximum over 2x2 hands (2, 4) to (1, 2). Back: (1, 2) to (2, 4), and
    on to the middle of its field, (2*2+1, 2*4+1) = (5, 9). Red, though brighter, has no weight.
    """
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[1, 0, 1, 0] = 1  # channel 0 looks at green
    convolution = L.Conv2D(2, 3, 2, use_bias=False, activation="relu")
    head = L.Dense(2, use_bias=False)
    model = keras.Sequential(
        [keras.Input((20, 24, 3)), convolution, L.MaxPooling2D(), L.GlobalAveragePooling2D(), head]
    )
    convolution.set_weights([kernel])
    head.set_weights([np.array([[1, -1], [1, 0]], np.float32)])
    walk = walk_of(model, (20, 24, 3))
    activations = walk.activations(bright((5, 8, 1, 10), (15, 3, 0, 200)))
    assert as_list(walk.points(activations, 0, [0])) == [(5, 9)]
    # The other score has no positive contribution in this image, and no image at all has in black.
    assert walk.points(activations, 0, [1]).shape == (0, 2)
    assert walk.points(activations, 1, [0]).shape == (0, 2)
    # Of several outputs the one with the largest score; negated, the other.
    assert as_list(walk.points(activations, 0, [1, 0])) == [(5, 9)]
    assert as_list(walk.points(activations, 0, [1, 0], sign=-1)) == [(5, 9)]


def test_of_equals_the_skip_is_followed():
    """At (5, 5) both sides are 10; the branch, which is named first, would lead to (4, 5)."""
    inputs = keras.Input((20, 24, 3))
    branch, head = L.Conv2D(3, 1, use_bias=False), L.Dense(2, kernel_initializer="ones")
    down = L.Cropping2D(((0, 1), (0, 0)))(L.ZeroPadding2D(((1, 0), (0, 0)))(inputs))
    both = L.Add()([branch(down), inputs])
    model = keras.Model(inputs, head(L.GlobalAveragePooling2D()(both)))
    branch.set_weights([np.eye(3, dtype=np.float32)[None, None]])
    walk = walk_of(model, (20, 24, 3))
    activations = walk.activations(bright((4, 5, 0, 10), (5, 5, 0, 10)))
    assert as_list(walk.points(activations, 0, [0])) == [(5, 5)]
    activations = walk.activations(bright((4, 5, 0, 11), (5, 5, 0, 10)))
    assert as_list(walk.points(activations, 0, [0])) == [(4, 5)]


@pytest.mark.parametrize(
    "layer, expected",
    [
        (L.Resizing(5, 8), (6, 7)),  # its middle, (1.5, 2.5), is (1.5*4, 2.5*3) = (6, 7.5)
        (L.Lambda(lambda x: x[:, ::-1, 2:]), (18, 4)),
        (L.Lambda(lambda x: keras.ops.flip(x, 2)), (1, 21)),
        (L.Lambda(lambda x: keras.ops.pad(x, ((0, 0), (2, 2), (4, 4), (0, 0)), "reflect")), (1, 2)),
        (L.Lambda(lambda x: keras.ops.pad(x, ((0, 0), (2, 2), (4, 4), (0, 0)))), (0, 0)),
    ],
)
def test_places_are_moved_back(layer, expected):
    """A mean whose brightest place is (1, 2) of the result, whatever made the result."""
    inputs = keras.Input((20, 24, 3))
    x = layer(inputs)
    spot = np.zeros((1, *x.shape[1:3], 1), np.float32)
    spot[0, 1, 2] = 100
    head = L.Dense(2, kernel_initializer="ones")
    model = keras.Model(inputs, head(L.GlobalAveragePooling2D()(x + spot)))
    walk = walk_of(model, (20, 24, 3))
    activations = walk.activations(np.ones((BATCH, 20, 24, 3), np.uint8))
    assert set(as_list(walk.points(activations, 0, [0]))) == {expected}


def test_a_channel_that_is_padding_leads_nowhere():
    inputs = keras.Input((20, 24, 3))
    x = L.Lambda(lambda x: keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, 2))))(inputs)
    spot = np.zeros((1, 20, 24, 5), np.float32)
    spot[0, 7, 9, 4] = 100
    head = L.Dense(2, kernel_initializer="ones")
    model = keras.Model(inputs, head(L.GlobalAveragePooling2D()(x + spot)))
    walk = walk_of(model, (20, 24, 3))
    assert len(walk.points(walk.activations(bright()), 0, [0])) == 0
    assert as_list(walk.points(walk.activations(bright((2, 3, 1, 9))), 0, [0])) == [(2, 3)]


def test_the_channels_of_the_models_own_preprocessing_are_followed():
    """Red is the last channel behind BGR; offsets and scales by constants change no place."""
    kernel = np.zeros((1, 1, 3, 1), np.float32)
    kernel[0, 0, 2] = 1
    convolution, head = L.Conv2D(1, 1, use_bias=False), L.Dense(2, kernel_initializer="ones")
    model = keras.Sequential(
        [keras.Input((20, 24, 3)), L.Normalization(mean=[0.3, 0.2, 0.1], variance=[4.0, 3, 2]),
         convolution, L.GlobalAveragePooling2D(), head]
    )  # fmt: skip
    convolution.set_weights([kernel])
    walk = walk_of(model, (20, 24, 3), lambda x: x[..., ::-1])
    activations = walk.activations(bright((4, 6, 0, 200), (12, 13, 2, 255)))
    assert as_list(walk.points(activations, 0, [0])) == [(4, 6)]


def error_of(model, size):
    with pytest.raises(AuditError) as caught:
        walk_of(model, size)
    line = caught.value.line()
    assert "\n" not in line and line.startswith("explain.method: CNN fixations cannot walk")
    return line


def test_what_cannot_be_walked_is_named():
    branches = NETWORKS["branches"]().model
    assert "joined" in (line := error_of(branches, SIZE))
    assert "type Mul: none of its operands" in line

    def ending_in(*layers):
        head = [L.GlobalAveragePooling2D(), L.Dense(3)]
        return keras.Sequential([keras.Input(SIZE), *layers, *head])

    up = ending_in(L.Conv2DTranspose(4, 3, name="upwards"))
    assert "upwards" in (line := error_of(up, SIZE)) and "Conv2DBackpropInput" in line
    normed = ending_in(L.Conv2D(4, 3), L.GroupNormalization(2, name="in_groups"))
    line = error_of(normed, SIZE)
    assert "in_groups" in line and "its result [2, 14, 18, 2, 2] is no map" in line
    turned = ending_in(L.Permute((2, 1, 3), name="turned"))
    assert "turned" in (line := error_of(turned, SIZE)) and "type Transpose" in line


def test_a_source_that_is_not_all_of_the_image_is_refused():
    model = NETWORKS["gap"]().model
    trace = trace_model(model, BATCH, SIZE, lambda x: x)
    with pytest.raises(AuditError, match="does not depend on the image"):
        FixationWalk(trace, trace.output.op.inputs[0], trace.output, BATCH)
    sources = []

    def beside(x):
        sources.append(x * 2)
        return sources[-1] + x

    trace = trace_model(model, BATCH, SIZE, beside)
    with pytest.raises(AuditError, match="by a way around the model's input"):
        FixationWalk(trace, trace.output, sources[0], BATCH)


@pytest.mark.parametrize("name", ["groups", "layer_norm"])
def test_a_saved_model_has_the_same_fixations(name, tmp_path):
    model, size = fixation_networks.NETWORKS[name]()[0], fixation_networks.SIZE
    model.export(tmp_path / "served", verbose=False)
    served = load_saved_model(tmp_path / "served", None, trusted=False)
    pixels, found = images(BATCH, size), []
    for each in (model, served):
        walk = walk_of(each, size)
        found.append(as_list(walk.points(walk.activations(pixels), 0, [1])))
    assert found[0] == found[1] != []


def test_another_input_is_not_followed():
    """It shifts and scales the map, and stands beside its means."""
    image, place = keras.Input(SIZE, name="image"), keras.Input((5,), name="place")
    x = L.Conv2D(5, 3, activation="relu")(image)
    each = L.Reshape((1, 1, 5))(place)
    x = L.GlobalAveragePooling2D()(L.Add()([L.Multiply()([x, each]), each]))
    head = L.Dense(2, kernel_initializer="ones")
    model = keras.Model([image, place], head(L.Concatenate()([x, place])))
    trace = trace_model(model, BATCH, SIZE, lambda x: x, image_input="image", given=["place"])
    walk = FixationWalk(trace, trace.output, trace.floats, BATCH)
    activations = walk.activations(images(BATCH), np.ones((BATCH, 5), np.float32))
    assert len(walk.points(activations, 0, [0])) == 5


@pytest.mark.parametrize(
    "name", ["gap", "flatten", "skip", "nested", "transfer", "shared", "binary"]
)
def test_nested_and_own_classes_are_walked(name):
    model = NETWORKS[name]().model
    walk = walk_of(model, SIZE)
    activations = walk.activations(images(BATCH))
    points = [walk.points(activations, 1, [0], sign) for sign in (1, -1)]
    assert sum(map(len, points)) > 0
    for found in points:
        assert found.dtype == np.int64 and found.shape[1] == 2
        assert (found >= 0).all() and (found < (16, 20)).all()


def test_the_demos_network_is_walked():
    from audit.demo.train import build

    walk = walk_of(build(64, ("circle", "square", "star")), (64, 64, 3))
    activations = walk.activations(images(BATCH, (64, 64, 3)))
    assert len(walk.points(activations, 0, [1])) > 1


def applications():
    small = {"MobileNetV2": 96}
    large = {
        "VGG16": 64, "ResNet50": 64, "InceptionV3": 96, "DenseNet121": 64, "Xception": 96,
        "EfficientNetB0": 64, "MobileNetV3Small": 64, "ConvNeXtTiny": 64,
    }  # fmt: skip
    return [pytest.param(*item) for item in small.items()] + [
        pytest.param(*item, marks=pytest.mark.slow) for item in large.items()
    ]


@pytest.mark.parametrize("name, side", applications())
def test_known_networks_are_walked(name, side):
    size = (side, side, 3)
    model = getattr(keras.applications, name)(weights=None, input_shape=size, classes=9)
    walk = walk_of(model, size)
    activations = walk.activations(images(BATCH, size))
    points = walk.points(activations, 0, range(9))
    assert len(points) > 1
    assert (points >= 0).all() and (points < side).all()
    keras.backend.clear_session()


def cluster(count, far=1):
    """``count`` points on one pixel's row, and ``far`` ones alone in the other corner."""
    near = [(10, 10 + k % 3) for k in range(count)]
    return np.array(near + [(90, 90 - 30 * k) for k in range(far)])


def test_outliers_by_hand():
    """The diagonal of 100x100 is 141.4: near is below 14.14."""
    # 1 of 19 points is 5.3 %, 1 of 20 is 5 % and not more.
    assert len(without_outliers(cluster(18), 100, 100)) == 19
    assert as_list(without_outliers(cluster(19), 100, 100)) == as_list(cluster(19, far=0))
    # Alone each of two is 2.6 % of 39, both are 5.1 %. From (10, 10) to (20, 20) is the limit itself.
    pair = np.array([(10, 10), (20, 20)] + [(80, 80)] * 37)
    assert len(without_outliers(pair, 100, 100)) == 37
    pair[1] = 20, 19
    assert len(without_outliers(pair, 100, 100)) == 39
    assert without_outliers(np.empty((0, 2), np.int64), 100, 100).shape == (0, 2)


def test_heatmap_by_hand():
    points = cluster(19)
    counts = np.zeros((112, 224), np.float32)
    counts[10, 10:13] = 7, 6, 6
    expected = cv2.GaussianBlur(counts, (0, 0), 10)  # 20 px at 224, of the shorter side
    heatmap = fixation_heatmap(points, 112, 224)
    assert heatmap.dtype == np.float32 and heatmap.shape == (112, 224)
    np.testing.assert_allclose(heatmap, expected / expected.max(), atol=1e-6)
    assert heatmap.max() == 1 and heatmap[90, 90] < 1e-6


def test_heatmap_without_points():
    assert not fixation_heatmap(np.empty((0, 2), np.int64), 20, 30).any()
    # Twenty points, all far from each other: each has a twentieth of them near, itself.
    apart = np.array([(i * 60, j * 60) for i in range(4) for j in range(5)])
    assert not fixation_heatmap(apart, 200, 300).any()


def test_a_point_counts_at_its_own_pixel():
    heatmap = fixation_heatmap(np.array([(50, 120)]), 224, 224)
    assert np.unravel_index(heatmap.argmax(), heatmap.shape) == (50, 120)
