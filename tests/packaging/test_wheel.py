"""The wheel: the same bytes wherever it is built, and all that a run needs away from the clone."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from audit.stages.workflow import TABLES
from tests.packaging.packages import ROOT

pytestmark = pytest.mark.slow
SITE = next(p for p in map(Path, sys.path) if (p / "tensorflow").is_dir())
# What the source archive may hold at its top.
SOURCES = {
    "audit", "workflow", "configs", "Snakefile", "requirements.lock", "requirements-cluster.lock",
    "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "THIRD_PARTY_LICENSES.md",
    "pyproject.toml", ".gitignore", "PKG-INFO",
}  # fmt: skip


def _copy(root, to, mode, when):
    """The sources without git, with these file modes and times, and rubbish beside them."""
    to.mkdir(parents=True)
    for name in SOURCES - {"PKG-INFO"}:
        if (root / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(root / name, to / name, ignore=ignored)
        elif (root / name).exists():
            shutil.copy(root / name, to / name)
    for rubbish in ("scratch/old/audit/x.py", "audit/__pycache__/x.pyc", ".venv/README.md"):
        (to / rubbish).parent.mkdir(parents=True, exist_ok=True)
        (to / rubbish).write_text("rubbish")
    for path in sorted(to.rglob("*")):
        os.utime(path, (when, when))
        if path.is_file():
            path.chmod(mode)
    return to


def _build(source, out, *options, umask=0o022, zone="UTC"):
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), *options, str(source)],
        env={k: v for k, v in os.environ.items() if k != "SOURCE_DATE_EPOCH"} | {"TZ": zone},
        umask=umask, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name: path for path in sorted(out.iterdir())}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return _copy(ROOT, tmp_path_factory.mktemp("source") / "one", 0o644, 1_700_000_000)


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    """Source archive, and the wheel made from it."""
    return _build(source, tmp_path_factory.mktemp("built"))


def _wheel(files):
    return next(path for name, path in files.items() if name.endswith(".whl"))


def _digests(files):
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def test_the_same_bytes_from_another_folder_umask_time_and_zone(source, built, tmp_path):
    other = _copy(source, tmp_path / "a longer name/two", 0o600, 1_600_000_001)
    again = _build(other, tmp_path / "dist", umask=0o077, zone="Asia/Kathmandu")
    assert len(built) == 2
    assert _digests(again) == _digests(built)
    direct = _build(other, tmp_path / "direct", "--wheel")
    assert _digests(direct).items() <= _digests(built).items()


def test_the_archives_hold_the_sources_and_no_rubbish(source, built):
    with tarfile.open(next(p for n, p in built.items() if n.endswith(".tar.gz"))) as archive:
        names = {tuple(name.split("/")[1:]) for name in archive.getnames()}
    assert {name[0] for name in names if name} <= SOURCES
    assert not any(".pyc" in name[-1] or "scratch" in name or "tests" in name for name in names)
    with zipfile.ZipFile(_wheel(built)) as wheel:
        held = set(wheel.namelist())
    workflow = {f"audit/_workflow/{name}" for name in _files(source, "workflow", "configs")}
    assert {name for name in held if ".dist-info/" not in name} == (
        _files(source, "audit") | workflow | {"audit/_workflow/Snakefile"}
    )


def _files(root, *folders):
    paths = (path for folder in folders for path in (root / folder).rglob("*"))
    return {
        str(path.relative_to(root))
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def elsewhere(built, tmp_path_factory):
    """An environment with the wheel, which finds the other packages and no clone."""
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    site = next((folder / "env").glob("lib/python*/site-packages"))
    (site / "others.pth").write_text(f"{SITE}\n")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", folder / "env/bin/python", "install", "--quiet",
         "--no-deps", "--no-index", "--force-reinstall", _wheel(built)],
        check=True, timeout=300,
    )  # fmt: skip
    return folder


def _run(elsewhere, *arguments, cwd):
    done = subprocess.run(
        [elsewhere / "env/bin" / arguments[0], *map(str, arguments[1:])],
        cwd=cwd, env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_audit_away_from_the_clone(
    elsewhere, colours, colour_config, write_config, audited, tmp_path
):
    where = _run(elsewhere, "python", "-c", "import audit; print(audit.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(elsewhere)
    path = write_config(tmp_path, colour_config(colours))
    told = _run(elsewhere, "focus-audit", "run", path, "--cores", 2, cwd=tmp_path)
    assert "Report: reports/colours/report.html" in told
    root = tmp_path / "reports" / "colours"
    differ = [n for n in TABLES if (root / n).read_bytes() != (audited[1] / n).read_bytes()]
    assert differ == []


def test_every_module_can_be_imported_away_from_the_clone(elsewhere, tmp_path):
    code = (
        "import pkgutil, audit, importlib\n"
        "names = [m.name for m in pkgutil.walk_packages(audit.__path__, 'audit.')]\n"
        "[importlib.import_module(n) for n in names if not n.endswith('__main__')]\n"
        "print(len(names))"
    )
    assert int(_run(elsewhere, "python", "-c", code, cwd=tmp_path)) > 150
