"""``make bench``: speed and memory as ratios to the work nobody can avoid.

``python -m tests.benchmarks [SECTION ...]``; all of :data:`SECTIONS` by default, about half an hour on
two cores. The peers need an environment of their own and make it. Timings on a shared machine are
noisy: read the ratios, which are taken side by side in one run.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.data import model_file, write_audit, write_images

ROOT = Path(__file__).resolve().parents[2]
COMMAND = str(Path(sys.executable).parent / "focus-audit")
# Kept between runs: making the pictures takes longer than some of the measurements.
FOLDER = Path(os.environ.get("BENCH_FOLDER", Path(tempfile.gettempdir()) / "focus-audit-bench"))


def main(sections: list[str]) -> None:
    chosen = sections or list(SECTIONS)
    write_images(FOLDER / "images", 4000)
    for name in chosen:
        print(f"\n== {name}", flush=True)
        SECTIONS[name]()


def scoring() -> None:
    """One record, with and without the sweep of boxes."""
    _python(str(ROOT / "tests/benchmarks/bench_scoring.py"))


def explain() -> None:
    """Explain against decoding plus the bare forward pass."""
    for name, preprocess, count in (
        ("MobileNetV2", "mobilenet_v2", 1280),
        ("ResNet50", "resnet50", 320),
    ):
        config = write_audit(FOLDER, f"explain_{name}", model_file(FOLDER, name), preprocess, count)
        print(f"{name:<12}", end=" ", flush=True)
        _python("-m", "tests.benchmarks.speed", str(config), str(count))


def targets() -> None:
    """The top five classes of an image against one of them."""
    model = model_file(FOLDER, "MobileNetV2")
    for k in (1, 5):
        more = {"targets": {"classes": "top_k", "top_k": k}}
        config = write_audit(FOLDER, f"targets_{k}", model, "mobilenet_v2", 1280, **more)
        print(f"top {k}       ", end=" ", flush=True)
        _python("-m", "tests.benchmarks.speed", str(config), "1280")


def audit() -> None:
    """The whole audit: slope between 2,000 and 10,000 images against decoding plus the bare forward
    pass, and what is left at none.

    Without confirmation, whose passes are bounded by its budget and not by the images.
    """
    for name, preprocess, few, many in (
        ("MobileNetV2", "mobilenet_v2", 2000, 10_000),
        ("ResNet50", "resnet50", 500, 2500),  # six times the work each
    ):
        bounds = [_bound(name, preprocess)]
        seconds = {count: _audited(name, preprocess, count) for count in (few, many)}
        bounds.append(_bound(name, preprocess))
        bound, slope = sum(bounds) / 2, 1000 * (seconds[many] - seconds[few]) / (many - few)
        print(
            f"{name}: slope {slope:.3f} ms/image, the bound {bound:.3f} ({bounds[0]:.3f} before, "
            f"{bounds[1]:.3f} after): {bound / slope:.3f} of it; "
            f"fixed {seconds[few] - few * slope / 1000:.1f} s"
        )


def large() -> None:
    """Seconds an image at 5,000 and at 50,000."""
    for count in (5000, 50_000):
        print(f"{1000 * _audited('MobileNetV2', 'mobilenet_v2', count) / count:.3f} ms/image")


def photographs() -> None:
    """Twelve megapixels to the model's input, in full and at a part of the size."""
    _python("-m", "tests.benchmarks.photographs")


def _audited(name: str, preprocess: str, count: int) -> float:
    """Seconds of an audit without confirmation; prints what became of them."""
    _link_images(count)
    more = {"confirm": {"classes": "none"}, "report": {"gallery": 0}}
    config = write_audit(
        FOLDER, f"audit_{name}_{count}", model_file(FOLDER, name), preprocess, count, **more
    )
    results = FOLDER / "reports" / f"audit_{name}_{count}"
    shutil.rmtree(results, ignore_errors=True)
    began = time.perf_counter()
    _run_audit(config)
    seconds = time.perf_counter() - began
    print(f"{name}, {count:,} images: {seconds:.1f} s; {_stages(results, seconds)}", flush=True)
    return seconds


