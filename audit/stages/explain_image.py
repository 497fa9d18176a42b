"""``explain-image``: one picture under several classes and methods, to look before one audits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from audit.config.load import parse_config
from audit.config.model import Config
from audit.errors import AuditError, nearest
from audit.explain import ClassScore, Method, Question, Wanted
from audit.geometry import make_frame
from audit.images import ImageHeader, UnreadableImage, decode, read_file, read_header
from audit.models.labels import read_labels, resolve_mapping
from audit.progress import Progress, duration
from audit.records import Frame
from audit.report.contact_sheet import Heading, draw_contact_sheet
from audit.stages.explain import runs_of
from audit.stages.inspect import method_notes, methods_of, needs_layer
from audit.stages.loading import image_key, model_input
from audit.stages.metadata import OtherInputs
from audit.stages.pace import passes_of, seconds_of
from audit.stages.runtime import start_model
from audit.stages.settings import load_settings
from audit.stages.targets import TargetChooser
from audit.tables.atomic import atomic_path

# Images a pass: perturbing methods fill it, the others use one place of it.
BATCH = 16


@dataclass(frozen=True)
class Asked:
    """What to explain: these classes by name or index, or else the ``top_k`` that are predicted."""

    classes: Sequence[str]
    top_k: int


@dataclass(frozen=True)
class Picture:
    """An image file: its bytes, its upright RGB pixels, and its header."""

    data: bytes
    pixels: np.ndarray
    header: ImageHeader


def explain_image(config: Config, image: Path, asked: Asked, output: Path, say: Progress) -> None:
    """Write the contact sheet of ``image`` to ``output``.

    Raises
    ------
    AuditError: a model, an image, a class or a method that will not do.
    """
    picture = _read(image, config)
    methods = methods_of(config)
    probe = _probe(config, methods)
    for note in method_notes(config, probe, methods):
        say.say(note)
    others = OtherInputs(config, probe.blank_inputs()).batch([image.name])
    forward = probe.forward(_batch(picture, config, probe), others)
    targets = _targets(config, probe, asked, forward.probabilities[0])
    facts, seed = probe.facts, config.audit.seed
    wanted = [Wanted(0, ClassScore(t, facts.score, facts.activation)) for _, t in targets]
    keys = [image_key(image.name, seed)] * probe.batch
    question = Question(probe, forward, wanted, keys, config.explain.grid, seed)
    for name, passes in passes_of(methods, question).items():
        each = seconds_of(lambda: probe.forward(forward.pixels, others)) / probe.batch
        say.say(f"{name}: {passes:,} forward passes, about {duration(passes * each)}")
    runs = runs_of(config, probe)
    maps = {}
    for column, run in enumerate(runs):
        say.say(f"{run.method.name}, {run.layer}")
        found = run.method.heatmaps(question.trace(run.place), run.options)
        maps |= {(row, column): heatmap for row, heatmap in enumerate(found)}
    sheet = draw_contact_sheet(
        picture.pixels,
        _frame(picture.header, config, facts),
        [
            Heading(name, f"p {forward.probabilities[0, list(o)].sum():.3f}, {facts.score} {y:.2f}")
            for (name, o), y in zip(targets, question.values, strict=True)
        ],
        [Heading(run.method.name, run.layer) for run in runs],
        maps,
        image.name,
        [
            Path(config.model.path or str(config.model.application)).name,
            f"input {facts.input_height}x{facts.input_width}, {config.model.resize.mode}",
            f"preprocessing {config.model.preprocess}",
            "brightest: what speaks most for the class; each map has its own scale",
        ],
    )
    with atomic_path(output) as temporary:
        sheet.save(temporary, "PNG")


def image_config(model: str, settings: dict[str, Any]) -> Config:
    """A config for pictures alone: from an audit's own (``model`` ends in .yaml), or from options.

    ``settings``: sections that lie over what the file says.
    """
    if Path(model).suffix.lower() in (".yaml", ".yml"):
        config = load_settings([model], settings)
        return config
    if "preprocess" not in settings["model"]:
        raise AuditError(
            "is missing", where="--preprocess",
            expected="what the model was trained on: mobilenet_v2, resnet50, scale_0_1, none ...",
            hint="a wrong one gives wrong predictions; or give an audit's config instead of a model",
        )  # fmt: skip
    values = {
        **settings,
        "audit": {"name": "explain-image"},
        "model": {"path": str(Path(model).resolve()), **settings["model"]},
        # Nothing of a data set is looked at; the config model asks for one.
        "dataset": {"format": "coco", "annotations": "-", "images": "-"},
        "run": {"batch_size": BATCH},
    }
    config = parse_config(values, "explain-image")
    methods_of(config)
    return config


def _probe(config: Config, methods: list[tuple[Method, dict[str, Any]]]) -> Any:
    from audit.models.probe import ModelProbe

    start_model(config)
    return ModelProbe(config, needs_layer(methods))


def _read(image: Path, config: Config) -> Picture:
    try:
        data = read_file(image)
        header = read_header(data)
        if config.dataset.exif == "ignore":
            header = replace(header, orientation=1)
        return Picture(data, decode(data, header), header)
    except UnreadableImage as fault:
        raise AuditError(f"is no image that can be read: {fault}", where=str(image)) from None


def _batch(picture: Picture, config: Config, probe: Any) -> np.ndarray:
    """uint8 (B, H, W, C): the image in the first place, the others empty."""
    _, small = model_input(picture.data, picture.header, config, probe.facts)
    batch = np.zeros((probe.batch, *small.shape), np.uint8)
    batch[0] = small
    return batch


def _frame(header: ImageHeader, config: Config, facts: Any) -> Frame:
    resize = config.model.resize
    return make_frame(
        header.width, header.height, facts.input_width, facts.input_height, resize.mode,
        resize.crop_fraction,
    )  # fmt: skip


def _targets(
    config: Config, probe: Any, asked: Asked, probabilities: np.ndarray
) -> list[tuple[str, tuple[int, ...]]]:
    """(name, outputs) of each class to explain, in the order asked for or by probability."""
    facts = probe.facts
    labels = None
    if config.model.labels:
        labels = read_labels(Path(config.model.labels), facts.n_outputs)
    mapping: dict[str, list[int]] = {}
    if config.dataset.classes is not None:
        classes = config.dataset.classes
        mapping = resolve_mapping(classes, list(classes), labels, facts.n_outputs)  # type: ignore[arg-type]
    chooser = TargetChooser(mapping, labels, facts.output, (), asked.top_k)
    if not asked.classes:
        order = np.argsort(-probabilities, kind="stable")[: asked.top_k]
        return list(dict.fromkeys(chooser.class_of(int(o)) for o in order))
    return [_named(name, chooser, labels, facts.n_outputs) for name in asked.classes]


def _named(
    name: str, chooser: TargetChooser, labels: Sequence[str] | None, n_outputs: int
) -> tuple[str, tuple[int, ...]]:
    """A class of the data set, a label of the model, or an index of its outputs."""
    if name in chooser.mapping:
        return name, chooser.mapping[name]
    if labels is not None and name in labels:
        return chooser.class_of(list(labels).index(name))
    if name.isdecimal() and int(name) < n_outputs:
        return chooser.class_of(int(name))
    raise AuditError(
        "the model has no such class", where="--classes", received=name,
        expected=f"an index from 0 to {n_outputs - 1}, a label, or a class of the config",
        hint=nearest(name, [*chooser.mapping, *(labels or ())]),
    )  # fmt: skip
