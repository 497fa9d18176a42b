"""What a comparison of two runs found, in words for those who have to decide."""

from __future__ import annotations

import math

from audit.statistics.paired import ChangeRule, Pairs, State
from audit.statistics.verdict import told_p


def rule_sentence(rule: ChangeRule) -> str:
    """When a class counts as changed."""
    return (
        "A class is worse (better) when more images became background-focused than ceased to be "
        f"(fewer), with q < {rule.alpha:g}: exact McNemar test over the images on which a verdict may "
        "rest in both runs, Benjamini-Hochberg over the classes. With fewer than "
        f"{rule.min_pairs} such images a class is not comparable."
    )


def change_sentence(
    state: State, focused: Pairs, q: float, rule: ChangeRule, main_reason: str = ""
) -> str:
    """What became of a class, or of all: is it real?

    ``q``: NaN for what is not corrected, as all classes together. ``main_reason``: why most records
    do not count, as a clause, where there are too few.
    """
    if state == "not_comparable":
        why = f"; most of the others do not count because {main_reason}" if main_reason else ""
        return (
            f"{_images(focused.n)} can be compared, fewer than the {rule.min_pairs} with which a "
            f"change could be told from chance{why}."
        )
    if focused.only_old == focused.only_new == 0:
        return f"No change: none of the {_images(focused.n)} compared changed its focus."
    came = f"{_images(focused.only_new)} {_are(focused.only_new)} focused on the background"
    moved = f"{came} that {_were(focused.only_new)} not before, {focused.only_old} the other way"
    tested = f"McNemar p {told_p(focused.p)}"
    if not math.isnan(q):
        tested += f", q {told_p(q)}"
    told = f"{moved} ({tested}; {focused.n} compared)"
    return (
        told
        + {
            "worse": ": a real change for the worse.",
            "better": ": a real change for the better.",
            "no_change_shown": ": no difference that chance would not make.",
        }[state]
    )


def answers_sentence(correct: Pairs, q: float, rule: ChangeRule) -> str:
    """What became of the answers, where they changed by more than chance; else empty."""
    p = correct.p if math.isnan(q) else q
    if not p < rule.alpha:
        return ""
    name = "p" if math.isnan(q) else "q"
    return (
        f"The answers changed: {_images(correct.only_old)} {_are(correct.only_old)} named "
        f"wrongly that {_were(correct.only_old)} right before, {correct.only_new} the other way "
        f"(McNemar {name} {told_p(p)})."
    )


def _images(n: int) -> str:
    return f"{n} image{'' if n == 1 else 's'}"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _were(n: int) -> str:
    return "was" if n == 1 else "were"
