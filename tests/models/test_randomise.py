"""The cascade: which weights, in which order, drawn how, and put back."""

import numpy as np
import pytest

from audit.models.probe import ModelProbe
from audit.models.randomise import OWN, SHUFFLED

from .networks import SIZE, L, config, images, keras


def small_model(**last):
    """conv, batch norm, ReLU, 1x1 conv, depthwise conv, head."""
    x = keras.Input(SIZE)
    y = L.Conv2D(6, 3, strides=2, name="stem")(x)
    y = L.ReLU()(L.BatchNormalization(name="norm")(y))
    y = L.Conv2D(8, 1, activation="relu", kernel_initializer="he_normal", name="one")(y)
    y = L.DepthwiseConv2D(3, depthwise_initializer="orthogonal", name="depth")(y)
    y = L.GlobalAveragePooling2D()(L.ReLU(name="top")(y))
    return keras.Model(x, L.Dense(4, "softmax", name="names", **last)(y))


@pytest.fixture
def saved(tmp_path):
    """Builds a probe of a model through its file; weights are noise, as after training."""

    def build(model, **keys):
        rng = np.random.default_rng(1)
        for variable in model.variables:
            if variable.dtype.startswith("float"):
                variable.assign(rng.uniform(0.5, 1.5, variable.shape).astype(np.float32))
        model.save(tmp_path / "m.keras")
        return ModelProbe(config(tmp_path / "m.keras", **keys))

    return build


def values(cascade):
    return {w.name: w.variable.numpy() for unit in cascade.units for w in unit.weights}


def scores(probe):
    return probe.forward(images()).scores.tobytes()


def test_units_run_from_the_output_back_and_take_what_comes_after_a_kernel_along(saved):
    cascade = saved(small_model()).cascade()
    assert [[w.name for w in unit.weights] for unit in cascade.units] == [
        ["names/bias", "names/kernel"],
        ["depth/bias", "depth/kernel"],
        ["one/bias", "one/kernel"],
        ["norm/beta", "norm/gamma", "norm/moving_mean", "norm/moving_variance", "stem/bias",
         "stem/kernel"],
    ]  # fmt: skip
    assert [unit.name for unit in cascade.units] == ["names", "depth", "one", "stem"]
    assert cascade.n_parameters == 36 + 80 + 56 + 24 + 168
    assert cascade.share(1) == 36 / 364 and cascade.share(4) == 1


@pytest.mark.parametrize(
    ("count", "stops"), [(8, [1, 2, 3, 4]), (4, [1, 2, 3, 4]), (3, [1, 3, 4]), (2, [1, 4])]
)
def test_stops_begin_with_the_head_and_end_with_everything(saved, count, stops):
    assert saved(small_model()).cascade().stops(count) == stops


def test_each_layer_is_drawn_by_its_own_initialiser(saved):
    probe = saved(small_model())
    cascade, found = probe.cascade(), []
    before = values(cascade)
    for seed in range(40):
        with cascade.randomising(seed) as redraw:
            redraw(4)
            found.append(values(cascade))
    drawn = {name: np.array([f[name] for f in found], np.float64) for name in before}
    # Batch normalisation is what it is before training.
    for name, start in (("gamma", 1), ("beta", 0), ("moving_mean", 0), ("moving_variance", 1)):
        assert (drawn[f"norm/{name}"] == start).all()
    assert (drawn["one/bias"] == 0).all()
    # Glorot, uniform: within the limit, and with its deviation; He, truncated normal.
    limit = np.sqrt(6 / (8 + 4))
    assert abs(drawn["names/kernel"]).max() <= limit
    assert drawn["names/kernel"].std() == pytest.approx(limit / np.sqrt(3), rel=0.06)
    assert drawn["names/kernel"].mean() == pytest.approx(0, abs=0.05)
    assert drawn["one/kernel"].std() == pytest.approx(np.sqrt(2 / 6), rel=0.06)
    # Orthogonal, of one column: length 1.
    lengths = np.square(drawn["depth/kernel"]).sum(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)
    assert cascade.how() == {OWN: 364}
    # 1x1 kernels change, and no two seeds or layers are alike.
    assert all((abs(f["one/kernel"] - before["one/kernel"]) > 1e-3).mean() > 0.9 for f in found)
    assert len({f["one/kernel"].tobytes() for f in found}) == 40


def test_an_initialiser_with_a_seed_of_its_own_is_not_drawn_as_it_was(tmp_path):
    initialiser = keras.initializers.HeNormal(seed=3)
    x = keras.Input(SIZE)
    top = L.Conv2D(5, 3, kernel_initializer=initialiser, name="top")(x)
    model = keras.Model(x, L.Dense(4)(L.GlobalAveragePooling2D()(top)))
    model.save(tmp_path / "m.keras")
    cascade = ModelProbe(config(tmp_path / "m.keras")).cascade()
    before = values(cascade)["top/kernel"]
    with cascade.randomising(0) as redraw:
        redraw(2)
        assert abs(values(cascade)["top/kernel"] - before).min() > 0


