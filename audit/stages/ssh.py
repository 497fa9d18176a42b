"""Signatures by the system's own ``ssh-keygen``: no key ever passes through this package."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from audit.errors import AuditError

# What a signature is for: one made for another purpose does not pass here.
NAMESPACE = "focus-audit"


def sign(data: bytes, key: Path) -> bytes:
    """An armoured SSH signature over ``data``; asks for the key's passphrase where it has one.

    Raises
    ------
    AuditError: there is no ``ssh-keygen``, or it will not sign with this key.
    """
    if not key.is_file():
        raise AuditError("is no key file", where=str(key), expected="an SSH private key")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        path.write_bytes(data)
        done = _ssh_keygen(["sign", "-f", str(key), "-n", NAMESPACE, str(path)])
        if done.returncode:
            raise AuditError(f"ssh-keygen does not sign: {_last(done)}", where=str(key))
        return path.with_suffix(".sig").read_bytes()


def signer_of(data: bytes, signature: bytes, signers: Path | None) -> str:
    """Who signed ``data``, as ``ssh-keygen`` words it.

    ``signers``: the allowed signers (ssh-keygen(1), ALLOWED SIGNERS). For None the signature is held
    against ``data`` alone, and the answer names a key of which nobody knows whose it is.

    Raises
    ------
    AuditError: the signature is not over ``data``, or by nobody who is allowed to.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "signature"
        path.write_bytes(signature)
        base = ["-n", NAMESPACE, "-s", str(path)]
        if signers is None:
            done = _ssh_keygen(["check-novalidate", *base], data)
        else:
            found = _ssh_keygen(["find-principals", "-f", str(signers), "-s", str(path)])
            if found.returncode:
                raise AuditError(f"is by none of the allowed signers: {_last(found)}")
            identity = found.stdout.decode(errors="replace").splitlines()[0].split(",")[0]
            done = _ssh_keygen(["verify", *base, "-f", str(signers), "-I", identity], data)
    if done.returncode:
        raise AuditError(f"does not hold: {_last(done)}")
    return _last(done)


def _ssh_keygen(
    arguments: Sequence[str], data: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise AuditError(
            "ssh-keygen was not found", hint="install OpenSSH 8.1 or later to sign and to verify"
        )
    return subprocess.run([program, "-Y", *arguments], input=data, capture_output=True)


def _last(done: subprocess.CompletedProcess[bytes]) -> str:
    """The last thing that was said."""
    lines = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else f"exit code {done.returncode}"
