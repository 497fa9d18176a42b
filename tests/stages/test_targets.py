"""Which classes are explained, and what is differentiated for them."""

import numpy as np

from audit.stages.targets import TargetChooser

MAPPING = {"cat": [0], "dog": [1, 2], "fox": [3]}
LABELS = ("tabby", "collie", "beagle", "red fox", "crane", "crane", "dog", "owl")


def chooser(*chosen, kind="softmax", labels=LABELS, top_k=1, mapping=MAPPING):
    return TargetChooser(mapping, labels, kind, chosen, top_k)


def outputs(**values):
    """Probabilities over eight outputs: p(_0=.7, _4=.2)."""
    found = np.zeros(8, np.float32)
    for name, value in values.items():
        found[int(name[1:])] = value
    return found


def told(targets):
    return {t.class_name: ("+".join(t.roles), t.outputs, t.annotated) for t in targets}


def test_annotated_classes_are_explained_and_the_predicted_one_says_so():
    targets = chooser("annotated").choose(["cat", "dog"], outputs(_2=0.6, _0=0.4))
    assert told(targets) == {
        "cat": ("annotated", (0,), True),
        "dog": ("annotated+predicted", (1, 2), True),
    }


def test_annotated_classes_without_an_output_are_left_out():
    assert chooser("annotated").choose(["zebra"], outputs(_0=1)) == []


def test_a_prediction_that_is_not_annotated_is_no_annotated_target():
    targets = chooser("predicted").choose(["cat"], outputs(_3=1))
    assert told(targets) == {"fox": ("predicted", (3,), False)}


def test_a_class_asked_for_twice_is_one_target_with_both_roles():
    targets = chooser("annotated", "top_k", top_k=3).choose(
        ["dog"], outputs(_1=0.5, _0=0.3, _2=0.2)
    )
    assert told(targets) == {
        "cat": ("top_k", (0,), False),
        "dog": ("annotated+predicted+top_k", (1, 2), True),
    }


def test_listed_classes_are_explained_in_every_image():
    targets = chooser("fox").choose(["cat"], outputs(_0=1))
    assert told(targets) == {"fox": ("listed", (3,), False)}
    assert told(chooser("fox").choose(["fox"], outputs(_0=1)))["fox"][0] == "annotated+listed"


def test_outputs_of_no_class_have_the_models_label_or_their_index():
    assert told(chooser("predicted").choose([], outputs(_7=1))) == {
        "owl": ("predicted", (7,), False)
    }
    unnamed = chooser("predicted", labels=None).choose([], outputs(_7=1))
    assert told(unnamed) == {"output_7": ("predicted", (7,), False)}


def test_a_label_that_is_another_classs_name_is_told_apart():
    """Output 6 is labelled "dog", but the data set's dog is outputs 1 and 2."""
    targets = chooser("annotated", "predicted").choose(["dog"], outputs(_6=1))
    assert told(targets) == {
        "dog": ("annotated", (1, 2), True),
        "dog (output 6)": ("predicted", (6,), False),
    }


def test_two_outputs_of_one_label_stay_two_targets():
    """ImageNet has two cranes, the bird and the machine."""
    targets = chooser("top_k", top_k=2).choose([], outputs(_4=0.6, _5=0.4))
    assert sorted(t.outputs for t in targets) == [(4,), (5,)]


def test_an_annotated_class_that_is_not_mapped_is_never_the_reference():
    """The data set's owl was left out of the mapping; the model's owl is another matter."""
    targets = chooser("predicted").choose(["owl"], outputs(_7=1))
    assert [(t.roles, t.annotated) for t in targets] == [(("predicted",), False)]


def test_multi_label_models_predict_every_output_over_one_half():
    one = chooser("predicted", kind="sigmoid")
    assert sorted(told(one.choose(["cat"], outputs(_0=0.9, _3=0.5, _7=0.49)))) == ["cat", "fox"]
    assert one.choose(["cat"], outputs(_0=0.4)) == []


def test_correct_for_one_label_is_that_the_top_output_is_of_an_annotated_class():
    one = chooser("annotated")
    cat, dog = one.choose(["cat", "dog"], outputs(_2=1))
    for target in (cat, dog):
        assert one.correct(target, ["cat", "dog"], outputs(_2=1)) is True
        assert one.correct(target, ["cat", "dog"], outputs(_3=1)) is False
        assert one.correct(target, ["cat", "dog"], outputs(_7=1)) is False
    assert one.correct(cat, ["zebra"], outputs(_0=1)) is None


def test_correct_for_many_labels_is_the_targets_own_score():
    one = chooser("annotated", "fox", kind="sigmoid")
    dog, fox = one.choose(["dog"], outputs(_2=0.6))
    assert one.correct(dog, ["dog"], outputs(_2=0.6, _0=0.9)) is True
    assert one.correct(dog, ["dog"], outputs(_2=0.4, _0=0.9)) is False
    assert one.correct(fox, ["dog"], outputs(_3=0.9)) is None  # whether there is a fox is not known


def test_binary_models_have_two_outputs():
    one = chooser("annotated", kind="binary", labels=("no", "cat"), mapping={"cat": [1]})
    (target,) = one.choose(["cat"], np.array([0.3, 0.7], np.float32))
    assert target.outputs == (1,) and target.roles == ("annotated", "predicted")
