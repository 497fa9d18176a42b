"""What every registered method owes, whatever it is: a new file is covered when it appears."""

import inspect

import numpy as np
import pytest

from audit.errors import AuditError
from audit.explain import METHODS, chosen_methods

from .subject import BATCH, HEIGHT, WIDTH, FakeSubject, photographs, question

every_method = pytest.mark.parametrize("name", METHODS.names())
# Enough of them to show it, and few enough to be quick.
QUICK = {
    "rise": {"masks": 60},
    "smoothgrad": {"samples": 5},
    "integrated_gradients": {"steps": 6},
}
OTHER_TYPES = {int: "many", float: "much", str: 3, bool: "yes"}


def heatmaps(name, asked, **options):
    entry = METHODS.get(name)
    settings = entry.settings(QUICK.get(name, {}) | options, "explain.options")
    return entry.heatmaps(asked.trace(0), settings)


def grids(asked):
    return {(HEIGHT, WIDTH), asked.input_grid}


@every_method
def test_is_described(name):
    entry = METHODS.get(name)
    assert entry.name == name and entry.source and entry.function.__doc__
    assert entry.summary and "\n" not in entry.summary and len(entry.summary) < 90
    assert not entry.summary.endswith(".")


@every_method
@pytest.mark.parametrize("kind", ["logit", "probability", "loss"])
def test_maps_are_finite_float32_and_not_negative(name, kind):
    asked = question(kind=kind)
    maps = heatmaps(name, asked)
    assert maps.dtype == np.float32 and len(maps) == 3 and maps.shape[1:] in grids(asked)
    assert np.isfinite(maps).all() and maps.min() >= 0
    assert maps.max() > 0


@every_method
@pytest.mark.parametrize("scale", [1e-18, 1e15])
def test_scores_may_be_tiny_or_huge(name, scale):
    """Random weights give maps of 1e-18; nothing may be lost to an epsilon, or overflow."""
    maps = heatmaps(name, question(FakeSubject(scale=scale)))
    assert np.isfinite(maps).all() and maps.min() >= 0 and maps.max() > 0


@every_method
def test_no_targets(name):
    asked = question(rows=())
    maps = heatmaps(name, asked)
    assert maps.dtype == np.float32 and len(maps) == 0 and maps.shape[1:] in grids(asked)


@every_method
def test_a_map_depends_on_its_own_image_and_target_alone(name):
    """To the byte: in another batch, at another place, without the other targets."""
    keys, pixels, others = [11, 12, 13, 14], photographs(), photographs(seed=1)
    rows, outputs = (2, 0, 2), ((1,), (0,), (2, 3))
    together = heatmaps(name, question(rows=rows, outputs=outputs, keys=keys, pixels=pixels))
    for place, (row, own) in enumerate(zip(rows, outputs, strict=True)):
        elsewhere = others.copy()
        elsewhere[1] = pixels[row]
        alone = question(rows=[1], outputs=[own], keys=[1, keys[row], 3, 4], pixels=elsewhere)
        assert heatmaps(name, alone)[0].tobytes() == together[place].tobytes()


@every_method
def test_the_same_twice_gives_the_same_bytes(name):
    once, again = (heatmaps(name, question()) for _ in range(2))
    assert once.tobytes() == again.tobytes()


@every_method
def test_what_is_not_a_number_stays_so(name):
    """A broken map must not look like an empty one, nor break its neighbours."""
    if METHODS.get(name).level == "baseline":
        pytest.skip("looks at no model")
    maps = heatmaps(name, question(FakeSubject(broken={0})))
    assert np.isnan(maps[1]).all()
    assert np.isfinite(maps[[0, 2]]).all()


@every_method
def test_what_is_given_is_left_as_it_was(name):
    """What the subject hands out cannot be written to, and the pixels are counted afterwards."""
    asked = question()
    before = asked.forward.pixels.tobytes(), asked.forward.scores.tobytes(), asked.seeds.tobytes()
    heatmaps(name, asked)
    after = asked.forward.pixels.tobytes(), asked.forward.scores.tobytes(), asked.seeds.tobytes()
    assert after == before


