"""``make sbom``: the bill of materials of a release, CycloneDX 1.6 in JSON, the same bytes each time.

Components are the packages that Focus Audit installs beside itself on this platform, as
:mod:`tests.packaging.licences` lists them, with the hashes that the lock file takes for each. The serial
number follows from the content; the time is SOURCE_DATE_EPOCH's, and there is none where that is unset.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from audit import __version__
from audit.tables.atomic import atomic_path
from tests.packaging.licences import faults, licence
from tests.packaging.packages import (
    CLUSTER_LOCK,
    EXTRAS,
    LOCK,
    ROOT,
    Package,
    Pin,
    installed,
    pins_for,
    requirements,
)

HASHED = Property(
    name="focus-audit:hashes",
    value="SHA-256 of each file of this version that the lock file takes",
)


def bill(extras: Iterable[str] = EXTRAS, epoch: int | None = None) -> str:
    """The document, with these extras and the time of its making in seconds since 1970.

    Raises
    ------
    ValueError: a package is installed in a version without a pin, or its licence cannot be told.
    """
    packages = installed(extras)
    if found := faults(packages):
        raise ValueError("; ".join(found))
    root = Component(
        name="focus-audit", version=__version__, type=ComponentType.APPLICATION,
        purl=PackageURL("pypi", None, "focus-audit", __version__),
        bom_ref=f"focus-audit@{__version__}",
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
    )  # fmt: skip
    locks = [pins_for(lock) for lock in (LOCK, CLUSTER_LOCK)]
    components = {name: _component(package, locks) for name, package in packages.items()}
    document = Bom(components=components.values())
    document.metadata.component = root
    asked = {canonicalize_name(requirement.name) for requirement in requirements(extras)}
    document.register_dependency(root, [components[name] for name in asked])
    for name, package in packages.items():
        document.register_dependency(components[name], [components[n] for n in package.needs])
    told = json.loads(JsonV1Dot6(document).output_as_string())
    return _fixed(told, epoch)


def _component(package: Package, locks: list[dict[str, Pin]]) -> Component:
    pinned = [pins.get(package.name) for pins in locks]
    pin = next((p for p in pinned if p and p.version == package.version), None)
    if pin is None:
        raise ValueError(f"{package.name} {package.version} is installed, and not in a lock file")
    return Component(
        name=package.name, version=package.version, type=ComponentType.LIBRARY,
        purl=PackageURL("pypi", None, package.name, package.version),
        bom_ref=f"{package.name}@{package.version}",
        scope=ComponentScope.OPTIONAL if package.optional else ComponentScope.REQUIRED,
        licenses=[LicenseFactory().make_from_string(licence(package))],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in pin.hashes],
        properties=[HASHED],
    )  # fmt: skip


def _fixed(told: dict, epoch: int | None) -> str:
    """The document's text, with nothing of its making in it but the time that was asked for."""
    del told["serialNumber"], told["metadata"]["timestamp"]
    if epoch is not None:
        told["metadata"]["timestamp"] = datetime.fromtimestamp(epoch, UTC).isoformat()
    content = json.dumps(told, sort_keys=True, ensure_ascii=False)
    serial = uuid.uuid5(uuid.NAMESPACE_URL, content).urn
    return json.dumps(told | {"serialNumber": serial}, sort_keys=True, indent=1) + "\n"


def main(extras: list[str]) -> None:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    path = Path(ROOT / "dist" / f"focus-audit-{__version__}.cdx.json")
    with atomic_path(path) as temporary:
        temporary.write_text(bill(extras or EXTRAS, int(epoch) if epoch else None), "utf-8")
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
