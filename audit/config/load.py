"""From a YAML file to a checked :class:`~audit.config.model.Config` with absolute paths."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from audit.config.gate import GateSection, PolicyFile
from audit.config.given import exists, read_given
from audit.config.model import Config
from audit.config.yaml_text import parse_yaml
from audit.digest import digest_json
from audit.errors import AuditError, nearest

# Of a config or a class mapping: a million classes.
MAX_BYTES = 32 * 2**20
# Keys whose values are paths, relative to the config file that holds them.
PATH_KEYS = (
    ("audit", "output"),
    ("model", "path"),
    ("model", "weights"),
    ("model", "labels"),
    ("dataset", "annotations"),
    ("dataset", "images"),
    ("dataset", "names"),
    ("dataset", "metadata"),
    ("gate", "baseline"),
    ("history", "file"),
    ("report", "proving"),
)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises
    ------
    AuditError: the file cannot be read, is no YAML, or holds no mapping.
    """
    values = parse_yaml(_text(path, str(path), "config file not found"), str(path))
    if not isinstance(values, dict):
        raise AuditError(
            "is not a config", where=str(path), expected="a mapping of sections", received=values
        )
    return values


def _text(path: Path, where: str, missing: str) -> str:
    if not exists(path):
        raise AuditError(missing, where=where)
    try:
        return read_given(path, where, MAX_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise AuditError(f"cannot be read: {error}", where=where) from None


def merge(base: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """``update`` laid over ``base``, mapping by mapping, as Snakemake merges config files."""
    merged = dict(base)
    for key, value in update.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(old, value) if both else value
    return merged


def load_config(files: Sequence[Path | str], overrides: Mapping[str, Any] | None = None) -> Config:
    """Config files merged in order, then ``overrides``; paths absolute, class mapping read in.

    Paths are relative to the file that states them; those of ``overrides`` to the last file.

    Raises
    ------
    AuditError: anything wrong, with the key's path and the nearest valid name.
    """
    values: dict[str, Any] = {}
    where = ""
    folder = Path.cwd()
    for file in map(Path, files):
        folder, where = file.resolve().parent, str(file)
        values = merge(values, _absolute(read_yaml(file), folder))
    values = merge(values, _absolute(dict(overrides or {}), folder))
    return parse_config(values, where)


def parse_config(values: Mapping[str, Any], where: str) -> Config:
    """Check a merged mapping; a ``classes`` file is read, relative to the working directory."""
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise _first_error(error, values, where) from None
    if isinstance(config.dataset.classes, str):
        mapping = _read_classes(Path(config.dataset.classes))
        return parse_config(merge(values, {"dataset": {"classes": mapping}}), where)
    return config


def load_policy(file: Path) -> GateSection:
    """The ``gate`` of a config, or of a file that holds nothing else; its paths absolute.

    Raises
    ------
    AuditError: no such file, no ``gate`` in it, or a fault in that section.
    """
    values = _absolute(read_yaml(file), file.resolve().parent)
    if "gate" not in values:
        raise AuditError("has no `gate`", where=str(file), expected="a config, or a policy alone")
    try:
        return PolicyFile.model_validate(values).gate
    except ValidationError as error:
        raise _first_error(error, values, str(file)) from None


def check_paths(config: Config, where: str) -> None:
    """Every path of the config exists and is what it should be.

    Raises
    ------
    AuditError: with the key and the path.
    """
    model, dataset = config.model, config.dataset
    for key, value in (
        ("model.path", model.path),
        ("model.weights", model.weights),
        ("model.labels", model.labels),
        ("dataset.names", dataset.names),
        ("dataset.metadata", dataset.metadata),
        ("gate.baseline", config.gate.baseline),
    ):
        if value is not None and not exists(Path(value)):
            raise AuditError(f"{key}: no such file {value!r}", where=where)
    for path in dataset.annotation_paths():
        if not exists(Path(path)):
            raise AuditError(f"dataset.annotations: no such file or folder {path!r}", where=where)
    for path in dataset.image_paths():
        if not (exists(Path(path)) and Path(path).is_dir()):
            raise AuditError(f"dataset.images: no such folder {path!r}", where=where)


def results_folder(config: Config) -> Path:
    """Where this audit's results go."""
    return Path(config.audit.output or Path("reports") / config.audit.name)


def dump_config(config: Config) -> str:
    """The whole config as JSON, defaults written out, byte for byte the same each time."""
    return json.dumps(config.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"


def read_resolved(path: Path) -> Config:
    """The config that :func:`dump_config` wrote: what the stages read."""
    return parse_config(json.loads(path.read_text(encoding="utf-8")), str(path))


def settings_digest(config: Config, *sections: str) -> str:
    """Digest of some sections, so that a rule reruns only when what it uses has changed."""
    values = config.model_dump(mode="json")
    return digest_json({key: _pick(values, key) for key in sections})


def _pick(values: Mapping[str, Any], dotted: str) -> Any:
    for part in dotted.split("."):
        values = values[part]
    return values


def _absolute(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    for section, key in PATH_KEYS:
        part = values.get(section)
        if isinstance(part, Mapping) and part.get(key) is not None:
            values[section] = {**part, key: _join(folder, part[key])}
    dataset = values.get("dataset")
    if isinstance(dataset, Mapping) and isinstance(dataset.get("classes"), str):
        values["dataset"] = {**dataset, "classes": _join(folder, dataset["classes"])}
    return values


def _join(folder: Path, value: Any) -> Any:
    if isinstance(value, list):
        return [_join(folder, item) for item in value]
    return str(folder / value) if isinstance(value, str) else value


def _read_classes(path: Path) -> dict[str, Any]:
    where = f"dataset.classes: {path}"
    text = _text(path, where, "cannot be read: No such file or directory")
    try:
        mapping = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise AuditError(f"is not valid JSON: {error}", where=where) from None
    if not isinstance(mapping, dict):
        raise AuditError(
            "is not a class mapping",
            where=where,
            expected="an object of class: [outputs]",
            received=mapping,
        )
    return mapping


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a key given twice is refused, of which JSON would silently keep the last."""
    counts = Counter(key for key, _ in pairs)
    twice = [key for key, count in counts.items() if count > 1]
    if twice:
        raise ValueError(f"key {twice[0]!r} is given twice")
    return dict(pairs)


def _first_error(error: ValidationError, values: Mapping[str, Any], where: str) -> AuditError:
    """The fault that tells most, as one line; an unknown key explains a missing one."""
    faults = [(_keys(e["loc"], values, e["type"]), e) for e in error.errors(include_url=False)]
    for keys, fault in faults:
        if fault["type"] == "extra_forbidden":
            hint = nearest(str(keys[-1]), _valid_keys(keys[:-1]))
            return AuditError(f"unknown key {_dotted(keys)!r}", where=where, hint=hint)
    keys = faults[0][0]
    # Of a union's branches, the one that fits the value's shape has looked the deepest into it.
    keys = max((k for k, _ in faults if k[: len(keys)] == keys), key=len)
    told = [fault for k, fault in faults if k == keys]
    if told[0]["type"] == "missing":
        return AuditError(f"key {_dotted(keys)!r} is missing", where=where)
    received = None if isinstance(told[0]["input"], Mapping) else told[0]["input"]
    return AuditError(f"{_dotted(keys)}: {_message(told)}", where=where, received=received)


def _message(faults: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong with one value; what each branch of a union wants is joined by "or"."""
    own = [f["msg"] for f in faults if f["type"] == "value_error"]
    if own:
        return own[0].removeprefix("Value error, ")
    texts = [
        "Input should be a mapping" if f["type"] in ("model_type", "dict_type") else f["msg"]
        for f in faults
    ]
    first, *others = dict.fromkeys(texts)
    wanted = [
        t.removeprefix("Input should be ") for t in others if t.startswith("Input should be ")
    ]
    return " or ".join([first[0].lower() + first[1:], *wanted])


def _keys(loc: Sequence[int | str], values: Any, kind: str) -> tuple[int | str, ...]:
    """The keys of a fault's place, without the tags that pydantic adds for a union's branches."""
    keys: list[int | str] = []
    for part in loc:
        inside = isinstance(values, Mapping) and part in values
        if inside or (isinstance(values, list | tuple) and part in range(len(values))):
            keys.append(part)
            values = values[part]
    return (*keys, loc[-1]) if kind == "missing" else tuple(keys)


def _dotted(keys: Sequence[int | str]) -> str:
    return ".".join(map(str, keys))


def _valid_keys(path: Sequence[object]) -> list[str]:
    """Names of the keys that a section has."""
    section: Any = Config
    keys = iter(path)
    for key in keys:
        field = section.model_fields.get(str(key)) if _is_model(section) else None
        if field is None:
            return []
        options = (field.annotation, *get_args(field.annotation))
        section = next((a for a in options if _is_model(a)), None)
        if get_origin(field.annotation) in (dict, list):
            next(keys, None)  # the entry's own name or number
    return list(section.model_fields) if _is_model(section) else []


def _is_model(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)
