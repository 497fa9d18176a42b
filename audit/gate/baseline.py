"""Whether two runs may be compared: what an earlier run was made with, against this one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

# Keys of `explain` that change what a figure means, beside method and layer.
EXPLAINED = ("score", "options", "grid", "tokens")
SHOWN = 60


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run's figures depend on, beside the model."""

    method: str
    layer: str
    classes: tuple[str, ...]
    images: str
    """Digest of the audited images."""
    annotations: tuple[str, ...]
    """Digests of the annotation files, sorted: their names may differ."""
    heatmap: dict[str, Any]
    flags: dict[str, Any]
    explain: dict[str, Any]
    resize: dict[str, Any]

    @classmethod
    def of(
        cls,
        pair: tuple[str, str],
        classes: tuple[str, ...],
        config: dict[str, Any],
        hashes: dict[str, Any],
    ) -> Setting:
        """From a run's resolved config and the ``hashes`` of its provenance."""
        return cls(
            method=pair[0],
            layer=pair[1],
            classes=tuple(sorted(classes)),
            images=hashes["images"],
            annotations=tuple(sorted(hashes["annotations"].values())),
            heatmap=config["heatmap"],
            flags=config["flags"],
            explain={key: config["explain"][key] for key in EXPLAINED},
            resize=config["model"]["resize"],
        )


def differences(now: Setting, then: Setting) -> list[str]:
    """What differs between a run and its baseline, one clause each; empty: they may be compared."""
    return [
        _clause(field.name, mine, old)
        for field in fields(Setting)
        if (mine := getattr(now, field.name)) != (old := getattr(then, field.name))
    ]


def _clause(name: str, now: Any, then: Any) -> str:
    if isinstance(now, dict):
        keys = sorted(k for k in {*now, *then} if now.get(k) != then.get(k))
        return "; ".join(
            f"{name}.{k}: {_short(then.get(k))} then, {_short(now.get(k))} now" for k in keys
        )
    if name == "classes":
        return f"classes: {_only(then, now)} only then, {_only(now, then)} only now"
    if name in ("images", "annotations"):
        return f"{name}: other files"
    return f"{name}: {then} then, {now} now"


def _only(these: tuple[str, ...], others: tuple[str, ...]) -> str:
    names = [name for name in these if name not in others]
    return _short(", ".join(names)) if names else "none"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
