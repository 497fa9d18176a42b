"""The config's section on the policy: what must hold for exit code 0."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from audit.config.section import Fraction, Section

Skill = Annotated[float, Field(ge=-1, le=1)]
Count = Annotated[int, Field(ge=0)]
Consequence = Literal["fail", "warn", "ignore"]


class Limits(Section):
    """Limits on figures of `per_class.csv`; a key that is left out limits nothing."""

    min_accuracy: Fraction | None = Field(None, description="Least accuracy.")
    min_pointing_accuracy: Fraction | None = Field(None, description="Least pointing accuracy.")
    min_pointing_skill: Skill | None = Field(None, description="Least pointing skill.")
    min_energy_skill: Skill | None = Field(None, description="Least energy skill.")
    min_mean_iou: Fraction | None = Field(None, description="Least mean mask IoU.")
    max_background_focused_rate: Fraction | None = Field(
        None, description="Greatest background-focused rate of the eligible records."
    )
    max_unscored_share: Fraction | None = Field(
        None, description="Greatest share of records that could not be scored."
    )
    min_eligible: Count | None = Field(None, description="Least number of eligible records.")
    max_drop_accuracy: Fraction | None = Field(
        None, description="Greatest drop of accuracy below the baseline's."
    )
    max_drop_pointing_accuracy: Fraction | None = Field(
        None, description="Greatest drop of pointing accuracy."
    )
    max_drop_pointing_skill: Fraction | None = Field(
        None, description="Greatest drop of pointing skill."
    )
    max_drop_energy_skill: Fraction | None = Field(
        None, description="Greatest drop of energy skill."
    )
    max_drop_mean_iou: Fraction | None = Field(None, description="Greatest drop of mean mask IoU.")
    max_rise_background_focused_rate: Fraction | None = Field(
        None, description="Greatest rise of the background-focused rate above the baseline's."
    )

    def relative(self) -> list[str]:
        """Keys in use that need a baseline."""
        return [k for k in RELATIVE if getattr(self, k) is not None]


RELATIVE = tuple(k for k in Limits.model_fields if k.startswith(("max_drop_", "max_rise_")))


class OverallLimits(Limits):
    """Limits on all classes together: the row `__all__`, and the number of classes by verdict."""

    min_judged: Count = Field(
        1,
        description="Least number of classes with the verdict pass or flagged: an audit that could "
        "judge no class has shown nothing.",
    )
    max_flagged: Count | None = Field(None, description="Greatest number of flagged classes.")
    max_confirmed: Count | None = Field(None, description="Greatest number of confirmed classes.")
    max_excluded_share: Fraction | None = Field(
        None, description="Greatest share of images that were left out of the audit."
    )


class ClassLimits(Limits):
    """Limits on each class, and what follows from its verdict: `fail`, `warn` or `ignore`."""

    confirmed: Consequence = Field(
        "fail", description="Changing the image confirmed that the model relies on the background."
    )
    flagged: Consequence = Field(
        "fail", description="The heatmaps flag the class, and changing the image did not refute it."
    )
    refuted: Consequence = Field(
        "warn", description="The heatmaps flag the class, and changing the image refuted it."
    )
    inconclusive: Consequence = Field("warn", description="The class could not be judged.")
    insufficient: Consequence = Field(
        "warn", description="The class has too few eligible records to be judged."
    )


class Waiver(Section):
    """One failure that somebody answers for, until a day."""

    limit: str = Field(
        description="Key that it lifts, as `verdict.json` names it: a limit (`min_accuracy`) or a "
        "finding (`flagged`, `confirmed`)."
    )
    class_name: str | None = Field(
        None, description="The class that it is for; left out: the limit on all classes together."
    )
    owner: str = Field(min_length=1, description="Who answers for it.")
    reason: str = Field(min_length=1, description="Why it is acceptable.")
    expires: datetime.date = Field(description="Last day (UTC) on which it counts: YYYY-MM-DD.")

    @field_validator("limit")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in WAIVABLE:
            from audit.errors import nearest

            raise ValueError(f"{value!r} is nothing that is checked; {nearest(value, WAIVABLE)}")
        return value

    @field_validator("owner", "reason")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be blank")
        return value

    @field_validator("expires", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        """YAML reads a bare date as one; JSON and quotes keep it as text."""
        if isinstance(value, str):
            try:
                return datetime.datetime.strptime(value, "%Y-%m-%d").date()
            except ValueError:
                raise ValueError("must be a day, YYYY-MM-DD") from None
        if isinstance(value, datetime.datetime):
            raise ValueError("must be a day, YYYY-MM-DD, without a time")
        return value


WAIVABLE = tuple(dict.fromkeys(["fitness", *OverallLimits.model_fields, *ClassLimits.model_fields]))


class GateSection(Section):
    """The policy: what must hold for exit code 0."""

    method: str | None = Field(
        None, description="Explanation method that is judged; left out: the first of the config."
    )
    layer: str | None = Field(
        None, description="Layer that is judged; left out: the method's first."
    )
    compare: Literal["estimate", "pessimistic", "optimistic"] = Field(
        "estimate",
        description="What a limit is held against: the figure itself; the worse end of its 95 % "
        "interval, so that a limit must be shown to hold; or the better end, so that only a limit "
        "that is shown to be broken fails. Counts and shares of all records have no interval.",
    )
    not_observed: Literal["fail", "warn"] = Field(
        "fail",
        description="What follows where a limit's figure was not observed: a limit that could not "
        "be checked was not shown to hold.",
    )
    fitness: Literal["fit", "not_unfit", "any"] = Field(
        "not_unfit",
        description="The explanation: with `fit` it must be shown fit to judge by, with `not_unfit` "
        "it must not be shown unfit, with `any` it is not asked.",
    )
    overall: OverallLimits = Field(
        default_factory=OverallLimits, description="Limits on all classes together."
    )
    classes: ClassLimits = Field(default_factory=ClassLimits, description="Limits on each class.")
    by_class: dict[str, ClassLimits] = Field(
        default_factory=dict,
        description="Class -> the keys of `classes` that differ for it; `null` lifts a limit.",
    )
    baseline: str | None = Field(
        None,
        description="Results folder of an earlier run, for the limits `max_drop_...` and "
        "`max_rise_...`.",
    )
    baseline_differences: Literal["refuse", "report"] = Field(
        "refuse",
        description="What follows where the baseline was made with other images, boxes, classes, "
        "method, layer or settings than this run: `refuse` to compare, or `report` the differences "
        "and compare.",
    )
    no_new_flagged: bool = Field(
        True,
        description="With a baseline: a class that was not flagged there fails when it is now.",
    )
    waivers: list[Waiver] = Field(
        default_factory=list, description="Failures that somebody answers for, until a day."
    )

    @model_validator(mode="before")
    @classmethod
    def _overrides(cls, values: Any) -> Any:
        """Each entry of ``by_class`` with the keys of ``classes`` that it leaves out."""
        if not isinstance(values, Mapping):
            return values
        common, own = values.get("classes"), values.get("by_class")
        if not isinstance(common, Mapping) or not isinstance(own, Mapping):
            return values
        full = {k: {**common, **v} if isinstance(v, Mapping) else v for k, v in own.items()}
        return {**values, "by_class": full}

    @model_validator(mode="after")
    def _has_baseline(self) -> GateSection:
        parts = [self.overall, self.classes, *self.by_class.values()]
        used = [key for part in parts for key in part.relative()]
        if used and self.baseline is None:
            raise ValueError(f"`{used[0]}` needs `baseline`, the results folder of an earlier run")
        return self

    @model_validator(mode="after")
    def _waived_once(self) -> GateSection:
        seen: set[tuple[str, str | None]] = set()
        for waiver in self.waivers:
            key = (waiver.limit, waiver.class_name)
            if key in seen:
                raise ValueError(
                    f"waivers: {waiver.limit!r} of {waiver.class_name!r} is there twice"
                )
            seen.add(key)
        return self

    def limits_of(self, name: str) -> ClassLimits:
        """The limits on one class."""
        return self.by_class.get(name, self.classes)


class PolicyFile(BaseModel):
    """A file with a policy, whatever else it holds."""

    gate: GateSection
