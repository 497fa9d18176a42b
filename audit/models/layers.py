"""The layers that explanations look at: by name, by the rule, and as a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from audit.config.model import ExplainSection, TokensSection
from audit.errors import AuditError, nearest
from audit.models.graph import NCHW, TO_NHWC, default_layer, is_spatial, places
from audit.models.tokens import token_grid, token_layer
from audit.models.trace import Trace


@dataclass(frozen=True)
class LayerFacts:
    """A layer that is explained at, and why: its path, and (h, w, C) of its grid."""

    path: str
    shape: tuple[int, int, int]
    reason: str

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "shape": list(self.shape)}


@dataclass(frozen=True)
class Layer:
    """A tensor of the trace, and how its values lie on a grid."""

    tensor: Any
    facts: LayerFacts
    channels_first: bool = False
    skip: int | None = None
    """Tokens before those of the grid, where the tensor is (B, tokens, C)."""

    def on_grid(self, values: Any, package: Any) -> Any:
        """Values of the tensor as (B, h, w, C); ``package`` is NumPy or TensorFlow."""
        if self.skip is not None:
            return package.reshape(values[:, self.skip :], (-1, *self.facts.shape))
        return package.transpose(values, TO_NHWC) if self.channels_first else values


def find_layers(
    trace: Trace, scores: Any, batch: int, section: ExplainSection
) -> tuple[Layer, ...]:
    """The config's layers, in its order.

    Raises
    ------
    AuditError: a name that is no spatial layer, or no default that the rule can find.
    """
    return tuple(_find(trace, scores, batch, name, section) for name in section.layers())


def _find(trace: Trace, scores: Any, batch: int, name: str, section: ExplainSection) -> Layer:
    if section.tokens is not None:
        return _of_tokens(trace, scores, batch, name, section.tokens)
    if name != "auto":
        return spatial_layer(trace, _named(trace, batch, name), "named in the config")
    tensor, reason = default_layer(scores, trace.pixels, batch)
    return spatial_layer(trace, tensor, reason)


def _of_tokens(trace: Trace, scores: Any, batch: int, name: str, tokens: TokensSection) -> Layer:
    if name == "auto":
        tensor, grid, reason = token_layer(scores, trace, batch, tokens)
    else:
        if name not in trace.layers:
            hint = nearest(name, trace.layers)
            raise AuditError(f"no layer {name!r}", where="explain.layer", hint=hint)
        tensor, reason = trace.layers[name], "named in the config"
        grid = token_grid(tensor, batch, tokens)
    facts = LayerFacts(trace.path_of(tensor), (*grid, tensor.shape[2]), reason)
    return Layer(tensor, facts, skip=tokens.skip)


def spatial_layer(trace: Trace, tensor: Any, reason: str) -> Layer:
    """A tensor of four axes, in either layout, as a layer to explain at."""
    facts = LayerFacts(trace.path_of(tensor), places(tensor), reason)
    return Layer(tensor, facts, channels_first=trace.layout(tensor) == NCHW)


def _named(trace: Trace, batch: int, name: str) -> Any:
    spatial = {p: t for p, t in trace.layers.items() if is_spatial(t, batch)}
    if name in spatial:
        return spatial[name]
    if name in trace.layers:
        raise AuditError(
            f"layer {name!r} is not spatial", where="explain.layer",
            expected="an output (H, W, C) with H*W > 1",
            received=trace.layers[name].shape.as_list()[1:], hint=nearest(name, spatial),
        )  # fmt: skip
    raise AuditError(f"no layer {name!r}", where="explain.layer", hint=nearest(name, spatial))


def spatial_layers(trace: Trace, batch: int, chosen: Sequence[Layer]) -> list[dict[str, Any]]:
    """Every spatial layer: path, (h, w, C), operation, what it feeds, whether it is chosen."""
    ours = {layer.tensor.name for layer in chosen}
    return [
        {
            "layer": path,
            "shape": list(places(tensor)),
            "op": tensor.op.type,
            "feeds": sorted({c.type for c in tensor.consumers()} - {"Identity"}),
            "default": tensor.name in ours,
        }
        for path, tensor in trace.layers.items()
        if is_spatial(tensor, batch)
    ]
