"""The states of a fill and of a class, as metrics.md has them, one case a line."""

import numpy as np
import pytest

from audit.statistics import (
    ConfirmationRule,
    Estimate,
    FillEvidence,
    class_state,
    clustered_mean,
    fill_evidence,
    fill_is_valid,
    fill_state,
    kept_share,
)

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

RULE = ConfirmationRule()
NONE = Estimate(np.nan, np.nan, np.nan, 0, 0, "none")


def around(mean, half=0.05, n=60):
    return Estimate(mean, mean - half, mean + half, n, n, "bca")


def evidence(o=None, b=None, c=None, d=None):
    """Means, or (mean, half width, n)."""
    told = [x if x is None or isinstance(x, tuple) else (x,) for x in (o, b, c, d)]
    return FillEvidence(*(NONE if x is None else around(*x) for x in told))


BACKGROUND = evidence(0.9, 0.1, 0.95, 0.05)
OBJECT = evidence(0.1, 0.8, 0.9, 0.8)
UNCLEAR = evidence(0.5, 0.5, 0.9, 0.4)


def test_what_is_left_is_clipped_at_one():
    found = kept_share([0.1, 0.6, 0.4, np.nan], [0.4, 0.3, 0.4, 0.5])
    np.testing.assert_array_equal(found, [0.25, 1, 1, np.nan])
    np.testing.assert_array_equal(kept_share([0.25, None], [0.5, 0.5]), [0.5, np.nan])
    for before in (0.0, None):
        with pytest.raises(ValueError, match="^before: expected positive"):
            kept_share([0.1], [before])


def test_the_difference_is_taken_record_by_record():
    found = fill_evidence(
        [0.0, 0.2, 1.0, np.nan], [np.nan] * 4, [1.0, np.nan, 0.8, 0.9], list("abcd")
    )
    assert found.object_removed.value == pytest.approx(0.4) and found.object_removed.n == 3
    assert found.difference.value == pytest.approx((1.0 - 0.2) / 2) and found.difference.n == 2
    assert found.background_removed.n == 0 and np.isnan(found.background_removed.value)
    bare = fill_evidence([None, 0.5], [None, 0.5], [0.75, 0.75], list("ab"))
    assert (bare.difference.value, bare.difference.n) == (0.25, 1)


def test_each_mean_is_seeded():
    shares = np.random.default_rng(1).random((3, 40))
    clusters = np.arange(40) // 2
    for seed, found in (
        (0, fill_evidence(*shares, clusters)),
        (3, fill_evidence(*shares, clusters, seed=3)),
    ):
        means = [*shares, shares[2] - shares[0]]
        assert found == FillEvidence(*(clustered_mean(m, clusters, seed=seed) for m in means))


def test_records_of_one_image_are_no_independent_witnesses():
    rng = np.random.default_rng(0)
    values = rng.random(30).repeat(4)
    alone, together = (
        fill_evidence(values, values, values, c).object_removed
        for c in (np.arange(120), np.arange(30).repeat(4))
    )
    assert together.high - together.low > 1.6 * (alone.high - alone.low)


@pytest.mark.parametrize(
    ("controls", "valid"),
    [
        (evidence(0.1, None, 0.9), True),
        (evidence(0.46, None, 0.9), False),  # upper(O) = .51
        (evidence(0.44, None, 0.9), True),
        (evidence(0.1, None, 0.54), False),  # lower(C) = .49
        (evidence(0.1, None, 0.56), True),
        (evidence((0.25, 0.25, 60), None, 0.9), False),  # upper(O) = .5
        (evidence(0.1, None, (0.75, 0.25, 60)), False),  # lower(C) = .5
        (evidence((0.1, 0.05, 29), None, 0.9), False),
        (evidence(0.1, None, (0.9, 0.05, 29)), False),
        (evidence((0.1, 0.05, 30), None, (0.9, 0.05, 30)), True),
        (evidence(0.1), False),
        (evidence(), False),
    ],
)
def test_a_fill_has_to_prove_itself(controls, valid):
    assert fill_is_valid(controls, RULE) is valid


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (BACKGROUND, "background"),
        (OBJECT, "object"),
        (UNCLEAR, "unclear"),
        (evidence(0.54, None, 0.7, 0.1), "unclear"),  # lower(O) = .49
        (evidence(0.56, None, 0.7, 0.1), "background"),
        (evidence(0.9, None, 0.9, 0.19), "background"),
        (evidence(0.9, None, 0.9, 0.21), "unclear"),  # upper(D) = .26
        (evidence(0.46), "unclear"),  # upper(O) = .51
        (evidence(0.44), "object"),
        (evidence(0.9), "unclear"),  # without controls nothing is background
        (evidence(0.9, None, 0.9, (0.0, 0.05, 29)), "unclear"),
        (evidence(0.9, None, 0.9, (0.0, 0.05, 30)), "background"),
        (evidence((0.1, 0.05, 29)), "unclear"),
        (evidence((0.1, 0.05, 30)), "object"),
        (evidence((0.25, 0.25, 60)), "unclear"),  # upper(O) = .5
        (evidence((0.75, 0.25, 60), None, 0.9, 0.0), "unclear"),  # lower(O) = .5
        (evidence(0.9, None, 0.9, (0.125, 0.125, 60)), "unclear"),  # upper(D) = .25
        (evidence(), "unclear"),
    ],
)
def test_what_a_fill_says(given, state):
    assert fill_state(given, RULE) == state


