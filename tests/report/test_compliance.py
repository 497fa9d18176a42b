"""What a run is evidence for: every clause has its figures, and nothing is claimed."""

import dataclasses
import re

import markdown_it
import pytest

from audit.report import facts
from audit.report.compliance import mapping
from audit.report.facts import NOT_STATED, Run
from audit.report.model_card import MAX_CLASSES, Section, escaped, markdown, model_card

CLAIMS = re.compile(r"compl(y|ies|iant|ied)|conform", re.IGNORECASE)
HEADINGS = [
    "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data",
    "Quantitative analyses", "Ethical considerations", "Caveats and recommendations",
]  # fmt: skip
HOSTILE = "<b>|`x`\n# a [l](http://e.org) \u202e @all www.e.org"


def row(name, verdict="pass", confirmation="not_run", **values):
    figures = {"accuracy": 0.9, "pointing_accuracy": 0.8, "background_focused_rate": 0.1}
    limits = {f"{k}_{end}": None for k in figures for end in ("low", "high")}
    told = {"verdict": verdict, "confirmation": confirmation, "fitness": "fit"}
    return {"class": name, "verdict_stable": "True", **told, **figures, **limits, **values}


def run(*classes, system=None, **values):
    counts = {
        "images_in": 50, "images_audited": 49, "images_excluded": 1, "boxes_excluded": 2,
        "records": 48, "records_scored": 47, "records_eligible": 40,
        "records_not_eligible": {"likely_label_error": 3},
    }  # fmt: skip
    model = {"sha256": "a" * 64, "input_height": 8, "input_width": 9, "channels": 3, "n_outputs": 2}
    model |= {"output": "softmax", "output_reason": "graph", "n_parameters": 5}
    summary = {"counts": counts, "model": model, "warnings": [], "name": "zoo"}
    summary["methods"] = [{"method": "gradcam", "layer": "top"}]
    flags = {"max_rate": 0.3, "alpha": 0.05, "min_eligible": 30}
    config = {"system": system, "flags": flags, "dataset": {"format": "coco"}, "model": {}}
    hashes = {
        "model": {"m.keras": "a" * 64},
        "images": "b",
        "annotations": {"a": "c"},
        "tables": {},
    }
    provenance = {"config": config, "hashes": hashes, "choices": {"input_height": 8}}
    overall = row("__all__", "", accuracy=0.7, accuracy_low=0.6, accuracy_high=0.75)
    return Run(summary, provenance, overall, classes or (row("cat"),), metrics=["auc"], **values)


def evidence(told, clause):
    (found,) = [m for m in told if m.clause == clause]
    return " | ".join(found.evidence)


def everything(told):
    return "\n".join(str(v) for m in mapping(told) for v in dataclasses.astuple(m)) + str(
        model_card(told)
    )


def test_every_clause_has_evidence_from_a_file_and_says_what_it_lacks():
    told = mapping(run())
    assert {(m.framework.split(",")[0].split(":")[0], m.clause) for m in told} == {
        *(("EU AI Act", f"Annex IV, point {k}") for k in ("2(g)", "3", "4")),
        *(("EU AI Act", f"Article {k}") for k in (9, 10, 12, 15)),
        *(("NIST AI RMF 1.0", f"MEASURE 2.{k}") for k in (1, 5, 9)),
        *(("ISO/IEC 42001", f"Annex A, A.6.2{k}") for k in ("", ".4")),
    }
    for m in told:
        assert m.evidence and m.asks.endswith(".") and m.not_covered.endswith(".")
        assert all(re.match(r"[\w/. ,-]+: \S", text) for text in m.evidence), m.evidence


def test_nothing_is_claimed():
    verdict = {"result": "pass", "date": "d", "counts": {"checks": 1, "pass": 1}, "waivers": []}
    for told in (run(), run(verdict=verdict, sign_off="approved by A")):
        assert not CLAIMS.search(everything(told))


