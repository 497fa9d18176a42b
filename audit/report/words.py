"""What the report says in words: what a class's state means and what to do next, and what no audit
of this kind can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Verdict and confirmation, most urgent first; a class's place in the report.
ORDER = ("flagged", "inconclusive", "insufficient", "pass")
SIGNS = {
    "flagged": "✗", "inconclusive": "?", "insufficient": "…", "pass": "✓",
    "confirmed": "✗", "refuted": "✓", "mixed": "?", "heatmap_only": "?", "not_run": "–",
    "fit": "✓", "unfit": "✗", "unknown": "?", "fail": "✗", "warn": "!", "waived": "w",
    "not_observed": "–", "better": "✓", "worse": "✗", "no_change_shown": "=", "not_comparable": "–",
}  # fmt: skip
# What a state is called in the page, and what it means.
CALLED = {
    "confirmed": "changes confirm it",
    "refuted": "changes: uses the object",
    "mixed": "changes contradict each other",
    "heatmap_only": "changes do not settle it",
    "not_run": "not tested by changes",
}
MEANS = {
    "flagged": "its heatmaps lie on the background more often than is tolerated",
    "inconclusive": "the audit could not clear it, nor hold anything against it",
    "insufficient": "too few images to judge",
    "pass": "its heatmaps lie on the background at most as often as is tolerated",
    "confirmed": "with the object taken out of the images the model still gives the answer, with the "
    "background taken out it does not: it answers from the background (confirmed)",
    "refuted": "with the object taken out the answer goes, with the background taken out it stays: the "
    "model answers from the object (refuted: the suspicion is)",
    "mixed": "different ways of changing the images say opposite things (mixed)",
    "heatmap_only": "images were changed, and neither is shown: that the model answers from the object "
    "alone, nor that it answers from the background alone (heatmap_only)",
    "not_run": "none of its own images were tested with changes: nothing was held against the class, or "
    "there was too little to do it with (not_run)",
}
BASELINE_METHODS = "center, uniform and random look at nothing: what they reach is chance."

LIMITS = (
    "A heatmap is an approximation of what the model uses. It can miss evidence that is spread out, "
    "and it shows where, not what: on the object is not yet for the right reason.",
    "A pass means that the share of background-focused images is shown to be within the tolerated "
    "rate on these images. It says nothing of other data, other classes or other shortcuts.",
    "Shortcuts that lie on the object (a colour, a logo on it, another object inside its box) cannot "
    "be told from it by boxes. Shortcuts that fill the picture evenly, as a colour cast does, leave "
    "nothing for a heatmap to show.",
    "The verdict rests on images that the model gets right, with one annotated class and an object "
    "that is neither too small for the map's grid nor too large to be missed. What was left out is "
    "counted under data quality.",
    "Confirmation changes images in ways that the model was not trained on. Fills are tried on "
    "controls first, two kinds have to agree, and a class whose answer is given to anything stays "
    "unconfirmed.",
    "Boxes are taken as true. An object without a box is background to this audit, and counts "
    "against the model where it looks at it: look at the pictures before believing a flag.",
    "Whether the model was trained on these images, where they come from, and whether they are like "
    "those it will meet, the audit does not know.",
)
DEFINITIONS = (
    ("accuracy", "Share of images whose top answer is one of the classes that are annotated in them: in "
     "an image of apples and bananas either is right. At the top of the page over images, in the table "
     "over the images of a class."),
    ("record", "An image and a class that is explained in it; an image of two classes gives two."),
    ("pointing accuracy", "Share of images whose heatmap has its maximum inside a box of the class. "
     "Chance: the share that a point drawn at random would reach on the same images; centre: the "
     "share that the image's middle reaches."),
    ("energy in box", "Share of the heatmap's sum that lies inside the boxes."),
    ("energy skill", "Energy in box, scaled so that 0 is what a map spread evenly reaches and 1 is the "
     "most that a map of this grid can; below 0 the object is avoided."),
    ("IoU", "Overlap of the thresholded heatmap with the boxes: intersection over union."),
    ("background-focused", "The maximum misses every box and the energy skill is below the tolerated "
     "value: in sentences, the heatmap lies on the background. A maximum that just misses the box is "
     "no such case. The rate is over eligible images."),
    ("eligible", "An image that the verdict rests on: predicted right, one annotated class, no "
     "duplicate, an object of a size that the map can show or miss."),
    ("interval", "95 %: of a hundred such audits about ninety-five hold the true value. Images that "
     "belong together count once. 'At most' in a sentence is a limit on one side alone, so it lies "
     "below the interval's upper end."),
    ("p, q", "How probable a rate this high would be if the true rate were the tolerated one; q is p "
     "after the number of classes is taken into account."),
    ("object removed", "Share of the class's probability that is left when the object is taken out of "
     "the image; background removed, and as much background removed as the object is large, likewise."),
    ("fills", "What is put in the place of what is removed. blur: the surroundings, blurred; mean: the "
     "image's mean colour; inpaint: the surroundings, continued; donor and donor_same: the background "
     "of another image, of another class and of the same one. A fill decides only if it works on "
     "controls, images of classes that pass: there the object's removal has to cost the answer, and "
     "that of as much background must not."),
    ("fitness", "Whether the heatmaps change when the model's weights are redrawn, from the output "
     "back. Kept: the mean over all steps of how much of a map is left beyond what maps of other images "
     "have in common with it. A method whose maps stay as they are shows the image, not the model."),
    ("dealt out at random", "Each image gets the heatmap of another image of the class. Where those fit "
     "as well, the heatmaps show a habit and not what is in the image. A small p speaks against that; "
     "it cannot be smaller than one in the number of draws."),
    ("box size", "small: under 32 x 32 pixels of the image; medium: under 96 x 96; large: the rest."),
)  # fmt: skip


def advice(verdict: str, confirmation: str, row: Mapping[str, Any]) -> str:
    """What to do about a class, in a sentence or two."""
    if verdict == "flagged":
        return _ADVICE_FLAGGED[confirmation if confirmation in _ADVICE_FLAGGED else "not_run"]
    if verdict == "inconclusive" and row.get("fitness") == "unfit":
        return (
            "Explain with another method (focus-audit methods lists them): this one does not show "
            "what the model uses."
        )
    if verdict == "inconclusive":
        return (
            "Do not count it as cleared. Look at its worst pictures first: an object without a box "
            "counts against the model, and boxes can be mended. Then add images of this class, since "
            "the verdict rests on those alone that the model gets right."
        )
    if verdict == "insufficient":
        return "Too little to say anything: add images of this class and run again."
    if confirmation in ("heatmap_only", "mixed"):
        return (
            "Passes by its heatmaps; changing the images did not settle where the answer comes from. "
            "Look at its changed images before relying on it."
        )
    if row.get("verdict_stable") is False:
        return "Passes, but not under every setting tried (see the stability of the verdicts)."
    return "Nothing to do."


_ADVICE_FLAGGED = {
    "confirmed": "Do not rely on this class. Look at its pictures for what they share beside the "
    "object, collect images with the object on other backgrounds and the background without the "
    "object, train again, and run the audit again.",
    "refuted": "The model answers from the object although the heatmap lies elsewhere: try another "
    "explanation method before changing the model, and look at the pictures.",
    "mixed": "Look at the confirmation pictures: the fills contradict each other. Test the class on "
    "images with the object on other backgrounds.",
    "heatmap_only": "A suspicion that changing the images did not settle. Test the class on images "
    "with the object on other backgrounds before relying on it.",
    "not_run": "A suspicion that was not tested by changing the images (its row says why). Test the "
    "class on images with the object on other backgrounds before relying on it.",
}


def three_reasons(verdict: Mapping[str, Any], classes: Sequence[Mapping[str, Any]]) -> list[str]:
    """The main reasons of the result: what breaks the policy, else what a reader should know."""
    told = list(verdict["reasons"]) + list(verdict["warnings"])
    why = {c["class"]: c["reason"] for c in classes}
    for check in verdict["checks"]:
        if check["state"] in ("warn", "not_observed") and check["sentence"] not in told:
            known = check["limit"] == "verdict" and why.get(check["class_name"])
            told.append(f"{check['class_name']}: {known}" if known else check["sentence"])
    passing = [c["class"] for c in classes if c["verdict"] == "pass"]
    if passing:
        told.append(
            f"{len(passing)} of {len(classes)} classes are shown to look at the object, within the "
            "tolerated rate of exceptions."
        )
    return told[:3]
