"""``layers``: what a model's trace holds that a heatmap can be made of."""

from __future__ import annotations

from collections.abc import Sequence

from audit.errors import AuditError


def list_layers(
    model: str, input_size: Sequence[int] | None, trust_code: bool
) -> list[tuple[str, str, str, str]]:
    """(path, shape, feeds, mark) of every spatial layer, in the order of the model, under a header.

    Raises
    ------
    AuditError: the model cannot be loaded or has no spatial layer.
    """
    from audit.config.model import Config
    from audit.models.probe import ModelProbe

    section: dict = {"path": model, "preprocess": "none", "trust_code": trust_code}
    if input_size:
        section["input_size"] = list(input_size)
    config = Config.model_validate(
        {
            "audit": {"name": "layers"},
            "model": section,
            # Nothing of a data set is looked at; the config model asks for one.
            "dataset": {"format": "coco", "annotations": "-", "images": "-"},
            "run": {"batch_size": 2},
        }
    )
    probe = ModelProbe(config)
    rows = [
        (
            row["layer"],
            "x".join(map(str, row["shape"])),
            "+".join(row["feeds"]) or "output",
            f"<- default: {probe.facts.layers[0].reason}" if row["default"] else "",
        )
        for row in probe.layers()
    ]
    if not rows:
        raise AuditError("the model has no spatial layer", where=model)
    return [("layer", "shape", "feeds", ""), *rows]
