"""Names of the files in a bundle: relative, with ``/``, and the same on every system."""

from __future__ import annotations

RESULTS = "results/"
"""Folder of the run's results inside a bundle."""
MANIFEST = "manifest-sha256.txt"
SIGNATURE = "manifest-sha256.txt.sig"
README = "README.md"
CRATE = "ro-crate-metadata.json"
STATEMENT = "attestation.intoto.json"
CONFIG = "stages/config.json"
"""The run's config, beside its results."""
