"""Each package has a licence that somebody allowed, and the committed list is that of the lock file."""

from email.message import Message

import pytest

from tests.packaging import licences
from tests.packaging.licences import LOOKED_AT, PAGE, SPDX, carried, faults, licence, page
from tests.packaging.packages import Package, installed

MIT = "Permission is hereby granted, free of charge, to any person"
BSD2 = "Redistribution and use in source and binary forms, with or without modification"
BSD3 = BSD2 + "\nNeither the name of the author nor"


class File:
    def __init__(self, folder, name):
        self.name, self.parts, self.path = name, ("some-1.0.dist-info", name), folder / name

    def locate(self):
        return self.path


class Made:
    """A distribution with this metadata, and these files in its dist-info."""

    version = "1.0"

    def __init__(self, folder, metadata, **texts):
        self.metadata = Message()
        for key, value in metadata:
            self.metadata[key] = value
        for name, text in texts.items():
            (folder / name).write_text(text)
        self.files = [File(folder, name) for name in texts]


@pytest.fixture
def made(tmp_path):
    def make(*metadata, **texts):
        return Package("some", Made(tmp_path, metadata, **texts))

    return make


@pytest.fixture(scope="module")
def packages():
    return installed()


def test_every_licence_is_known_and_allowed(packages):
    assert faults(packages) == []


def test_the_committed_list_is_that_of_the_lock_file(packages):
    assert PAGE.read_text("utf-8") == page(packages), "make licences"


def test_nothing_is_looked_at_by_hand_that_is_not_installed(packages):
    assert set(LOOKED_AT) <= set(packages)
    assert [text for text in LOOKED_AT.values() if SPDX.parse(text) is None] == []


@pytest.mark.parametrize(
    ("metadata", "texts", "told"),
    [
        ([("License-Expression", "MIT OR Apache-2.0")], {}, "MIT OR Apache-2.0"),
        ([("License", "BSD-3-Clause")], {}, "BSD-3-Clause"),
        ([("License", "FreeBSD")], {}, "BSD-2-Clause"),
        ([("Classifier", "License :: OSI Approved :: MIT License")], {}, "MIT"),
        # "BSD" may be any of several: the text settles it.
        (
            [("Classifier", "License :: OSI Approved :: BSD License")],
            {"LICENSE": BSD3},
            "BSD-3-Clause",
        ),
        ([("License", "BSD")], {"LICENSE.txt": BSD2}, "BSD-2-Clause"),
        ([], {"COPYING": MIT}, "MIT"),
        # Two texts, or one of two licences, are for a person to read.
        ([], {"LICENSE.MIT": MIT, "LICENSE.BSD": BSD2}, None),
        ([], {"LICENSE": MIT + BSD2}, None),
        ([], {"README": MIT}, None),
        ([("License", "Do what you like")], {}, None),
        ([("License", "Copyright (c) somebody, and a page of text " * 9)], {"LICENSE": MIT}, "MIT"),
    ],
)
def test_where_a_licence_is_read(made, metadata, texts, told):
    assert licence(made(*metadata, **texts)) == told


def test_an_unknown_or_copyleft_licence_is_a_fault(made):
    assert faults({"some": made()}) == ["some: no licence can be told"]
    gpl = made(("License-Expression", "MIT AND GPL-3.0-only"))
    assert faults({"some": gpl}) == ["some: GPL-3.0-only is neither permissive nor explained"]
    assert faults({"some": made(("License-Expression", "MPL-2.0"))}) == []


def test_a_fault_is_told_and_writes_no_list(made, monkeypatch, capsys):
    monkeypatch.setattr(licences, "installed", lambda: {"some": made()})
    monkeypatch.setattr(licences, "PAGE", None)
    assert licences.main() == 1
    assert capsys.readouterr().err == "some: no licence can be told\n"


def test_copyleft_libraries_inside_wheels_are_found(made, packages):
    names = {"libavcodec-0a1b.so.59": "", "libgfortran-0a1b.so.5": "", "libaverage.so": ""}
    assert [key for key, _ in carried(made(**names).distribution)] == [
        "GPL-3.0-or-later WITH GCC-exception-3.1",
        "LGPL-2.1-or-later",
    ]
    assert carried(made(("Name", "x")).distribution) == []
    assert carried(packages["opencv-python-headless"].distribution)
