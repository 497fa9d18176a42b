"""``sensitivity.csv``: what each class's verdict would be with other numbers in the rule.

One number of ``flags`` is moved at a time, and the records are judged again from what is stored of
them. Which records are eligible stays the same, and so do the heatmaps: the threshold of a heatmap
plays no part in a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from audit.config.model import Config, FlagsSection
from audit.config.sensitivity import VARIED
from audit.stages.evidence import verdict_rule
from audit.statistics import ClassEvidence, ClassVerdict, class_verdicts

CONFIGURED = "configured"
COLUMNS = (
    "class", "method", "layer", "setting", "value", "n_eligible", "n_background_focused",
    "background_focused_rate", "background_focused_shuffled", "p_value", "q_value", "verdict",
    "same_verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """The rule with one number moved; or as configured, which has no value."""

    name: str
    value: float | None
    flags: FlagsSection

    @property
    def label(self) -> str:
        return f"{self.name}={self.value:g}"


def rule_settings(config: Config) -> list[Setting]:
    """The configured rule first, then each number's other values, in the config's order."""
    moved = [
        Setting(name, value, config.flags.model_copy(update={name: value}))
        for name in VARIED
        for value in dict.fromkeys(getattr(config.sensitivity, name))
        if value != getattr(config.flags, name)
    ]
    return [Setting(CONFIGURED, None, config.flags), *moved]


def verdicts_by_setting(
    settings: Sequence[Setting], evidence: Sequence[Sequence[ClassEvidence]]
) -> list[list[ClassVerdict]]:
    """For each class of one method and layer, its verdict under each setting.

    ``evidence[class][setting]``. Corrected over the classes, in each setting anew.
    """
    by_setting = [
        class_verdicts([of_class[k] for of_class in evidence], verdict_rule(setting.flags))
        for k, setting in enumerate(settings)
    ]
    return [list(of_class) for of_class in zip(*by_setting, strict=True)]


def sensitivity_rows(
    names: tuple[str, str, str],
    settings: Sequence[Setting],
    evidence: Sequence[ClassEvidence],
    verdicts: Sequence[ClassVerdict],
) -> list[dict[str, object]]:
    """A class's rows, one a setting; ``names`` are class, method and layer."""
    return [
        {
            **dict(zip(COLUMNS[:3], names, strict=True)),
            "setting": setting.name,
            "value": setting.value,
            "n_eligible": found.n_eligible,
            "n_background_focused": found.n_background_focused,
            "background_focused_rate": found.rate,
            "background_focused_shuffled": found.shuffled_rate,
            "p_value": verdict.p_value,
            "q_value": verdict.q_value,
            "verdict": verdict.verdict,
            "same_verdict": verdict.verdict == verdicts[0].verdict,
        }
        for setting, found, verdict in zip(settings, evidence, verdicts, strict=True)
    ]


def stability(settings: Sequence[Setting], verdicts: Sequence[ClassVerdict]) -> dict[str, object]:
    """``verdict_stable``, and which settings change the verdict; empty where none was tried."""
    if len(settings) < 2:
        return {"verdict_stable": None, "verdict_changes_with": None}
    changed = [
        setting.label
        for setting, verdict in zip(settings, verdicts, strict=True)
        if verdict.verdict != verdicts[0].verdict
    ]
    return {"verdict_stable": not changed, "verdict_changes_with": " ".join(changed) or None}


def sensitivity_table(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """The rows of all classes; columns are there without a row, too."""
    return pd.DataFrame(rows, columns=list(COLUMNS))
