"""Names of a model's outputs, and which outputs each class of a data set is."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from audit.config.given import read_given
from audit.errors import AuditError, is_unicode, nearest

# A million names of thirty letters.
MAX_BYTES = 32 * 2**20
# The name of the row over all classes in per_class.csv.
OVERALL = "__all__"


def read_labels(path: Path, n_outputs: int) -> list[str]:
    """Names of the outputs, in order, from a .json, .csv or text file.

    JSON may be a list of names, an object of index: name, of name: index, or Keras' class index of
    index: [synset, name]. CSV has the name in its last column, after an optional index; text has
    one name a line.

    Raises
    ------
    AuditError: unreadable, or not one name for each of the model's outputs.
    """
    where = f"model.labels: {path}"
    try:
        text = read_given(path, where, MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AuditError(f"cannot be read: {error}", where=where) from None
    readers = {".json": _from_json, ".csv": _from_csv}
    names = readers.get(path.suffix.lower(), _from_lines)(text, where)
    for name in names:
        if not is_unicode(name):
            raise AuditError("is not valid Unicode", where=where, received=name)
    if len(names) != n_outputs:
        raise AuditError(
            "does not fit the model", where=where,
            expected=f"{n_outputs} names, one for each output", received=len(names),
        )  # fmt: skip
    return names


def _from_json(text: str, where: str) -> list[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AuditError(f"is not valid JSON: {error}", where=where) from None
    if isinstance(value, list):
        return [_text(name, where) for name in value]
    if isinstance(value, dict) and value:
        by_name = all(isinstance(v, int) for v in value.values())
        by_index = {str(index): name for name, index in value.items()} if by_name else value
        if sorted(by_index) == sorted(map(str, range(len(value)))):
            ordered = [by_index[str(i)] for i in range(len(value))]
            return [_text(v[-1] if isinstance(v, list) and v else v, where) for v in ordered]
    raise AuditError(
        "has no list of names",
        where=where,
        expected="a list, or an object whose indices run from 0",
    )


def _text(name: object, where: str) -> str:
    """A name, or a number that is one."""
    if isinstance(name, list | dict) or name is None:
        raise AuditError("holds what is no name", where=where, expected="a text", received=name)
    return str(name)


def _from_csv(text: str, where: str) -> list[str]:
    try:
        rows = [row for row in csv.reader(text.splitlines()) if row]
    except csv.Error as error:
        raise AuditError(f"is not valid CSV: {error}", where=where) from None
    if rows and len(rows[0]) > 1 and not rows[0][0].strip().isdigit():
        rows = rows[1:]  # a header
    if any(len(row) > 1 and row[0].strip() != str(i) for i, row in enumerate(rows)):
        raise AuditError("indices do not run from 0", where=where, expected="index,name a line")
    return [row[-1].strip() for row in rows]


def _from_lines(text: str, where: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def resolve_mapping(
    classes: Mapping[str, int | str | list[int | str]] | None,
    seen: Sequence[str],
    labels: Sequence[str] | None,
    n_outputs: int,
) -> dict[str, list[int]]:
    """Data set class -> sorted output indices.

    ``classes`` is the config's mapping; without it each class in ``seen`` is looked up in
    ``labels`` by name, without regard to case, spaces and underscores.

    Raises
    ------
    AuditError: an output that does not exist, an output claimed by two classes, nothing to map.
    """
    if classes is None:
        wanted = _by_name(seen, labels)
    else:
        wanted = {name: v if isinstance(v, list) else [v] for name, v in classes.items()}
    mapping = {
        name: sorted({_index(v, name, labels, n_outputs) for v in outputs})
        for name, outputs in wanted.items()
    }
    _check_mapping(mapping, seen)
    return mapping


def _by_name(seen: Sequence[str], labels: Sequence[str] | None) -> dict[str, list[int | str]]:
    if labels is None:
        raise AuditError(
            "is missing", where="dataset.classes", expected="a mapping from class to model outputs",
            hint="or give model.labels, to match classes by name",
        )  # fmt: skip
    positions: dict[str, list[int | str]] = {}
    for index, label in enumerate(labels):
        positions.setdefault(_plain(label), []).append(index)
    return {name: positions[_plain(name)] for name in seen if _plain(name) in positions}


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c not in " _-")


def _index(value: int | str, name: str, labels: Sequence[str] | None, n_outputs: int) -> int:
    where = f"dataset.classes.{name}"
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise AuditError(
            "is no output", where=where, expected="an index or a label", received=value
        )
    if isinstance(value, int):
        if not 0 <= value < n_outputs:
            raise AuditError(
                "the model has no such output", where=where, expected=f"0 to {n_outputs - 1}",
                received=value,
            )  # fmt: skip
        return value
    if labels is None:
        raise AuditError(
            "names an output by its label", where=where, received=value,
            hint="give model.labels, or the output's index",
        )  # fmt: skip
    found = [i for i, label in enumerate(labels) if label == value]
    if len(found) != 1:
        problem = (
            "no output has this label" if not found else f"{len(found)} outputs have this label"
        )
        hint = nearest(value, labels) if not found else "give its index"
        raise AuditError(problem, where=where, received=value, hint=hint)
    return found[0]


def _check_mapping(mapping: Mapping[str, list[int]], seen: Sequence[str]) -> None:
    if OVERALL in mapping:
        raise AuditError(
            f"class name {OVERALL!r} is taken", where="dataset.classes",
            hint="it is the row over all classes; rename the class in the annotations",
        )  # fmt: skip
    owners: dict[int, str] = {}
    for name, outputs in mapping.items():
        if not outputs:
            raise AuditError(
                "maps to no output",
                where=f"dataset.classes.{name}",
                expected="at least one index or label",
            )
        for output in outputs:
            other = owners.setdefault(output, name)
            if other != name:
                raise AuditError(
                    f"output {output} belongs to {other!r} already", where=f"dataset.classes.{name}",
                    hint="an output can be of one class only",
                )  # fmt: skip
    if not set(mapping) & set(seen):
        raise AuditError(
            "no class of the data set is mapped to an output", where="dataset.classes",
            hint=f"the data set's classes are: {', '.join(map(repr, seen[:12]))}",
        )  # fmt: skip
