"""Configs, policies, class mappings, names of outputs, columns about images."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from audit.config.load import check_paths, dump_config, load_config, load_policy
from audit.models.labels import read_labels as read_output_names
from audit.models.labels import resolve_mapping
from audit.stages.metadata import read_labels, read_metadata

from .target import target

ROOT = Path(__file__).resolve().parents[2]
YAML = (
    b"&a ", b"*a", b"<<: *a\n", b"!!python/name:os.system ", b"!!binary ", b"? ", b"- ", b": ", b"|\n",
    b"{", b"[", b"---\n", b"%YAML 1.1\n", b"0o7", b"1:2:3", b"2026-01-01", b"~", b"\t", b"!!set {a, b}",
    b"audit: {name: a}\n", b"model:\n", b"dataset:\n", b"classes: {a: 0}\n", b"0x" + b"f" * 6000,
)  # fmt: skip


def _configs() -> list[bytes]:
    return [p.read_bytes() for p in sorted((ROOT / "configs").glob("*.yaml"))]


@target("config", _configs, "audit.config.load", tokens=YAML, seconds=5)
def config(data: bytes, folder: Path) -> None:
    (folder / "c.yaml").write_bytes(data)
    found = load_config([folder / "c.yaml"])
    dump_config(found).encode("utf-8")
    check_paths(found, "c.yaml")


WAIVED = {
    "gate": {
        "overall": {"min_accuracy": 0.9},
        "waivers": [{"limit": "flagged", "class_name": "a", "owner": "b", "reason": "c",
                     "expires": "2027-01-31"}],
    }
}  # fmt: skip


@target(
    "policy",
    lambda: [yaml.safe_dump(WAIVED).encode(), (ROOT / "configs/gate.yaml").read_bytes()],
    "audit.config.load", tokens=YAML, seconds=5,
)  # fmt: skip
def policy(data: bytes, folder: Path) -> None:
    (folder / "p.yaml").write_bytes(data)
    load_policy(folder / "p.yaml")


LEAST = """
audit: {name: a}
model: {path: m.keras, preprocess: none}
dataset: {format: coco, annotations: a.json, images: i, classes: classes.json}
"""


@target(
    "classes",
    lambda: [b'{"cat": [1, 2], "dog": "dog"}', b'{"a": 0}'],
    "audit.config.load",
    kind="json",
)
def classes(data: bytes, folder: Path) -> None:
    (folder / "c.yaml").write_text(LEAST)
    (folder / "classes.json").write_bytes(data)
    found = load_config([folder / "c.yaml"])
    dump_config(found).encode("utf-8")
    resolve_mapping(found.dataset.classes, ["cat", "dog"], ["x", "dog", "y"], 3)


@target("labels", lambda: [
    b'j["cat", "dog", "cow"]', b'j{"0": ["n01", "cat"], "1": ["n02", "dog"], "2": ["n03", "cow"]}',
    b'j{"cat": 0, "dog": 1, "cow": 2}', b"c0,cat\n1,dog\n2,cow\n", b"cindex,name\n0,cat\n1,dog\n2,cow\n",
    b"tcat\ndog\n\ncow\n",
], "audit.models.labels")  # fmt: skip
def labels(data: bytes, folder: Path) -> None:
    """The first byte is the kind of file."""
    path = folder / {b"j": "a.json", b"c": "a.csv"}.get(data[:1], "a.txt")
    path.write_bytes(data[1:])
    names = read_output_names(path, 3)
    json.dumps(names, ensure_ascii=False).encode("utf-8")  # as the stages will
    resolve_mapping(None, ["cat", "dog"], names, 3)


@target("metadata", lambda: [
    b"file_name,age,site\na.jpg,30,north\nb/c.jpg,1e2,\n", b'site,file_name,age\n"x,y",a.jpg,-1\n'
], "audit.stages.metadata")  # fmt: skip
def metadata(data: bytes, folder: Path) -> None:
    (folder / "m.csv").write_bytes(data)
    read_labels(folder / "m.csv", ["site"])
    read_metadata(folder / "m.csv", ["age"])
