"""The config as pydantic models: the one source of its checks, its reference page and its schema.

Every key is described here and nowhere else. Unknown keys are refused. Nothing in this module reads
a file; paths are checked by :mod:`audit.config.load`.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from audit.config.confirm import ConfirmSection
from audit.config.gate import GateSection
from audit.config.heatmap import HeatmapSection
from audit.config.history import HistorySection
from audit.config.sanity import SanitySection
from audit.config.section import Fraction, Section
from audit.config.sensitivity import SensitivitySection
from audit.config.strata import StrataSection
from audit.config.system import SystemSection

# The families of keras.applications that have a preprocess_input of their own. Written out so that
# a config is checked without importing TensorFlow; a test compares it with the installed Keras.
KERAS_PREPROCESS = (
    "convnext", "densenet", "efficientnet", "efficientnet_v2", "imagenet_utils", "inception_resnet_v2",
    "inception_v3", "mobilenet", "mobilenet_v2", "mobilenet_v3", "nasnet", "resnet", "resnet50",
    "resnet_v2", "vgg16", "vgg19", "xception",
)  # fmt: skip
PLAIN_PREPROCESS = ("none", "scale_0_1", "scale_minus1_1")
TARGET_KEYWORDS = ("annotated", "predicted", "top_k")


class AuditSection(Section):
    """What this audit is called, where its results go, and the seed of every random choice."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="Name of the audit; results go to `reports/<name>/` under the working directory.",
    )
    seed: int = Field(
        0, ge=0, le=2**32 - 1, description="Seed of all sampling (bootstrap, shuffles)."
    )
    output: str | None = Field(
        None, description="Folder for the results, instead of `reports/<name>`."
    )


class ResizeSection(Section):
    """How an image becomes the model's input size; boxes and heatmaps follow it exactly."""

    mode: Literal["stretch", "center_crop", "letterbox"] = Field(
        "stretch",
        description="`stretch` ignores the aspect ratio; `center_crop` cuts the largest centred "
        "rectangle of the input's aspect ratio; `letterbox` pads.",
    )
    interpolation: Literal["nearest", "bilinear", "bicubic", "area", "lanczos"] = Field(
        "bilinear",
        description="Resampling, with half-pixel centres; as in training. `bilinear` and `bicubic` "
        "do not antialias (as tf.image.resize), `area` does.",
    )
    crop_fraction: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Part of the centred rectangle that `center_crop` keeps: .875 for the usual "
        "resize to 256, crop to 224.",
    )
    pad_value: int = Field(0, ge=0, le=255, description="Grey level of the padding of `letterbox`.")
    decode: Literal["auto", "full", "reduced"] = Field(
        "auto",
        description="Large JPEGs can be decoded at 1/2, 1/4 or 1/8 of their size, as long as twice "
        "the pixels asked are left. `auto` does so where the resampling is `area`, and the same comes "
        "out to a grey level or so; `reduced` does with any, which takes their aliasing away; `full` "
        "never does.",
    )

    def reduces(self) -> bool:
        """Whether large images are decoded at less than their size."""
        return self.decode == "reduced" or (self.decode == "auto" and self.interpolation == "area")


class CustomPreprocess(Section):
    """`(pixel / scale - mean) / std`, channel by channel."""

    mean: list[float] = Field(description="One per channel, in the order of `channel_order`.")
    std: list[float] = Field(description="One per channel, in the order of `channel_order`.")
    scale: float = Field(255.0, gt=0, description="What a pixel in 0-255 is divided by first.")
    channel_order: Literal["rgb", "bgr"] = Field(
        "rgb", description="Order the model was trained with."
    )

    @model_validator(mode="after")
    def _same_length(self) -> CustomPreprocess:
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ValueError("mean and std need 1 or 3 values each, one per channel")
        if not all(math.isfinite(v) for v in (*self.mean, *self.std)) or 0 in self.std:
            raise ValueError("mean and std must be finite, and std not 0")
        return self