KINDS = {"mean": "colour", "blur": "colour", "donor": "content", "inpaint": "content"}


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"mean": BACKGROUND, "donor": BACKGROUND}, "confirmed"),
        ({"mean": BACKGROUND, "donor": evidence(0.9, None, 0.95, 0.05)}, "confirmed"),  # B once
        (
            {k: evidence(0.9, None, 0.95, 0.05) for k in ("mean", "donor")},
            "heatmap_only",
        ),  # B never
        ({"mean": BACKGROUND, "donor": evidence(0.9, 0.46, 0.95, 0.05)}, "heatmap_only"),  # .51
        (
            {"mean": BACKGROUND, "donor": evidence(0.9, (0.1, 0.05, 29), 0.95, 0.05)},
            "heatmap_only",
        ),
        (
            {"mean": BACKGROUND, "donor": evidence(0.9, (0.1, 0.05, 30), 0.95, 0.05)},
            "confirmed",
        ),
        (
            {"mean": BACKGROUND, "donor": evidence(0.9, (0.25, 0.25, 60), 0.95, 0.05)},
            "heatmap_only",
        ),  # upper(B) = .5
        ({"mean": BACKGROUND, "donor": evidence((0.9, 0.05, 30), 0.1, 0.95, 0.05)}, "confirmed"),
        ({"mean": BACKGROUND, "donor": BACKGROUND, "blur": UNCLEAR}, "heatmap_only"),
        ({"mean": OBJECT, "donor": OBJECT}, "refuted"),
        ({"mean": OBJECT, "donor": evidence(0.1)}, "refuted"),  # B measured once
        ({"mean": evidence(0.1), "donor": evidence(0.1)}, "heatmap_only"),  # B never
        ({"mean": OBJECT, "donor": evidence(0.1, 0.54)}, "heatmap_only"),  # lower(B) = .49
        ({"mean": OBJECT, "donor": evidence(0.1, (0.9, 0.01, 29))}, "heatmap_only"),
        ({"mean": OBJECT, "donor": evidence(0.1, (0.75, 0.25, 60))}, "heatmap_only"),  # .5
        ({"mean": BACKGROUND, "donor": OBJECT}, "mixed"),
        ({"mean": BACKGROUND, "donor": OBJECT, "blur": UNCLEAR}, "mixed"),
        ({"mean": UNCLEAR, "donor": OBJECT}, "heatmap_only"),
        ({"mean": UNCLEAR, "donor": BACKGROUND}, "heatmap_only"),
        ({"mean": UNCLEAR, "donor": UNCLEAR}, "heatmap_only"),
        ({"mean": BACKGROUND, "blur": BACKGROUND}, "not_run"),  # no fill of content
        ({"donor": OBJECT, "inpaint": OBJECT}, "not_run"),
        ({"mean": BACKGROUND, "donor": evidence((0.9, 0.05, 29))}, "not_run"),
        ({}, "not_run"),
    ],
)
def test_what_all_fills_say_of_a_class(given, state):
    assert class_state(given, KINDS, RULE) == state


@pytest.mark.parametrize("change", [{"min_records": 1}, {"half": 1.0}, {"max_difference": 0.0}])
def test_numbers_out_of_range_are_refused(change):
    with pytest.raises(ValueError, match=f"^{next(iter(change))}: expected"):
        ConfirmationRule(**change)


def test_two_records_are_the_fewest_a_rule_may_ask_for():
    assert ConfirmationRule(min_records=2).min_records == 2
