"""Device and precision, each tried in a process of its own: TensorFlow is set up once."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ASK = """
import sys
import numpy as np
from audit.errors import AuditError
from audit.models import runtime
try:
    tf = runtime.start(1, {device!r}, {precision!r})
except AuditError as error:
    sys.exit(f"refused: {{error}}")
print(runtime.device_name(), tf.config.experimental.tensor_float_32_execution_enabled())
rng = np.random.default_rng(0)
kernel = tf.constant(rng.normal(size=(3, 3, 64, 64)).astype("f4"))
ask = tf.function(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"), input_signature=[
    tf.TensorSpec((4, 16, 16, 64), tf.float32)]).get_concrete_function()
np.save(sys.argv[1], ask(tf.constant(rng.normal(size=(4, 16, 16, 64)).astype("f4"))).numpy())
"""


def ask(path, device="auto", precision="float32", **env):
    code = ASK.format(device=device, precision=precision)
    return subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False,
        env={**os.environ, **env},
    )  # fmt: skip


def has_bfloat16():
    told = Path("/proc/cpuinfo")
    flags = told.read_text() if told.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


@pytest.mark.slow
def test_mixed_precision_changes_the_answers_a_little(tmp_path):
    if not has_bfloat16():
        pytest.skip("this processor has no bfloat16")
    found = {}
    for precision in ("float32", "mixed_bfloat16"):
        path = tmp_path / f"{precision}.npy"
        done = ask(path, "cpu", precision)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["CPU", str(precision != "float32")]
        found[precision] = np.load(path)
    exact, mixed = found.values()
    apart = np.abs(exact - mixed).max() / exact.std()
    assert 1e-4 < apart < 0.05  # eight bits of a fraction


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "precision", "told"),
    [
        ("gpu", "float32", "run.device: TensorFlow finds no GPU"),
        ("cpu", "mixed_float16", "run.precision: mixed_float16 is for a GPU, and this machine works "
         "on its CPU; set run.precision: mixed_bfloat16, or float32"),
    ],
)  # fmt: skip
def test_what_this_machine_has_not_is_told(device, precision, told, tmp_path):
    done = ask(tmp_path / "none.npy", device, precision, CUDA_VISIBLE_DEVICES="-1")
    assert done.returncode == 1 and f"refused: {told}" in done.stderr


@pytest.mark.slow
def test_a_gpu_gives_what_the_cpu_gives(tmp_path):
    """Within the rounding of sums in another order; shortened float32 is a hundred times off."""
    found = {}
    for device in ("cpu", "gpu"):
        done = ask(tmp_path / f"{device}.npy", device)
        if "finds no GPU" in done.stderr:
            pytest.skip("there is no GPU")
        assert done.returncode == 0, done.stderr
        found[device] = np.load(tmp_path / f"{device}.npy")
    assert np.abs(found["cpu"] - found["gpu"]).max() < 1e-5 * found["cpu"].std() * 24