def _bound(name: str, preprocess: str) -> float:
    """Milliseconds an image for decoding, resizing and the bare forward pass."""
    count = 1280 if name == "MobileNetV2" else 320
    config = write_audit(FOLDER, f"explain_{name}", model_file(FOLDER, name), preprocess, count)
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.speed", str(config), str(count)],
        check=True, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    print(done.stdout, end="", flush=True)
    words = done.stdout.split()
    return float(words[1]) + float(words[3])


def _link_images(count: int) -> None:
    """The pictures under further names."""
    images = FOLDER / "images"
    for number in range(4000, count):
        link = images / f"{number:05d}.jpg"
        if not link.exists():
            os.link(images / f"{number % 4000:05d}.jpg", link)


def _run_audit(config: Path) -> None:
    """A whole audit; networks with random weights are not judged, so the gate (1) does not count."""
    done = subprocess.run([COMMAND, "run", str(config)], capture_output=True, text=True, cwd=FOLDER)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)


def memory() -> None:
    """Peak memory of explain and score at 2,000 and 20,000 images of a small model."""
    weights = Path(__file__).resolve().parents[3] / "shared/data/weights"
    model = weights / "mobilenet_v1_025_128_imagenet.keras"
    if not model.exists():
        print("needs ../shared/data, which is not part of a clone")
        return
    _link_images(20_000)
    peaks = {}
    for count in (2000, 20_000):
        config = write_audit(FOLDER, f"memory_{count}", model, "mobilenet", count)
        results = FOLDER / "reports" / f"memory_{count}"
        _run_audit(config)
        shard = next((results / "stages/score").glob("*.parquet")).stem
        peaks[count] = {s: _peak(s, results, shard) for s in ("explain", "score")}
    for stage in ("explain", "score"):
        grown = peaks[20_000][stage] - peaks[2000][stage]
        print(
            f"{stage:<8} {peaks[2000][stage] / 1024:.0f} MiB at 2,000, "
            f"{peaks[20_000][stage] / 1024:.0f} MiB at 20,000: {grown / 18_000:.3f} KiB an image"
        )


def size() -> None:
    """Every stage but explain at 10,000 and 100,000 records; a million: ``tests.benchmarks.size``."""
    _python("-m", "tests.benchmarks.size", "10000", "100000")


def methods() -> None:
    """Each explanation method's cost an image."""
    _python(
        "-m", "tests.benchmarks.methods", str(model_file(FOLDER, "MobileNetV2")), "mobilenet_v2"
    )


def peers() -> None:
    """Grad-CAM of other packages beside ours, in an environment of their own."""
    from tests.benchmarks.peers import compare

    compare(FOLDER, model_file(FOLDER, "MobileNetV2"))


def quantus() -> None:
    """Localisation metrics beside Quantus' own, in an environment of its own."""
    from tests.benchmarks.quantus import compare

    compare(FOLDER)


def _peak(stage: str, results: Path, shard: str) -> int:
    command = [
        sys.executable, "-m", "tests.benchmarks.memory", COMMAND, stage,
        "--config", str(results / "stages/config.json"), "--shard", shard,
    ]  # fmt: skip
    if stage == "score":
        command += ["--jobs", "2"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return int(done.stdout.split()[-1])


def _stages(results: Path, seconds: float) -> str:
    """Share of each stage, from Snakemake's own benchmark files; stages may overlap."""
    found = {}
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        name = path.parent.name if path.parent.name in ("explain", "score") else path.stem
        with path.open() as file:
            own = sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
        found[name] = found.get(name, 0) + own
    return ", ".join(f"{name} {own:.1f} s ({own / seconds:.0%})" for name, own in found.items())


def _python(*args: str) -> None:
    subprocess.run([sys.executable, *args], check=True, cwd=ROOT, stderr=subprocess.DEVNULL)


SECTIONS = {
    "scoring": scoring,
    "explain": explain,
    "targets": targets,
    "audit": audit,
    "large": large,
    "photographs": photographs,
    "memory": memory,
    "size": size,
    "methods": methods,
    "peers": peers,
    "quantus": quantus,
}

if __name__ == "__main__":
    main(sys.argv[1:])