def test_a_kernel_that_starts_from_zeros_is_shuffled(saved):
    cascade = saved(small_model(kernel_initializer="zeros")).cascade()
    before = values(cascade)["names/kernel"]
    assert cascade.how() == {OWN: 332, SHUFFLED: 32}
    with cascade.randomising(0) as redraw:
        redraw(1)
        after = values(cascade)["names/kernel"]
    assert sorted(after.ravel()) == sorted(before.ravel()) and (after != before).mean() > 0.8


def test_only_the_units_before_the_stop_are_redrawn_and_each_once(saved):
    cascade = saved(small_model()).cascade()
    before, seen = values(cascade), []
    with cascade.randomising(5) as redraw:
        for stop in (1, 2, 4):
            redraw(stop)
            seen.append(values(cascade))
            for place, unit in enumerate(cascade.units):
                kernel = unit.weights[-1].name
                changed = (seen[-1][kernel] != before[kernel]).any()
                assert changed == (place < stop)
    assert (seen[0]["names/kernel"] == seen[2]["names/kernel"]).all()


def test_the_same_seed_draws_the_same_bytes(saved):
    probe = saved(small_model())
    found = []
    for _ in range(2):
        with probe.cascade().randomising(7) as redraw:
            redraw(4)
            found.append(scores(probe))
    assert found[0] == found[1] != scores(probe)


def test_weights_are_put_back_after_an_error_too(saved):
    probe = saved(small_model())
    cascade = probe.cascade()
    before, told = values(cascade), scores(probe)
    with pytest.raises(KeyboardInterrupt), cascade.randomising(0) as redraw:
        redraw(4)
        assert scores(probe) != told
        raise KeyboardInterrupt
    assert scores(probe) == told
    assert all((values(cascade)[name] == value).all() for name, value in before.items())


def test_what_was_read_of_the_weights_is_read_again(saved):
    probe = saved(small_model())
    forward = probe.forward(images())
    before = probe.head_weights(0)
    gradients = probe.mean_gradients(forward, 0, [0], np.eye(4, dtype=np.float32)[:1])
    with probe.cascade().randomising(0) as redraw:
        redraw(1)
        assert (probe.head_weights(0) != before).all()
        again = probe.mean_gradients(forward, 0, [0], np.eye(4, dtype=np.float32)[:1])
        assert (again != gradients).all()
    assert (probe.head_weights(0) == before).all()


# A part of each unit's name.
ORDER = {
    "nested": ["dense", "base/block/top", "base/block/stem"],
    "transfer": ["out", "top", "stem"],
    "shared": ["dense", "twice", "conv"],
    "branches": ["dense", "one", "two"],
}


@pytest.mark.parametrize("name", ORDER)
def test_nested_shared_and_branching_models_are_read_from_the_graph(probe, name):
    found = [unit.name for unit in probe(name).cascade().units]
    assert len(found) == len(ORDER[name])
    # A layer that is held in two places goes by one of its paths.
    assert all(part in path for part, path in zip(ORDER[name], found, strict=True)), found


@pytest.mark.parametrize("name", ["nested", "transfer", "shared", "skip", "separate_softmax"])
def test_all_weights_of_a_network_are_found(probe, network, name):
    cascade = probe(name).cascade()
    assert cascade.n_parameters == network(name)[0].model.count_params()


def test_statistics_of_pixels_are_left_as_they_are(saved):
    x = keras.Input(SIZE)
    y = L.Normalization(mean=[1.0] * 3, variance=[2.0] * 3, name="given")(x)
    y = L.Normalization(name="measured")(y)
    y = L.GlobalAveragePooling2D()(L.Conv2D(4, 3, name="top")(y))
    cascade = saved(keras.Model(x, y)).cascade()
    assert [w.name for unit in cascade.units for w in unit.weights] == ["top/bias", "top/kernel"]


def test_mixed_precision_keeps_the_type_of_its_weights(tmp_path):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        small_model().save(tmp_path / "m.keras")
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    probe = ModelProbe(config(tmp_path / "m.keras"))
    told = scores(probe)
    with probe.cascade().randomising(0) as redraw:
        redraw(4)
        assert np.isfinite(probe.forward(images()).scores).all() and scores(probe) != told
    assert scores(probe) == told


def test_a_saved_model_is_shuffled_in_the_order_of_its_graph(tmp_path):
    model = small_model()
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    model.export(tmp_path / "m", verbose=False)
    probe = ModelProbe(config(tmp_path / "m"))
    cascade = probe.cascade()
    before, told = values(cascade), scores(probe)
    assert cascade.n_parameters == model.count_params() and cascade.how() == {SHUFFLED: 364}
    assert [unit.weights[-1].size for unit in cascade.units] == [32, 72, 48, 162]
    with cascade.randomising(0) as redraw:
        redraw(4)
        after = values(cascade)
        assert scores(probe) != told
    for name, value in before.items():
        assert sorted(after[name].ravel()) == sorted(value.ravel())
        assert (after[name] != value).any()
    assert scores(probe) == told


def test_a_model_without_weights_has_no_units(tmp_path):
    x = keras.Input(SIZE)
    keras.Model(x, L.GlobalMaxPooling2D()(x)).save(tmp_path / "m.keras")
    cascade = ModelProbe(config(tmp_path / "m.keras"), needs_layer=False).cascade()
    assert cascade.units == () and cascade.stops(8) == [] and cascade.how() == {}
