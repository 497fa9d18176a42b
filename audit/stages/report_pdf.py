"""The report as PDF: printed by a browser, or by WeasyPrint, whichever this machine has."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from audit.errors import AuditError
from audit.tables.atomic import atomic_path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# It prints a file of the disk, and asks nobody for anything.
FLAGS = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--no-pdf-header-footer",
)  # fmt: skip
SECONDS = 300


def write_pdf(page: Path) -> Path:
    """``report.pdf`` beside the page.

    Raises
    ------
    AuditError: there is nothing here to print with, or it failed.
    """
    pdf = page.with_suffix(".pdf")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    with atomic_path(pdf) as temporary:
        if browser is not None:
            _by_browser(browser, page, temporary)
        elif importlib.util.find_spec("weasyprint") is not None:
            _by_weasyprint(page, temporary)
        else:
            raise AuditError(
                "no PDF can be made here", where="--pdf", expected="Chromium, Chrome or WeasyPrint",
                hint="install one of them (Debian: chromium), or print report.html from a browser",
            )  # fmt: skip
    return pdf


def _by_browser(browser: str, page: Path, pdf: Path) -> None:
    # Chromium's sandbox does not start for root.
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="focus-audit-pdf-") as profile:
        command = [
            browser, *FLAGS, *root, f"--user-data-dir={profile}", f"--print-to-pdf={pdf}",
            page.resolve().as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AuditError(f"the browser did not print: {error}", where=browser) from None
    if done.returncode or not pdf.is_file() or not pdf.stat().st_size:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise AuditError(f"the browser did not print: {last}", where=browser)


def _by_weasyprint(page: Path, pdf: Path) -> None:
    import weasyprint

    weasyprint.HTML(filename=str(page)).write_pdf(str(pdf))