def test_the_figures_are_those_of_the_run():
    told = mapping(
        run(row("cat", "flagged", "confirmed"), row("dog", accuracy=0.5), row("emu", ""))
    )
    assert (
        "accuracy 70.0 % (95 % interval 60.0 to 75.0) over all classes, for 3 classes"
        in evidence(told, "Article 15")
    )
    assert "from 50.0 % to 90.0 %" in evidence(told, "Article 15")
    assert "for 3 classes; verdicts: 1 flagged, 1 pass" in evidence(told, "Article 9")
    assert "1 confirmed, 2 not_run" in evidence(told, "Article 9")
    assert "49 of 50 images audited, 47 of 48 records scored" in evidence(told, "Article 10")
    assert "3 likely label errors, 0 near-duplicates" in evidence(told, "Article 10")
    assert "predictions.csv: auc;" in evidence(told, "MEASURE 2.1")


def test_what_was_not_observed_is_no_zero():
    unseen = row("cat", accuracy=None, background_focused_rate=None)
    told = mapping(run(unseen))
    assert "for 0 classes; verdicts: 1 pass" in evidence(told, "Article 9")
    assert "for 1 class separately |" in evidence(told, "Article 15") + " |"
    assert facts.rate(unseen, "accuracy") == "not observed"


def test_what_the_config_does_not_say_is_not_stated():
    assert "risk id: not stated; risk class: not stated" in evidence(mapping(run()), "Article 9")
    told = mapping(run(system={"risk_id": "R-7", "risk_class": None}))
    assert "risk id: R-7; risk class: not stated" in evidence(told, "Article 9")
    (card,) = [s for s in model_card(run()) if s.title == "Intended use"]
    assert {text for _, text in card.rows} == {NOT_STATED}


def test_the_gate_and_the_sign_off():
    assert "there is none; the policy was not held" in evidence(mapping(run()), "Article 9")
    assert "not signed off" in evidence(mapping(run()), "Annex IV, point 2(g)")
    waivers = [{"state": "used", "owner": "Ann"}, {"state": "expired", "owner": "Bob"}]
    verdict = {
        "result": "fail",
        "date": "2026-05-31",
        "counts": {"checks": 3, "pass": 1, "fail": 2},
    }
    told = mapping(run(verdict={**verdict, "waivers": waivers}, sign_off="approved by Eve (QA)"))
    assert "fail on 2026-05-31; 3 checks: 1 pass, 2 fail" in evidence(told, "Article 9")
    assert "1 waiver in use (Ann)" in evidence(told, "Article 9")
    assert "sign_off.jsonl: approved by Eve (QA)" in evidence(told, "Annex IV, point 2(g)")


def test_the_card_has_the_usual_headings_and_the_worst_classes_first():
    classes = [row(f"c{k}") for k in range(MAX_CLASSES)] + [row("bad", "flagged")]
    card = model_card(run(*classes))
    assert [section.title for section in card] == HEADINGS
    (analyses,) = [s.rows for s in card if s.title == "Quantitative analyses"]
    assert analyses[1][0] == "bad" and ("Other classes", "1 more in per_class.csv") in analyses


@pytest.mark.parametrize("text", [HOSTILE, "*a* _b_ ~~c~~ $x$ &amp; ![i](j)", "\x1b[31m\0", "-1"])
def test_no_text_is_markup(text):
    card = [Section("Title", ((text, text),))]
    page = markdown(text, card)
    parser = markdown_it.MarkdownIt("commonmark").enable("table")
    inline = [t for t in parser.parse(page) if t.type == "inline"]
    shown = ["".join(c.content for c in t.children) for t in inline]
    assert shown.count(shown[0].removeprefix("Model card: ")) == 2 and len(inline) == 7
    assert all(c.type == "text" or c.type == "text_special" for t in inline for c in t.children)
    assert (
        page.isprintable()
        or set(page) - {"\n"}
        and all(c.isprintable() for c in set(page) - {"\n"})
    )


def test_links_that_hosts_make_by_themselves_are_broken_up():
    assert escaped("http://e.org www.e.org @all #1") == r"http\://e.org www\.e.org \@all \#1"
