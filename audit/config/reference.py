"""The reference page, the commented template and the JSON schema, all written from the model.

``python -m audit.config.reference`` writes them; a test fails when they are stale.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from audit.config.model import Config

WIDTH = 96
# What the template shows where a key has no default.
EXAMPLES = {
    "audit.name": "my-audit",
    "model.path": "model.keras",
    "model.preprocess": "scale_0_1",
    "dataset.format": "coco",
    "dataset.annotations": "annotations.json",
    "dataset.images": "images",
}


def schema() -> str:
    """The JSON schema, for editors and for Snakemake's own check."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps({**dialect, **Config.model_json_schema()}, indent=2, sort_keys=True) + "\n"


def template() -> str:
    """A config with every key, its default and what it does."""
    lines = [
        "# Every key of a config, with its default. Keys that are commented out may be left out;",
        "# paths are relative to this file. Run with: focus-audit run THIS_FILE",
    ]
    for name, field in Config.model_fields.items():
        section = _model_of(field)
        lines.append("")
        if section is None:
            lines += [*_comment(field.description or "", 0), f"# {name}:"]
            continue
        lines += [*_comment(_first_line(section), 0), f"{name}:"]
        lines += _keys(section, name, 2)
    return "\n".join(_active(lines)) + "\n"


def reference() -> str:
    """The reference page in Markdown."""
    lines = [
        "# Config reference",
        "",
        "Written from the config model by `make docs`; edit `audit/config/model.py` instead. "
        "Relative paths are relative to the config file. An unknown key is refused with the nearest "
        "valid one. `template.yaml` has every key with its default; `focus-audit check CONFIG` says "
        "what a config would audit.",
    ]
    for name, field in Config.model_fields.items():
        section = _model_of(field)
        lines += ["", f"## `{name}`", ""]
        if section is None:
            lines.append(field.description or "")
            continue
        lines += [
            _first_line(section),
            "",
            "| key | type | default | what it does |",
            "|---|---|---|---|",
        ]
        lines += list(_rows(section, ""))
    return "\n".join(lines) + "\n"


def written(root: Path) -> dict[Path, str]:
    """Each generated file of a checkout and what it should hold."""
    return {
        root / "workflow" / "schemas" / "config.schema.json": schema(),
        root / "configs" / "template.yaml": template(),
        root / "configs" / "README.md": reference(),
    }


def _rows(section: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        nested = _model_of(field)
        kind = _type_name(field.annotation)
        default = "required" if field.is_required() else f"`{_default(field)}`"
        if nested is not None and not _holds_others(field.annotation):
            default = ""
        text = (field.description or "").replace("|", "\\|")
        yield f"| `{prefix}{name}` | {kind} | {default} | {text} |"
        if nested is not None and get_origin(field.annotation) is not dict:
            entry = "[]" if get_origin(field.annotation) is list else ""
            yield from _rows(nested, f"{prefix}{name}{entry}.")


def _keys(section: type[BaseModel], path: str, indent: int) -> list[str]:
    lines: list[str] = []
    pad = " " * indent
    for name, field in section.model_fields.items():
        nested = _model_of(field)
        lines += _comment(field.description or "", indent)
        if nested is not None and not _holds_others(field.annotation):
            lines += [f"{pad}{name}:", *_keys(nested, f"{path}.{name}", indent + 2)]
            continue
        example = EXAMPLES.get(f"{path}.{name}")
        if example is not None:
            lines.append(f"{pad}{name}: {example}")
        else:
            lines.append(f"{pad}# {name}: {_default(field)}")
    return lines


def _active(lines: list[str]) -> list[str]:
    """Comment out sections of which every key is commented out: an empty section is no mapping."""
    out = list(lines)
    for i, line in reversed(list(enumerate(lines))):  # what lies inside first
        if not line.rstrip().endswith(":") or line.lstrip().startswith("#"):
            continue
        depth = len(line) - len(line.lstrip())
        inside = []
        for below in out[i + 1 :]:
            if below.strip() and len(below) - len(below.lstrip()) <= depth:
                break
            inside.append(below)
        if all(not b.strip() or b.lstrip().startswith("#") for b in inside):
            out[i] = f"{line[:depth]}# {line[depth:]}"
    return out


def _comment(text: str, indent: int) -> list[str]:
    pad = " " * indent + "# "
    lines, current = [], ""
    for word in text.replace("`", "").split():
        if current and len(pad) + len(current) + len(word) + 1 > WIDTH:
            lines.append(pad + current)
            current = word
        else:
            current = f"{current} {word}".strip()
    return [*lines, pad + current] if current else lines


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return ""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()
    return text.removesuffix("...").strip()


def _first_line(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    options = (field.annotation, *get_args(field.annotation))
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _holds_others(annotation: Any) -> bool:
    """True where a section is one choice of several, or an entry of a list or a mapping."""
    return _is_union(annotation) or get_origin(annotation) in (dict, list)


def _type_name(annotation: Any) -> str:
    """A type as a reader of YAML would say it."""
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false", NoneType: ""}
    if annotation in plain:
        return plain[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if _is_union(annotation):
        return " or ".join(filter(None, map(_type_name, args)))
    if origin is Literal:
        return ", ".join(f"`{a}`" for a in args)
    if origin is list:
        return f"list of {_type_name(args[0])}"
    if origin is tuple:
        return "[" + ", ".join(map(_type_name, args)) + "]"
    if origin is dict:
        return f"mapping to {_type_name(args[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return _type_name(args[0]) if args else "value"


def main() -> None:
    """Write the generated files of the checkout around the package."""
    for path, text in written(Path(__file__).resolve().parent.parent.parent).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {path.name}\n")


if __name__ == "__main__":
    main()
