"""A real audit, packed, verified and run again; slow."""

import shutil

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def packed(audited, tmp_path_factory, focus_audit):
    folder = tmp_path_factory.mktemp("packed")
    out = folder / "colours.zip"
    done = focus_audit("bundle", audited[1], "--out", out, cwd=folder)
    assert done.returncode == 0, done.stderr
    return out


def test_a_replay_writes_the_same_tables(packed, tmp_path, focus_audit):
    done = focus_audit("verify", packed, "--replay", "--cores", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (told,) = [line for line in done.stdout.splitlines() if "note: replayed:" in line]
    count = told.split()[2]
    assert f"replayed: {count} of {count} tables are the same" in told
    assert list(tmp_path.iterdir()) == []


def test_a_swapped_model_is_named(
    packed, tmp_path, colours, colour_config, write_config, focus_audit
):
    other = tmp_path / "other.keras"
    other.write_bytes(b"another model")
    config = write_config(tmp_path, colour_config(colours, model={"path": str(other)}))
    done = focus_audit("verify", packed, "--replay", config, cwd=tmp_path)
    assert done.returncode == 1 and "other.keras: is not the model that was audited" in done.stdout


def test_a_swapped_image_is_named(
    packed, tmp_path, make_world, colour_config, write_config, focus_audit
):
    """The same annotations over another picture."""
    world = make_world(tmp_path)
    picture = tmp_path / "images/red/red_05.png"
    shutil.copy(tmp_path / "images/green/green_05.png", picture)
    config = write_config(tmp_path, colour_config(world))
    done = focus_audit("verify", packed, "--replay", config, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAULT: images: are not those that were audited" in done.stdout
