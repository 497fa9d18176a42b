"""Model files that point elsewhere, unpack without end, or hold what is no number: refused, unopened."""

import io
import json
import os
import pickle
import zipfile

import h5py
import numpy as np
import pytest

from .faults import fault
from .networks import SIZE, L, conv, dense, keras

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Members of an honest file."""
    x = keras.Input(SIZE)
    path = tmp_path_factory.mktemp("honest") / "m.keras"
    keras.Model(x, dense(3)(L.GlobalAveragePooling2D()(conv()(x)))).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def h5(tmp_path):
    x = keras.Input(SIZE)
    path = tmp_path / "m.h5"
    keras.Model(x, dense(3, name="last")(L.GlobalAveragePooling2D()(conv()(x)))).save(path)
    return path


def packed(path, members, how=zipfile.ZIP_STORED):
    """``members``: (name or ZipInfo, content), in order."""
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_the_parts_are_those_of_an_honest_file(parts, tmp_path):
    from audit.models.contents import read_contents

    assert set(parts) == set(MEMBERS)
    for how in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = packed(tmp_path / "m.keras", parts.items(), how)
        found = read_contents(path, "x")
        assert found.config["class_name"] == "Functional" and not found.is_keras2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../out", "has a path that leads elsewhere"),
        ("assets/../../out", "has a path that leads elsewhere"),
        ("/etc/out", "has an absolute path"),
        ("C:/out", "has an absolute path"),
        ("assets\\..\\out", "not every system keeps"),
        ("config.json", "is there more than once"),
        ("CONFIG.json", "is there more than once"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_lie_elsewhere_or_twice(name, message, parts, tmp_path):
    info = zipfile.ZipInfo("x")
    info.filename = name  # as it stands in the archive, on every system
    path = packed(tmp_path / "m.keras", [*parts.items(), (info, b"x")])
    for trusted in (False, True):
        assert message in fault(path, model__trust_code=trusted)
    assert not (tmp_path / "out").exists() and not (tmp_path.parent / "out").exists()


@pytest.mark.parametrize("kind", [0o120777, 0o010644, 0o060644])
def test_members_that_are_links_pipes_or_devices(kind, parts, tmp_path):
    info = zipfile.ZipInfo("assets/link")
    info.external_attr = kind << 16
    path = packed(tmp_path / "m.keras", [*parts.items(), (info, b"/etc/passwd")])
    assert "is a link or no plain file" in fault(path)


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_without_a_bound(how, parts, tmp_path):
    path = packed(tmp_path / "m.keras", parts.items(), how)
    assert "is packed in an unusual way" in fault(path)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "assets/bomb"])
def test_members_that_unpack_without_end(name, parts, tmp_path):
    """Nested ones count by what the outer archive says: nothing unpacks an archive in it."""
    bomb = bytes(300 * 2**20)
    path = packed(tmp_path / "m.keras", {**parts, name: bomb}.items(), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**6
    assert "bytes unpack to 314" in fault(path)


def test_a_config_of_a_hundred_megabytes(parts, tmp_path):
    config = b'{"a": "' + bytes(70 * 2**20).replace(b"\0", b"x") + b'"}'
    path = packed(tmp_path / "m.keras", {**parts, "config.json": config}.items())
    assert fault(path) == "has a config.json of more than 67,108,864 bytes"


@pytest.mark.parametrize("depth", [800, 100_000])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_config_that_is_nested_without_end(depth, suffix, parts, h5, tmp_path):
    deep = b'{"a": ' + b"[" * depth + b"]" * depth + b"}"
    if suffix == ".h5":
        with h5py.File(h5, "r+") as file:
            file.attrs["model_config"] = np.bytes_(deep) if depth < 60_000 else deep.decode()
        path = h5
    else:
        path = packed(tmp_path / "m.keras", {**parts, "config.json": deep}.items())
    line = fault(path)
    assert "nested too deep" in line or line.startswith("cannot be loaded")


class Marks:
    """Unpickled, it leaves a mark."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_pickled_weights_are_refused_and_not_unpickled(parts, tmp_path):
    mark = tmp_path / "ran"
    array = np.empty(1, object)
    array[0] = Marks(mark)
    out = io.BytesIO()
    np.savez(out, **{"layers/dense": array})
    members = [(n, parts[n]) for n in MEMBERS[:2]] + [("model.weights.npz", out.getvalue())]
    assert "has no model.weights.h5" in fault(packed(tmp_path / "m.keras", members))
    both = [*parts.items(), ("model.weights.npz", out.getvalue())]
    fault_or_fine(packed(tmp_path / "both.keras", both))
    packed(tmp_path / "pickle.keras", {**parts, "config.json": pickle.dumps(Marks(mark))}.items())
    assert fault(tmp_path / "pickle.keras").startswith("cannot be loaded: its config is no JSON")
    assert not mark.exists()


