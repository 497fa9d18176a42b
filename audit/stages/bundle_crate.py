"""The crate of a bundle against its manifest and its provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from audit.bundle.crate import inputs
from audit.bundle.names import CRATE


def crate_faults(
    crate: Mapping[str, Any], listed: Mapping[str, str], provenance: Mapping[str, Any]
) -> Iterator[str]:
    """What the crate does not tell as the manifest (``listed``) and the provenance do."""
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    parts = entities["./"]["hasPart"]
    packed = {unquote(part["@id"]) for part in (parts if isinstance(parts, list) else [parts])}
    for name in sorted(packed ^ (set(listed) - {CRATE})):
        yield f"{CRATE}: {name}: " + ("is not in the bundle" if name in packed else "is left out")
    for identifier, entity in entities.items():
        name, digest = unquote(identifier), entity.get("sha256")
        if digest is not None and listed.get(name) != digest:
            yield f"{CRATE}: {name}: has another SHA-256 than the manifest"
    for told in inputs(provenance):
        if entities.get(told["@id"], {}).get("identifier") != told["identifier"]:
            yield f"{CRATE}: {told['@id']} ({told['name']}): has another SHA-256 than provenance.json"