class InputsSection(Section):
    """A model with several inputs: which is the image, and what the others are given."""

    image: str | None = Field(
        None, description="Name of the image input; left out: the only one of four axes."
    )
    constants: dict[str, float | list[float]] = Field(
        default_factory=dict, description="Input name -> the value it has for every image."
    )
    columns: dict[str, str] = Field(
        default_factory=dict, description="Input name -> column of `dataset.metadata`."
    )


class ModelSection(Section):
    """The trained model, and what must be done to an image before it."""

    path: str | None = Field(
        None, description="Model: a .keras, .h5 or .hdf5 file, or a SavedModel folder."
    )
    signature: str | None = Field(
        None, description="For a SavedModel with several serving signatures: the one to use."
    )
    output_name: str | None = Field(
        None, description="For a model with several outputs: the name of the class scores."
    )
    inputs: InputsSection | None = Field(
        None, description="For a model with several inputs: what they are given."
    )
    application: str | None = Field(
        None, description="Instead of `path`: a keras.applications name, with `weights`."
    )
    weights: str | None = Field(None, description="Weights file for `application`.")
    labels: str | None = Field(
        None,
        description="Names of the model's outputs: .json (list, map or Keras class index), .txt, .csv.",
    )
    preprocess: str | CustomPreprocess = Field(
        description="What the model expects of its pixels: the name of a keras.applications family "
        "(`mobilenet_v2`, `resnet50` ...), `scale_0_1`, `scale_minus1_1`, `none` (0-255), or "
        "`{mean, std, scale, channel_order}`.",
    )
    resize: ResizeSection = Field(default_factory=ResizeSection, description="Image to input size.")
    input_size: tuple[int, int] | None = Field(
        None, description="[height, width], only for models whose own input size is open."
    )
    output: Literal["auto", "softmax", "sigmoid", "binary", "logits"] = Field(
        "auto",
        description="What the outputs are; `auto` finds it on the graph and records it. `sigmoid` is "
        "multi-label, `binary` one sigmoid unit.",
    )
    trust_code: bool = Field(
        False, description="Allow code inside the model file (Lambda layers ...) to run on load."
    )

    @field_validator("input_size", mode="before")
    @classmethod
    def _size_from_list(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("input_size")
    @classmethod
    def _size_positive(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and min(value) < 1:
            raise ValueError("height and width must be at least 1")
        return value

    @field_validator("preprocess")
    @classmethod
    def _known_preprocess(cls, value: str | CustomPreprocess) -> str | CustomPreprocess:
        known = PLAIN_PREPROCESS + KERAS_PREPROCESS
        if isinstance(value, str) and value not in known:
            from audit.errors import nearest

            raise ValueError(f"unknown preprocessing {value!r}; {nearest(value, known)}")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> ModelSection:
        if (self.path is None) == (self.application is None):
            raise ValueError("give exactly one of `path` and `application`")
        if (self.application is None) != (self.weights is None):
            raise ValueError("`application` and `weights` go together")
        return self


class DatasetSection(Section):
    """The images and their boxes, and which model output each class is."""

    format: str = Field(description="Annotation format; `focus-audit formats` lists them.")
    annotations: str | list[str] = Field(
        description="Annotation file or folder; or a list of them, one per entry of `images`."
    )
    images: str | list[str] = Field(
        description="Folder of images; or a list, one per annotations entry."
    )
    names: str | None = Field(
        None,
        description="Class names file, for formats that keep it apart (YOLO, Open Images, ImageNet).",
    )
    columns: dict[str, str] = Field(
        default_factory=dict, description="For `csv`: our column name -> the file's column name."
    )
    options: dict[str, str | bool | int | float] = Field(
        default_factory=dict,
        description="Further options of the format; `focus-audit formats` tells.",
    )
    classes: dict[str, int | str | list[int | str]] | str | None = Field(
        None,
        description="Data set class -> model outputs, by index or label, one to many; or a JSON file "
        "with it. Left out: classes are matched to `model.labels` by name.",
    )
    metadata: str | None = Field(
        None,
        description="CSV file with a `file_name` column and further columns of each image, for "
        "`model.inputs.columns`, `strata.columns` and `flags.group`.",
    )
    links_outside: bool = Field(
        False,
        description="Whether symbolic links in an image folder may lead out of it. Otherwise such "
        "images are excluded, since a folder from somebody else could show files of yours.",
    )
    exif: Literal["apply", "ignore"] = Field(
        "apply",
        description="`apply` turns images upright, as people and annotation tools show them; `ignore` "
        "leaves the stored pixels, as most training pipelines read them.",
    )

    @model_validator(mode="after")
    def _paired(self) -> DatasetSection:
        if len(self.annotation_paths()) != len(self.image_paths()):
            raise ValueError("`annotations` and `images` need the same number of entries")
        if not self.annotation_paths():
            raise ValueError("`annotations` is empty")
        return self

    def annotation_paths(self) -> list[str]:
        return [self.annotations] if isinstance(self.annotations, str) else list(self.annotations)

    def image_paths(self) -> list[str]:
        return [self.images] if isinstance(self.images, str) else list(self.images)


class TargetsSection(Section):
    """Which classes are explained in each image; they all share one forward pass."""

    classes: str | list[str] = Field(
        "annotated",
        description="`annotated` (the classes with a box), `predicted` (the top prediction), `top_k`, "
        "or a list of these words and of class names.",
    )
    top_k: int = Field(1, ge=1, le=100, description="How many predictions `top_k` explains.")

    def chosen(self) -> tuple[str, ...]:
        return (self.classes,) if isinstance(self.classes, str) else tuple(self.classes)


class TokensSection(Section):
    """How a transformer's tokens lie on a grid."""

    grid: Literal["auto"] | tuple[int, int] = Field(
        "auto", description="[rows, columns] of the tokens; `auto`: a square."
    )
    skip: int = Field(
        1, ge=0, le=1000, description="Tokens before those of the grid: 1 for a class token."
    )

    @field_validator("grid", mode="before")
    @classmethod
    def _grid_from_list(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value


class ExplainSection(Section):
    """The explanation methods and the layers they look at; lists give a row per method and layer."""

    method: str | Annotated[list[str], Field(min_length=1)] = Field(
        "gradcam",
        description="Explanation method, or a list of them; `focus-audit methods` lists them.",
    )
    layer: str | Annotated[list[str], Field(min_length=1)] = Field(
        "auto",
        description="Layer by name or path (`base/out_relu`), or a list of them; `auto` finds the "
        "last spatial activation on the graph and records why. `focus-audit layers MODEL` lists "
        "them.",
    )
    score: Literal["logit", "probability", "loss"] = Field(
        "logit",
        description="What is explained: the class's logit, its probability, or minus its "
        "cross-entropy.",
    )
    grid: int = Field(
        56,
        ge=2,
        le=1024,
        description="Side of the grid on which methods that see pixels are stored and drawn. What "
        "a verdict rests on is taken on the coarser grid of the default layer.",
    )
    options: dict[str, dict[str, str | bool | int | float]] = Field(
        default_factory=dict,
        description="Method -> its own options; `focus-audit methods` tells.",
    )
    tokens: TokensSection | None = Field(
        None, description="For transformers: how tokens lie on a grid."
    )

    def methods(self) -> tuple[str, ...]:
        return (self.method,) if isinstance(self.method, str) else tuple(self.method)

    def layers(self) -> tuple[str, ...]:
        return (self.layer,) if isinstance(self.layer, str) else tuple(self.layer)

    @model_validator(mode="after")
    def _named_once(self) -> ExplainSection:
        for key, names in (("method", self.methods()), ("layer", self.layers())):
            twice = next((n for n in names if names.count(n) > 1), None)
            if twice is not None:
                raise ValueError(f"{key} {twice!r} is named twice")
        return self


class FlagsSection(Section):
    """The background-focused rule for one record, and the verdict for a class."""

    tolerance: float = Field(
        0.0,
        ge=0,
        le=10_000,
        description="Pixels by which the maximum may miss the box, on the original.",
    )
    min_energy_skill: float = Field(
        0.1,
        ge=-1,
        le=1,
        description="A miss whose energy skill is below this is background-focused.",
    )
    min_eligible: int = Field(
        30, ge=1, description="Fewer eligible records: verdict `insufficient`."
    )
    max_rate: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.30, description="Background-focused rate that a class may have."
    )
    alpha: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="Level of the tests behind the verdicts."
    )
    correction: Literal["bh", "by"] = Field(
        "bh", description="Benjamini-Hochberg or Benjamini-Yekutieli, over the classes."
    )
    shuffled_share: Fraction = Field(
        0.5, description="A flagged class's rate is at least this share of that of shuffled maps."
    )
    group: str | None = Field(
        None,
        description="Column of `dataset.metadata`: images that share a value (a video, a patient) "
        "count once in a class's verdict, and together in intervals. Near-duplicates do in any case.",
    )
    label_error_score: Annotated[float, Field(gt=0.5, le=1)] = Field(
        0.9,
        description="A wrong prediction of another class of the data set, with at least this "
        "probability, is told apart as a likely label error.",
    )


class ReportSection(Section):
    """What the report shows."""

    overlays_flagged: int = Field(
        24, ge=0, le=10_000, description="Overlays of the worst flagged records."
    )
    overlays_sample: int = Field(
        12, ge=0, le=10_000, description="Overlays of a random sample of others."
    )
    pictures: int = Field(
        120,
        ge=0,
        le=300,
        description="Pictures inside report.html: half the worst of each class, half drawn at random. "
        "About 15 KB each.",
    )
    proving: str | None = Field(
        None,
        description="Folder that `focus-audit prove --config` wrote: the report shows its findings.",
    )
    gallery: int = Field(
        200,
        ge=0,
        le=20_000,
        description="Pictures in the larger gallery in the folder beside it; 0: none. About 30 KB each.",
    )


class RunSection(Section):
    """How the work is cut and how much of the machine it takes."""

    batch_size: int = Field(
        32,
        ge=2,
        le=4096,
        description="Images per forward pass; at least 2, since 1 changes the bytes.",
    )
    shard_size: int = Field(
        5000,
        ge=1,
        le=1_000_000,
        description="Images per shard, about: what is lost when a job dies, against one start of "
        "TensorFlow a shard.",
    )
    threads: int | Literal["auto"] = Field(
        "auto", description="Threads of inference and decoding; `auto` takes the machine's cores."
    )

    device: Literal["auto", "cpu", "gpu"] = Field(
        "auto",
        description="What the model runs on: `auto` takes a GPU where TensorFlow finds one. A GPU's "
        "results are not the CPU's to the byte.",
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32",
        description="`mixed_bfloat16` (CPU) and `mixed_float16` (GPU) let TensorFlow do large sums of "
        "products in half the bits: faster where the processor can, and the scores change.",
    )

    @field_validator("threads")
    @classmethod
    def _positive(cls, value: int | str) -> int | str:
        if isinstance(value, int) and not 1 <= value <= 1024:
            raise ValueError("must be 1 to 1024, or auto")
        return value


# Keys of `run` on which the model's answers depend; the others change the time alone.
RUN_OF_MODEL = ("run.batch_size", "run.device", "run.precision")


class Config(Section):
    """A whole audit."""

    audit: AuditSection
    model: ModelSection
    dataset: DatasetSection
    targets: TargetsSection = Field(default_factory=TargetsSection)
    explain: ExplainSection = Field(default_factory=ExplainSection)
    heatmap: HeatmapSection = Field(default_factory=HeatmapSection)
    metrics: list[str] | Literal["all"] | None = Field(
        None,
        description="Metrics to take; `focus-audit metrics` lists them, and marks those that are "
        "taken where this is left out. `all`: every one; on large photographs scoring then takes "
        "several times as long.",
    )
    flags: FlagsSection = Field(default_factory=FlagsSection)
    sensitivity: SensitivitySection = Field(default_factory=SensitivitySection)
    strata: StrataSection = Field(default_factory=StrataSection)
    confirm: ConfirmSection = Field(default_factory=ConfirmSection)
    sanity: SanitySection = Field(default_factory=SanitySection)
    gate: GateSection = Field(default_factory=GateSection)
    history: HistorySection = Field(default_factory=HistorySection)
    report: ReportSection = Field(default_factory=ReportSection)
    system: SystemSection = Field(default_factory=SystemSection)
    run: RunSection = Field(default_factory=RunSection)