def fault_or_fine(path):
    from audit.errors import AuditError
    from audit.models.loading import load_model

    from .networks import config

    try:
        load_model(config(path).model)
    except AuditError as error:
        assert "\n" not in str(error)


# --- HDF5, alone and in an archive --------------------------------------------------------------


def external_link(file, folder):
    file["model_weights/link"] = h5py.ExternalLink(str(folder / "other.h5"), "/secret")


def soft_link(file, folder):
    file["model_weights/link"] = h5py.SoftLink("/model_weights")


def external_storage(file, folder):
    (folder / "secret").write_bytes(bytes(400))
    file.create_dataset("x", (100,), "float32", external=[(str(folder / "secret"), 0, 400)])


def virtual(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["secret"] = np.zeros(100)
    layout = h5py.VirtualLayout((100,), "float32")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "secret", (100,))
    file.create_virtual_dataset("x", layout)


def objects(file, folder):
    file.create_dataset("x", data=np.array(["pickled"], object), dtype=h5py.string_dtype())


def larger_than_it_is(file, folder):
    file.create_dataset("x", (10**6, 10**6), "float32", chunks=(100, 100))


HDF5 = {
    external_link: "from another file",
    soft_link: "from another file",
    external_storage: "from another file",
    virtual: "from another file",
    objects: "is no array of numbers",
    larger_than_it_is: "says that it holds 1e+12 numbers",
}


@pytest.mark.parametrize("change", HDF5, ids=lambda change: change.__name__)
@pytest.mark.parametrize("how", ["h5", "stored", "deflated"])
def test_weights_that_lie_elsewhere(change, how, h5, parts, tmp_path):
    """By Keras 3 itself some are refused; here all are, in each kind of file, trusted or not."""
    path = h5
    if how != "h5":
        path = tmp_path / "m.keras"
        (tmp_path / "weights").write_bytes(parts["model.weights.h5"])
        with h5py.File(tmp_path / "weights", "r+") as file:
            file.require_group("model_weights")
            change(file, tmp_path)
        parts = {**parts, "model.weights.h5": (tmp_path / "weights").read_bytes()}
        packed(path, parts.items(), getattr(zipfile, f"ZIP_{how.upper()}"))
    else:
        with h5py.File(path, "r+") as file:
            change(file, tmp_path)
    for trusted in (False, True):
        assert HDF5[change] in fault(path, model__trust_code=trusted)


def test_groups_that_hold_themselves(h5):
    with h5py.File(h5, "r+") as file:
        file["model_weights/again"] = file["model_weights"]
    fault_or_fine(h5)


# --- what is no file ----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_model_file_that_is_no_file(suffix, tmp_path):
    path = tmp_path / f"m{suffix}"
    os.mkfifo(path)
    assert "is no file; expected a plain file, received 'a device or a pipe'" in fault(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "a device or a pipe" in fault(path)
    path.unlink()
    path.symlink_to(path)
    assert fault(path) == "no such file"
    path.unlink()
    path.mkdir()
    assert fault(path).startswith("is no model")


def test_a_name_that_no_system_keeps(tmp_path):
    from audit.errors import AuditError
    from audit.models.loading import load_model

    from .networks import config

    with pytest.raises(AuditError, match="no such file"):
        load_model(config(tmp_path / ("m" * 5000 + ".keras")).model)


def test_weights_of_an_application_are_looked_at(tmp_path):
    from audit.errors import AuditError
    from audit.models.loading import load_model

    from .networks import config

    path = tmp_path / "w.weights.h5"
    section = config(
        "x", model__application="MobileNet", model__weights=str(path), model__path=None
    ).model
    with h5py.File(path, "w") as file:
        file["link"] = h5py.ExternalLink("/etc/x.h5", "/")
    with pytest.raises(AuditError, match="takes the weights '/link' from another file"):
        load_model(section)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(AuditError, match="is no file"):
        load_model(section)


def test_a_config_that_is_no_object(parts, tmp_path):
    for text in ("[]", "1", '"x"', "null", "{", json.dumps({"class_name": ["Dense"]})):
        path = packed(tmp_path / "m.keras", {**parts, "config.json": text}.items())
        assert fault(path)
