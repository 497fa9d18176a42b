"""Evidence that leaves the house: sign-offs, manifest, crate and attestation, as pure functions.

:mod:`~audit.bundle.chain` has the sign-off log, :mod:`~audit.bundle.manifest` the list of digests
that binds a bundle, :mod:`~audit.bundle.crate` its RO-Crate, :mod:`~audit.bundle.statement` its
in-toto attestation. Reading and writing is done in ``audit/stages``.
"""
