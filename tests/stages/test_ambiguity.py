"""Records that do not count, by reason; what the sentence of a verdict says of them."""

import pytest

from audit.config.model import Config
from audit.stages.ambiguity import COLUMNS, TOLD, ambiguity_table
from audit.stages.classes import ALL, class_table
from audit.stages.eligibility import REASONS
from tests.stages.hand_made import CONFIG, UNSCORED, gathered, record


def left_out(file_name, reason, target="cat", **change):
    return record(file_name, target, eligible=False, ineligible_reason=reason, **change)


ROWS = [
    record("a", "cat"),
    left_out("b", "wrong_prediction"),
    left_out("c", "likely_label_error"),
    left_out("d", "wrong_prediction"),
    left_out("e", "unscored", **{k: v for k, v in UNSCORED.items() if k != "eligible"}),
    left_out("f", "several_classes"),
    left_out("f", "several_classes", "dog"),
    left_out("g", "not_annotated", "dog", reference="any_object"),
]


def test_reasons_are_counted_class_by_class():
    found = ambiguity_table(gathered(*ROWS), ["cat", "dog", "owl"])
    assert tuple(found.columns) == COLUMNS and {*TOLD, "not_annotated"} == set(REASONS)
    found = found.set_index("class")
    cat = found.loc["cat"]
    assert (cat["n_records"], cat["n_eligible"]) == (6, 1)
    assert {r: cat[r] for r in TOLD if cat[r]} == {
        "wrong_prediction": 2, "likely_label_error": 1, "unscored": 1, "several_classes": 1,
    }  # fmt: skip
    assert list(found["main_reason"].fillna("")) == [
        "wrong_prediction", "several_classes", "", "wrong_prediction",
    ]  # fmt: skip
    assert found.loc[ALL, "several_classes"] == 2 and found.loc["owl", "n_records"] == 0


def test_they_add_up_for_each_method_and_layer():
    both = [{**r, "layer": layer} for layer in ("deep", "out") for r in ROWS]
    found = ambiguity_table(gathered(*both), ["cat", "dog"])
    assert len(found) == 6
    assert (found[["n_eligible", *TOLD]].sum(axis=1) == found["n_records"]).all()


def test_the_sentence_names_the_main_reason():
    flags = {"flags": CONFIG.flags.model_copy(update={"min_eligible": 5})}
    config = Config.model_validate(CONFIG.model_copy(update=flags).model_dump())
    found = class_table(gathered(*ROWS), ["cat", "owl"], {}, config).classes.set_index("class")
    assert found.loc["cat", "reason"] == (
        "Too few images to judge by: 1 of the 5 that are needed; others do not count, 2 of 5 because "
        "the model named another class."
    )
    assert found.loc["owl", "reason"] == "Too few images to judge by: 0 of the 5 that are needed."


@pytest.mark.parametrize("reason", TOLD)
def test_a_reason_is_a_column(reason):
    found = ambiguity_table(gathered(left_out("a", reason)), ["cat"])
    assert list(found[reason]) == [1, 1] and list(found["main_reason"]) == [reason] * 2
