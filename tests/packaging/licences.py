"""``make licences``: what Focus Audit installs, under which licences, and which of them are copyleft.

A licence is an SPDX expression: the one in the package's metadata, else what its classifier or licence
field says, else what its licence file reads like, else what :data:`LOOKED_AT` says.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution

from license_expression import ExpressionError, get_spdx_licensing

from audit.tables.atomic import atomic_path
from tests.packaging.packages import EXTRAS, ROOT, Package, installed, project

PAGE = ROOT / "THIRD_PARTY_LICENSES.md"
SPDX = get_spdx_licensing()

PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "LLVM-exception", "MIT",
    "MIT-0", "MIT-CMU", "PSF-2.0", "Zlib",
    # docutils: what it calls public domain, with no licence of the SPDX list.
    "LicenseRef-Public-Domain",
}  # fmt: skip
COPYLEFT = {
    "MPL-2.0": "Binds changed files of the package itself; Focus Audit changes none.",
}
# Programs and libraries inside wheels, beside the package's own licence: (file name, licence, what).
CARRIED = (
    (r"libgfortran\b.*", "GPL-3.0-or-later WITH GCC-exception-3.1",
     "GCC's Fortran library; the exception lets programs of any licence use it."),
    (r"libquadmath\b.*", "LGPL-2.1-or-later",
     "GCC's library for long numbers; a library of its own that a user can replace."),
    (r"lib(av(codec|format|util)|sw(resample|scale))\b.*", "LGPL-2.1-or-later",
     "FFmpeg, for OpenCV's video files, which Focus Audit does not read; libraries of their own that "
     "a user can replace."),
    (r"cbc(\.exe)?", "EPL-2.0",
     "The solver of PuLP, a program of its own that Snakemake may start to order its jobs."),
)  # fmt: skip
# Where metadata and licence file do not settle it; read in the package itself.
LOOKED_AT = {
    "astunparse": "BSD-3-Clause AND PSF-2.0",
    # The GPL among its classifiers is for an Emacs mode that is not in the wheel.
    "docutils": "LicenseRef-Public-Domain AND BSD-2-Clause AND BSD-3-Clause",
    "libclang": "Apache-2.0 WITH LLVM-exception",
    "packaging": "Apache-2.0 OR BSD-2-Clause",
    "python-dateutil": "Apache-2.0 AND BSD-3-Clause",
    "scikit-image": "BSD-3-Clause AND BSD-2-Clause AND MIT",
}
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
FIELDS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache License 2.0": "Apache-2.0",
    "FreeBSD": "BSD-2-Clause",
}
TEXTS = (
    (r"Permission is hereby granted, free of charge", "MIT"),
    (r"Licensed under the Apache License, Version 2\.0", "Apache-2.0"),
    (r"(?s)Redistribution and use in source and binary.*Neither the name", "BSD-3-Clause"),
    (r"(?s)Redistribution and use in source and binary(?!.*Neither the name)", "BSD-2-Clause"),
)


def licence(package: Package) -> str | None:
    """The SPDX expression of a package, None where none can be told."""
    metadata = package.distribution.metadata
    if package.name in LOOKED_AT:
        return LOOKED_AT[package.name]
    told = metadata["License-Expression"] or FIELDS.get(metadata["License"], metadata["License"])
    if told and (expression := _spdx(told)):
        return expression
    classes = [c.split(" :: ")[-1] for c in metadata.get_all("Classifier", ()) if "License ::" in c]
    if classes and all(name in CLASSIFIERS for name in classes):
        return " OR ".join(sorted({CLASSIFIERS[name] for name in classes}))
    texts = {_read(text) for text in _texts(package)} - {None}
    return texts.pop() if len(texts) == 1 else None


def _spdx(told: str) -> str | None:
    """The expression as SPDX writes it, None where it is none; the field may hold a whole text."""
    try:
        return str(SPDX.parse(told, validate=True)) if len(told) < 100 else None
    except ExpressionError:
        return None


def faults(packages: dict[str, Package]) -> list[str]:
    """What keeps the list from being complete: unknown licences, and ones that nobody allowed."""
    return [text for package in packages.values() for text in _faults(package)]


def _faults(package: Package) -> Iterator[str]:
    expression = licence(package)
    if expression is None:
        yield f"{package.name}: no licence can be told"
        return
    for key in SPDX.license_keys(expression):
        if key not in PERMISSIVE | COPYLEFT.keys():
            yield f"{package.name}: {key} is neither permissive nor explained"


def carried(found: Distribution) -> list[tuple[str, str]]:
    """Copyleft programs and libraries inside a package: (licence, what it is)."""
    names = {file.name for file in found.files or ()}
    return [(key, why) for like, key, why in CARRIED if any(re.fullmatch(like, n) for n in names)]


def page(packages: dict[str, Package]) -> str:
    """The list, as Markdown."""
    extras = project()["project"]["optional-dependencies"]
    others = [f"`{name}`" for name in extras if name not in EXTRAS]
    copyleft, inside = [], {}
    rows = ["| package | version | licence | for |", "|---|---|---|---|"]
    for name, package in packages.items():
        expression = licence(package) or "unknown"
        rows.append(
            f"| {name} | {package.version} | {expression} | {'an extra' if package.optional else ''} |"
        )
        copyleft += [
            f"- {name}, {key}: {COPYLEFT[key]}"
            for key in SPDX.license_keys(expression)
            if key in COPYLEFT
        ]
        for told in carried(package.distribution):
            inside.setdefault(told, []).append(name)
    carriers = [f"- {', '.join(names)}: {key}. {why}" for (key, why), names in inside.items()]
    return "\n".join(
        [
            "# Licences of what is installed",
            "",
            f"Focus Audit ({project()['project']['license']}) contains none of these packages; they are",
            "installed beside it. This is the list for Linux and Python 3.11 in the versions of",
            f"`requirements.lock`, with the extras {' and '.join(f'`{e}`' for e in EXTRAS)}; without "
            f"{', '.join(others)}",
            "and the tools of development. `make licences` writes it.",
            "",
            *rows,
            "",
            "## Copyleft",
            "",
            *copyleft,
            "",
            "Inside packages with a licence of another kind, as files of their own:",
            "",
            *carriers,
            "",
        ]
    )


def _read(text: str) -> str | None:
    """The one licence that a text is of."""
    found = [key for like, key in TEXTS if re.search(like, text)]
    return found[0] if len(found) == 1 else None


def _texts(package: Package) -> Iterator[str]:
    for file in package.distribution.files or ():
        if re.match(r"(?i)licen[cs]e|copying", file.name) and ".dist-info" in file.parts[0]:
            yield file.locate().read_text("utf-8", errors="replace")


def main() -> int:
    packages = installed()
    if found := faults(packages):
        print("\n".join(found), file=sys.stderr)
        return 1
    with atomic_path(PAGE) as temporary:
        temporary.write_text(page(packages), "utf-8")
    print(f"{PAGE.name}: {len(packages)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
