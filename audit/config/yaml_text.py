"""YAML from others: plain values only, each key once, and no more of them than the text holds.

YAML's aliases can make a value of gigabytes from a kilobyte ("billion laughs"), and a value that
contains itself. Both are found before any value is made.
"""

from __future__ import annotations

from typing import Any

import yaml

from audit.errors import AuditError, is_unicode

# Values in a document once its aliases are written out. A config with a class of a thousand outputs
# for each of a thousand classes stays below this.
MAX_VALUES = 2_000_000
# PyYAML reads some 70,000 characters a second. Ten thousand classes with their outputs are 300,000.
MAX_CHARACTERS = 1_000_000
# Lists and mappings in each other, in brackets: PyYAML takes the square of it.
MAX_DEPTH = 50


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # `<<: *base`, of which a mapping may override keys
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a plain value", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        if self.flow_level >= MAX_DEPTH:
            raise yaml.scanner.ScannerError(None, None, "is nested too deep", self.get_mark())
        super().fetch_flow_collection_start(token)

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _check_size(node)
        return node


def parse_yaml(text: str, where: str) -> Any:
    """The value of a YAML document; None where it is empty.

    Raises
    ------
    AuditError: it is no YAML, names a type, is longer than :data:`MAX_CHARACTERS`, or its aliases
        make more of it than :data:`MAX_VALUES`.
    """
    if len(text) > MAX_CHARACTERS:
        raise AuditError(
            "is too large for YAML", where=where, expected=f"{MAX_CHARACTERS} characters at most",
            received=len(text), hint="a class mapping may be a JSON file of its own",
        )  # fmt: skip
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)  # a SafeLoader: no code runs
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f"{where}:{mark.line + 1}" if mark else where
        problem = getattr(error, "problem", None) or str(error)
        raise AuditError(f"is not valid YAML: {problem}", where=at) from None
    except (ValueError, TypeError, AttributeError, RecursionError, KeyError, IndexError) as error:
        # PyYAML lets through what its readers of numbers and dates raise, and does not count depth.
        raise AuditError(f"is not valid YAML: {error}", where=where) from None


def _check_size(root: yaml.Node) -> None:
    """Count the values with every alias written out, each anchor once."""
    sizes: dict[int, int] = {}
    open_: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in open_:
            raise _fault("a value contains itself", node)
        if id(node) not in sizes:
            open_.add(id(node))
            sizes[id(node)] = 1 + sum(map(size, _parts(node)))
            open_.discard(id(node))
        if sizes[id(node)] > MAX_VALUES:
            raise _fault(f"aliases make more than {MAX_VALUES} values of it", node)
        return sizes[id(node)]

    size(root)


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    if isinstance(node, yaml.SequenceNode):
        return node.value
    _check_text(node)
    return []


def _check_text(node: yaml.Node) -> None:
    if not is_unicode(node.value):
        raise _fault("text is not valid Unicode", node)


def _fault(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