@every_method
def test_memory_is_bounded_by_a_batch(name):
    subject = FakeSubject()
    heatmaps(name, question(subject, rows=[0] * 9, outputs=[(k % 4,) for k in range(9)]))
    assert subject.most_images <= BATCH


@every_method
def test_the_work_is_what_was_said_before(name):
    """Progress is told in the passes of the estimate; batches that are not full make it more."""
    entry, asked, done = METHODS.get(name), question(), []
    asked.tick = done.append
    settings = entry.settings(QUICK.get(name, {}), "explain.options")
    entry.heatmaps(asked.trace(0), settings)
    if entry.passes is None:
        assert not done
        return
    estimate = entry.passes(asked, **settings) * 2  # two of the images have targets
    assert 0.5 * estimate <= sum(done) <= 1.5 * estimate


@every_method
def test_notes_are_sentences(name):
    entry = METHODS.get(name)
    notes = entry.notes(question(), entry.defaults())
    assert all(isinstance(note, str) and note and "\n" not in note for note in notes)


@every_method
def test_options_are_the_function_s_keywords(name):
    entry = METHODS.get(name)
    _, *keywords = inspect.signature(entry.function).parameters.values()
    assert {k.name for k in keywords} == set(entry.options)
    assert entry.defaults() == {k.name: k.default for k in keywords}
    assert entry.settings(entry.defaults(), "here") == entry.defaults()
    for option in entry.options.values():
        assert option.description[0].isupper() or option.description[0] == "`"
        assert option.description.endswith(".")


@every_method
def test_an_unknown_option_is_refused(name):
    with pytest.raises(AuditError, match=r"^here\.colour: .* has no option 'colour'"):
        METHODS.get(name).settings({"colour": 1}, "here")


every_option = pytest.mark.parametrize(
    ("name", "key"), [(name, key) for name, entry in METHODS.items() for key in entry.options]
)


@every_option
def test_an_option_of_another_type_is_refused(name, key):
    entry = METHODS.get(name)
    wrong = OTHER_TYPES[type(entry.defaults()[key])]
    with pytest.raises(AuditError, match=f"^here.{key}: wrong type; expected .*received"):
        entry.settings({key: wrong}, "here")
    with pytest.raises(AuditError, match="wrong type"):
        entry.settings({key: None}, "here")


@every_option
def test_an_option_out_of_range_is_refused(name, key):
    entry = METHODS.get(name)
    option, default = entry.options[key], entry.defaults()[key]
    if option.choices:
        with pytest.raises(AuditError, match=f"unknown choice; expected {option.choices[0]}"):
            entry.settings({key: "something else"}, "here")
    elif not isinstance(default, bool | str):
        assert option.least is not None, "a number needs a least value"
        with pytest.raises(AuditError, match="out of range; expected at least"):
            entry.settings({key: type(default)(option.least - 1)}, "here")
        if option.most is not None:
            with pytest.raises(AuditError, match="out of range"):
                entry.settings({key: type(default)(option.most + 1)}, "here")


def test_a_whole_number_stands_for_a_real_one():
    settings = METHODS.get("smoothgrad").settings({"noise": 1}, "here")
    assert settings["noise"] == 1.0 and type(settings["noise"]) is float


def test_chosen_methods_come_with_their_options():
    first, second = chosen_methods(
        ["gradcam", "scorecam"], {"scorecam": {"channels": 8}}, "explain"
    )
    assert first == (METHODS.get("gradcam"), {})
    assert second[1] == METHODS.get("scorecam").defaults() | {"channels": 8}


@pytest.mark.parametrize(
    ("names", "options", "line"),
    [
        (["gradcan"], {}, "explain.method: unknown explanation method 'gradcan'; did you mean"),
        (["cam"], {"rise": {}}, "explain.options: options of 'rise', which is not a chosen method"),
        (
            ["scorecam"],
            {"scorecam": {"channel": 2}},
            "explain.options.scorecam.channel: scorecam has no option 'channel'; did you mean",
        ),
    ],
)
def test_a_wrong_choice_is_told_in_one_line(names, options, line):
    with pytest.raises(AuditError) as error:
        chosen_methods(names, options, "explain")
    assert error.value.line().startswith(line)
