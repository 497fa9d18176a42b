"""The sanity stage: its sample, how maps are compared, and audits of a small network."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from audit.config.model import Config
from audit.errors import AuditError
from audit.explain import METHODS, Method
from audit.models.probe import ModelProbe
from audit.progress import Progress
from audit.stages import sanity
from audit.stages.layout import Layout
from audit.stages.sanity_maps import common, crossed, known_mean, paired, ranked, structural
from audit.stages.sanity_sample import choose_sample
from audit.stages.summarise import final_verdicts, fitness_warnings

RNG = np.random.default_rng(0)
QUIET = Progress("sanity", quiet=True)


# -- the sample


def records(**changed):
    names = [f"{k:03d}.png" for k in range(60)]
    table = pd.DataFrame(
        {
            "file_name": names, "target_class": ["cat"] * 40 + ["dog"] * 15 + ["owl"] * 5,
            "reference": "class", "correct": True,
        }
    )  # fmt: skip
    return table.assign(**changed)


def test_the_sample_takes_turns_over_the_classes():
    kinds = [kind for _, kind in choose_sample(records(), 20, 0)]
    assert kinds[:15] == ["cat", "dog", "owl"] * 5 and kinds[15:] == ["cat", "dog"] * 2 + ["cat"]
    assert len(choose_sample(records(), 1000, 0)) == 60


def test_the_sample_is_seeded_and_depends_on_no_order():
    table = records()
    twice = pd.concat([table.sample(frac=1, random_state=1), table])
    assert choose_sample(table, 20, 0) == choose_sample(twice, 20, 0)
    assert choose_sample(table, 20, 0) != choose_sample(table, 20, 1)
    assert choose_sample(table, 8, 0) == choose_sample(table, 20, 0)[:8]


def test_the_sample_is_annotated_predicted_right_and_has_an_image_once():
    table = records()
    table["correct"] = table["correct"].astype("boolean")
    table.loc[:9, "correct"] = False
    table.loc[10:19, "correct"] = pd.NA
    table.loc[20:29, "reference"] = "any_object"
    both = pd.concat([table, table.assign(target_class="ape")])
    chosen = choose_sample(both, 1000, 0)
    assert sorted(name for name, _ in chosen) == [f"{k:03d}.png" for k in range(30, 60)]
    assert {kind for _, kind in chosen} == {"ape", "cat", "dog"} or len(chosen) == 30
    assert choose_sample(table[:10], 5, 0) == []


# -- the comparison


def maps(n=6, shape=(5, 4)):
    found = RNG.random((n, *shape)).astype(np.float32)
    found[found < 0.3] = 0  # ties, as ReLU leaves them
    return found


def test_rank_correlation_against_scipy():
    a, b = maps(), maps()
    slow = np.array([[spearmanr(x.ravel(), y.ravel())[0] for y in b] for x in a])
    one, other = ranked(a), ranked(b)
    np.testing.assert_allclose(paired(one, other), np.diag(slow), rtol=1e-9)
    off = slow[~np.eye(6, dtype=bool)]
    assert crossed(one, other) == pytest.approx(off.mean(), rel=1e-9)


def test_flat_and_broken_maps_have_no_ranks():
    a, b = maps(), maps()
    a[1], b[2] = 0, 3.0
    b[3, 0, 0], b[4, 1, 1] = np.nan, np.inf
    one, other = ranked(a), ranked(b)
    assert other.flat.tolist() == [False, False, True, False, False, False]
    assert other.non_finite.tolist() == [False, False, False, True, True, False]
    assert np.isnan(paired(one, other)).tolist() == [False, True, True, True, True, False]
    pairs = [(i, j) for i in (0, 2, 3, 4, 5) for j in (0, 1, 5) if i != j]
    slow = np.mean([spearmanr(a[i].ravel(), b[j].ravel())[0] for i, j in pairs])
    assert crossed(one, other) == pytest.approx(slow, rel=1e-9)
    assert np.isnan(crossed(ranked(a * 0), other)) and np.isnan(
        crossed(ranked(a[:1]), ranked(b[:1]))
    )


def test_maps_on_two_grids_are_compared_on_the_coarser():
    fine = maps(shape=(8, 8))
    coarse = fine.reshape(6, 4, 2, 4, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(common(fine, coarse), 1, rtol=1e-12)
    np.testing.assert_allclose(common(coarse, fine), 1, rtol=1e-12)


def test_structural_similarity_at_its_ends():
    a = maps(shape=(7, 7))
    np.testing.assert_allclose(structural(a, 5 * a), 1)
    assert (structural(a, maps(shape=(7, 7))) < 0.9).all()
    assert np.isnan(structural(a[:, :2], a[:, :2])).all() and np.isnan(structural(a, 0 * a)).all()
    assert known_mean(np.array([np.nan, 1.0, 3.0])) == 2 and np.isnan(
        known_mean(np.array([np.nan]))
    )


# -- whole audits of a small network


def write_model(path):
    """Six kernels, trained by nobody."""
    from audit.models.runtime import tensorflow

    tensorflow()
    import keras
    from keras import layers as L

    keras.utils.set_random_seed(4)
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for k, filters in enumerate((8, 8, 12, 12, 16)):
        model.add(L.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{k}"))
        model.add(L.BatchNormalization())
        model.add(L.ReLU(name=f"relu{k}"))
        if k == 1:
            model.add(L.MaxPooling2D())
    model.add(L.GlobalAveragePooling2D())
    model.add(L.Dense(2, "softmax", name="names"))
    head = model.get_layer("names")
    head.set_weights([abs(w) for w in head.get_weights()])  # so that no Grad-CAM map is empty
    model.save(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("sanity") / "m.keras"
    write_model(path)
    return path


class Audit:
    """The stage on noise images, without the stages before it."""

    def __init__(self, folder, model, monkeypatch, explain, **section):
        self.config = Config.model_validate(
            {
                "audit": {"name": "s"},
                "model": {"path": str(model), "preprocess": "scale_0_1"},
                "dataset": {"format": "coco", "annotations": "-", "images": "-"},
                "explain": {"grid": 8, **explain},
                "sanity": section,
                "run": {"batch_size": 4, "threads": 2},
            }
        )
        self.layout, self.noted = Layout(folder), {}
        rng = np.random.default_rng(0)
        base = rng.integers(0, 256, (20, 8, 8, 3), np.uint8)
        self.pixels = {
            f"{k:02d}.png": np.kron(b, np.ones((4, 4, 1), np.uint8)) for k, b in enumerate(base)
        }
        table = pd.DataFrame(
            {
                "file_name": list(self.pixels), "target_class": ["a", "b"] * 10,
                "reference": "class", "correct": True,
            }
        )  # fmt: skip
        monkeypatch.setattr(sanity, "explained_records", lambda *_: table)
        monkeypatch.setattr(sanity, "load_sample", self._load)

    def _load(self, config, layout, shards, chosen, classes, probe, progress):
        return [
            SimpleNamespace(
                file_name=name, outputs=tuple(classes[kind]),
                loaded=SimpleNamespace(pixels=self.pixels[name]),
            )
            for name, kind in chosen
        ]  # fmt: skip

    def run(self):
        manifest = {"shards": [{"name": "0"}]}
        facts = ModelProbe(self.config, needs_layer=False).facts.as_dict()
        facts |= {"layers": [{"path": "relu4"}]} | self.noted
        found = {"classes": {"a": [0], "b": [1]}, "facts": facts}
        sanity.run_sanity(self.config, self.layout, manifest, found, QUIET)
        return json.loads(self.layout.fitness.read_text()), pd.read_csv(self.layout.sanity)


@pytest.fixture
def audit(tmp_path, model, monkeypatch):
    def run(explain, **section):
        return Audit(tmp_path, model, monkeypatch, explain, **section).run()

    return run


def register(monkeypatch, name, function):
    """A method that is there for one test."""
    entry = Method(name, "", "", "layer", function, {}, None, None)
    monkeypatch.setitem(METHODS._entries, name, entry)


def image_only(trace):
    """Ignores the model: how bright the image is at each place."""
    own = trace.question.forward.pixels[trace.rows].astype(np.float32).mean(axis=3)
    return own.reshape(len(own), 16, 2, 16, 2).mean(axis=(2, 4))


def always_the_same(trace):
    return np.tile(np.arange(256, dtype=np.float32).reshape(16, 16), (len(trace.rows), 1, 1))


def test_gradcam_changes_with_the_weights_and_what_ignores_them_is_unfit(audit, monkeypatch):
    register(monkeypatch, "image_only", image_only)
    register(monkeypatch, "always_the_same", always_the_same)
    told, table = audit(
        {"method": ["gradcam", "image_only", "always_the_same", "uniform"]}, steps=4
    )
    assert list(told) == ["always_the_same|relu4", "gradcam|relu4", "image_only|relu4"]
    assert told["gradcam|relu4"]["fit"] is True
    assert told["image_only|relu4"]["fit"] is False
    assert told["image_only|relu4"]["kept"]["value"] == pytest.approx(1)
    assert told["always_the_same|relu4"]["fit"] is False
    assert "different images are alike" in told["always_the_same|relu4"]["reason"]
    own = table[table["method"] == "image_only"]
    assert list(own["up_to"]) == ["names", "conv3", "conv2", "conv0"]
    assert own["spearman"].to_numpy() == pytest.approx(1)
    assert own["parameters_redrawn"].is_monotonic_increasing
    assert own["parameters_redrawn"].iloc[-1] == 1 and (own["n"] == 20).all()
    assert own["ssim"].to_numpy() == pytest.approx(1)
    assert told["gradcam|relu4"]["agreement"]["with"] == "saliency"
    assert told["gradcam|relu4"]["agreement"]["n"] == 20


def test_the_same_bytes_twice_and_whatever_is_asked_beside(audit):
    first = audit({"method": "gradcam"}, images=10)
    again = audit({"method": "gradcam"}, images=10)
    assert first[0] == again[0]
    pd.testing.assert_frame_equal(first[1], again[1], check_exact=True)
    beside = audit({"method": ["gradcam", "layercam"]}, images=10)
    assert beside[0]["gradcam|relu4"] == first[0]["gradcam|relu4"]


def test_slow_methods_get_fewer_steps_and_images_or_are_left_out(audit):
    slow = {"method": "occlusion", "options": {"occlusion": {"patch": 16, "stride": 16}}}
    told, table = audit(slow, max_passes=4 * 4 * 9, second_method="gradcam")
    assert len(table) == 3 and (table["n_records"] == 9).all()
    assert told["occlusion|input"]["agreement"]["with"] == "gradcam"
    told, table = audit(slow, max_passes=4 * 4 * 7)
    assert told["occlusion|input"]["fit"] is None and not len(table)
    assert "sanity.max_passes (112) allows 7 images" in told["occlusion|input"]["reason"]


def test_a_network_of_few_kernels_is_not_judged(audit):
    told, table = audit({"method": ["gradcam", "saliency"]}, min_kernels=7)
    assert {t["fit"] for t in told.values()} == {None} and not len(table)
    assert "the model has 6 kernels" in told["gradcam|relu4"]["reason"]


def test_a_small_sample_is_not_judged_and_loads_no_model(audit, monkeypatch):
    monkeypatch.setattr(sanity, "ModelProbe", None)
    told, table = audit({"method": ["gradcam", "saliency", "center"]}, images=7)
    assert sorted(told) == ["gradcam|relu4", "saliency|input"] and not len(table)
    assert "only 7 images" in told["gradcam|relu4"]["reason"]
    assert audit({"method": "gradcam"}, images=0)[0] == {}
    assert audit({"method": ["uniform", "center"]})[0] == {}


@pytest.fixture(scope="module")
def with_age(tmp_path_factory):
    """The model with a second input, which shifts one of its scores."""
    from audit.models.runtime import tensorflow

    tensorflow()
    import keras
    from keras import layers as L

    folder = tmp_path_factory.mktemp("with_age")
    write_model(folder / "plain.keras")
    plain = keras.models.load_model(folder / "plain.keras")
    age = keras.Input((1,), name="age")
    pixels = keras.Input((32, 32, 3), name="pixels")
    body = keras.Model(plain.inputs, plain.layers[-2].output, name="body")
    joined = L.Concatenate()([body(pixels), age])
    out = L.Dense(2, "softmax", kernel_initializer=keras.initializers.RandomUniform(0, 1))(joined)
    model = keras.Model([pixels, age], out)
    model.save(folder / "m.keras")
    rows = [f"{k:02d}.png,{k % 3}" for k in range(20)]
    (folder / "ages.csv").write_text("\n".join(["file_name,age", *rows]))
    return folder


def test_a_second_input_is_fed_as_when_the_image_was_explained(with_age, tmp_path, monkeypatch):
    own = Audit(tmp_path, with_age / "m.keras", monkeypatch, {"method": "gradcam"}, steps=3)
    inputs = {"image": "pixels", "columns": {"age": "age"}}
    values = own.config.model_dump()
    values["model"] |= {"inputs": inputs}
    values["dataset"] |= {"metadata": str(with_age / "ages.csv")}
    own.config = Config.model_validate(values)
    told, table = own.run()
    (entry,) = told.values()
    assert entry["fit"] is not None and (table["n_records"] == 20).all()
    assert table["up_to"].iloc[-1].endswith("conv0")


def test_a_saved_model_has_its_values_shuffled(model, tmp_path, monkeypatch):
    import keras

    keras.models.load_model(model).export(tmp_path / "saved", verbose=False)
    own = Audit(tmp_path, tmp_path / "saved", monkeypatch, {"method": "gradcam"}, steps=3)
    told, table = own.run()
    (entry,) = told.values()
    assert list(entry["redrawn_by"]) == ["own values, shuffled"] and entry["kept"]["n"] == 20
    assert table["parameters_redrawn"].iloc[-1] == 1


def test_images_that_are_gone_are_not_judged_by(tmp_path, model, monkeypatch):
    own = Audit(tmp_path, model, monkeypatch, {"method": "gradcam"})
    monkeypatch.setattr(sanity, "load_sample", lambda *args: own._load(*args)[:3])
    told, table = own.run()
    assert told["gradcam|relu4"]["fit"] is None and not len(table)
    assert "only 3 images can still be read" in told["gradcam|relu4"]["reason"]


def test_without_a_second_method_nothing_is_told_of_agreement(audit):
    told, _ = audit({"method": "gradcam"}, images=8, second_method=None, steps=2)
    assert told["gradcam|relu4"]["agreement"] is None


# -- what it does to verdicts


def test_unfit_explanations_give_no_verdict():
    judged = pd.DataFrame(
        {
            "class": ["cat", "dog", "owl", "cat", "cat"],
            "method": ["m", "m", "m", "fine", "new"], "layer": "l",
            "verdict": ["flagged", "pass", "insufficient", "flagged", "pass"], "reason": "as judged",
            "confirmation": None,
        }
    )  # fmt: skip
    fitness = {
        "m|l": {"fit": False, "reason": "it keeps its map."},
        "fine|l": {"fit": True, "reason": ""},
        "new|l": {"fit": None, "reason": "Not known: few."},
    }
    found = final_verdicts(judged, {}, fitness)
    assert list(found["verdict"]) == ["inconclusive"] * 2 + ["insufficient", "flagged", "pass"]
    assert list(found["fitness"]) == ["unfit"] * 3 + ["fit", "unknown"]
    assert found["reason"][0].endswith("it keeps its map.") and found["reason"][2] == "as judged"
    assert list(found["heatmap_verdict"]) == list(judged["verdict"])
    assert list(final_verdicts(judged, {}, {})["fitness"]) == ["not_run"] * 5
    (line,) = fitness_warnings(fitness)
    assert line.startswith("m at l is not fit to judge by")


def test_a_model_that_was_changed_since_is_refused(tmp_path, model, monkeypatch):
    changed = Audit(tmp_path, model, monkeypatch, {"method": "gradcam"}, images=8, steps=2)
    changed.noted = {"n_outputs": 3}
    with pytest.raises(AuditError, match="not the one that was inspected"):
        changed.run()
