"""SavedModel folders: looked at before they are loaded, then run by their serving signature.

The signature is laid into our own graph with its function calls dissolved, and its variables stay
variables: turning them into constants took 250 times as long and 8 times the memory for VGG16.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from audit.config.given import check_plain, exists
from audit.errors import AuditError, first_line, nearest
from audit.models.budget import weights_allowed
from audit.models.operations import ALLOWED, READS_CHECKPOINT, TRUST_HINT, WRITES_CHECKPOINT
from audit.models.runtime import tensorflow
from audit.models.scopes import layer_tensors

FILE = "saved_model.pb"
# TensorFlow prefers this to FILE, so that what was checked would not be what is loaded.
CHUNKED = "saved_model.cpb"
DEFAULT_SIGNATURE = "serving_default"
MAX_BYTES = 2**31 - 1  # what a protocol buffer can hold
SCOPE = "served"
VARIABLES = ("VarHandleOp", "VariableV2", "Variable")


@dataclass(frozen=True)
class ServedModel:
    """A loaded SavedModel and the one signature of it that is used."""

    path: Path
    loaded: Any
    """Kept, since the signature holds its variables by weak references only."""
    signature: Any
    inputs: Mapping[str, Any]
    """Name -> TensorSpec."""

    def count_params(self) -> int:
        """Numbers in the variables that the signature reads."""
        return sum(v.shape.num_elements() or 0 for v in self.signature.variables)

    def place(self, tensors: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Lay the signature into the graph that is being built.

        ``tensors``: input name -> tensor. Returns outputs by name, and layers by path.
        """
        tf = tensorflow()
        graph = tf.compat.v1.get_default_graph()
        mapped = {own.name: tensors[name] for name, own in self._arguments().items()}
        for value, own in self.signature.graph.captures:
            mapped[own.name] = graph.capture(value)
        graph_def = _without_placeholders(inlined(self.signature), mapped)
        outputs = tf.graph_util.import_graph_def(
            graph_def, mapped, [t.name for t in self.signature.outputs], name=SCOPE
        )
        names = list(self.signature.structured_outputs)
        flat = tf.nest.flatten({name: i for i, name in enumerate(names)})
        operations = [o for o in graph.get_operations() if o.name.startswith(f"{SCOPE}/")]
        layers = layer_tensors(operations, list(tensors.values()), outputs)
        return {names[i]: tensor for i, tensor in zip(flat, outputs, strict=True)}, layers

    def _arguments(self) -> dict[str, Any]:
        """Input name -> placeholder of the signature's graph."""
        return dict(zip(self.signature._arg_keywords, self.signature.inputs, strict=False))


def inlined(signature: Any) -> Any:
    """GraphDef of a concrete function whose function calls are dissolved, variables kept.

    Private API of TensorFlow, used here alone; a test tells when a new version has changed it.
    """
    from tensorflow.python.framework import convert_to_constants

    return convert_to_constants._run_inline_graph_optimization(
        signature, lower_control_flow=False, aggressive_inlining=True
    )


def _without_placeholders(graph_def: Any, mapped: Iterable[str]) -> Any:
    """What is fed goes, and so do attributes that mean something only in the file's own graph."""
    fed = {name.split(":")[0] for name in mapped}
    kept = [node for node in graph_def.node if node.name not in fed]
    inner = [n for f in graph_def.library.function for n in f.node_def]  # of loops and branches
    for node in kept + inner:
        node.attr.pop("_class", None)
        # The gradient of silu is a Python function of the process that saved the model. Without it
        # the activation's own operations are differentiated, which is the same derivative.
        own = node.attr.get("_gradient_op_type")
        if own is not None and own.s.startswith(b"CustomGradient-"):
            node.attr.pop("_gradient_op_type")
    del graph_def.node[:]
    graph_def.node.extend(kept)
    return graph_def


def is_saved_model(path: Path) -> bool:
    return (
        exists(path) and path.is_dir() and any((path / name).exists() for name in (FILE, CHUNKED))
    )


def load_saved_model(path: Path, signature: str | None, trusted: bool) -> ServedModel:
    """The model in a folder, after its operations were checked.

    Raises
    ------
    AuditError: the folder is no SavedModel, holds operations that reach outside of the model and is
    not ``trusted``, or has no such signature.
    """
    where = f"model.path: {path}"
    _check_files(path, where)
    saved = _parsed(path)
    _check_weights(saved, path, where)
    if not trusted:
        check_operations(saved, where)
    tf = tensorflow()
    try:
        tags = None if len(saved.meta_graphs) == 1 else ["serve"]
        loaded = tf.saved_model.load(str(path), tags=tags)
    except Exception as error:  # whatever the broken part raises
        raise AuditError(f"cannot be loaded: {first_line(error)}", where=where) from error
    function = _signature(loaded.signatures, signature, where)
    return ServedModel(path, loaded, function, function.structured_input_signature[1])


def _parsed(path: Path) -> Any:
    """The SavedModel message of a folder."""
    where = f"model.path: {path}"
    if (path / CHUNKED).exists():
        raise AuditError(
            f"holds {CHUNKED}, which cannot be checked before it is loaded", where=where,
            expected=FILE, hint="save the model again below 2 GB",
        )  # fmt: skip
    if (path / FILE).stat().st_size > MAX_BYTES:
        raise AuditError(f"{FILE} is larger than 2 GB", where=where)
    tensorflow()
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((path / FILE).read_bytes())
    except Exception as error:  # protobuf's DecodeError has moved between versions
        raise AuditError(f"is not a SavedModel: {FILE} is broken", where=where) from error
    if not saved.meta_graphs:
        raise AuditError(f"is not a SavedModel: {FILE} holds no graph", where=where)
    return saved


def _check_files(path: Path, where: str) -> None:
    """Nothing in the folder is a device or a pipe, which TensorFlow would read without end."""
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder) / name
            if not exists(file):
                raise AuditError("is a link to nothing", where=f"{where}: {name}")
            check_plain(file.stat(), f"{where}: {name}")


def _check_weights(saved: Any, path: Path, where: str) -> None:
    """Refuse variables and assets that the folder cannot hold."""
    shapes = []
    for meta in saved.meta_graphs:
        shapes += [n.variable.shape for n in meta.object_graph_def.nodes if n.HasField("variable")]
        shapes += [n.attr["shape"].shape for n in meta.graph_def.node if n.op in VARIABLES]
        for asset in meta.asset_file_def:
            if asset.filename in ("", ".", "..") or "/" in asset.filename:
                raise AuditError(
                    "takes an asset from elsewhere", where=where, received=asset.filename
                )
    asked = sum(prod(max(d.size, 1) for d in shape.dim) for shape in shapes)
    if asked > weights_allowed(path):
        raise AuditError(
            f"asks for {float(asked):.3g} weights, which its folder cannot hold", where=where
        )


def _signature(signatures: Any, asked: str | None, where: str) -> Any:
    names = sorted(signatures)
    if asked is not None and asked not in names:
        raise AuditError(
            f"no signature {asked!r}", where="model.signature", hint=nearest(asked, names)
        )
    if not names:
        raise AuditError(
            "has no serving signature", where=where,
            hint="save it with model.export(), or with signatures=",
        )  # fmt: skip
    if asked is None and DEFAULT_SIGNATURE not in names and len(names) > 1:
        raise AuditError(
            f"has {len(names)} signatures and none is called {DEFAULT_SIGNATURE}", where=where,
            hint="name one by model.signature: " + ", ".join(names),
        )  # fmt: skip
    fallback = DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in names else names[0]
    return signatures[asked or fallback]


# --- what may be in the file --------------------------------------------------------------------


def check_operations(saved: Any, where: str) -> None:
    """Refuse a SavedModel message that holds an operation which reaches outside of the model.

    Raises
    ------
    AuditError: names the operation.
    """
    for meta in saved.meta_graphs:
        library = {f.signature.name: f.node_def for f in meta.graph_def.library.function}
        everything = [*meta.graph_def.node, *(n for nodes in library.values() for n in nodes)]
        _refuse(everything, ALLOWED | READS_CHECKPOINT | WRITES_CHECKPOINT | set(library), where)
        if not meta.object_graph_def.nodes:
            # TensorFlow 1: loading runs the saver's own operation, which reads the checkpoint.
            restore = _ancestors(meta.graph_def.node, [meta.saver_def.restore_op_name])
            _refuse(_called(restore, library), ALLOWED | READS_CHECKPOINT | set(library), where)
        _refuse(_called(_run_by_us(meta, library), library), ALLOWED | set(library), where)


def _run_by_us(meta: Any, library: Mapping[str, Any]) -> list[Any]:
    """Nodes that loading or asking the model may run: all but what belongs to its saver alone."""
    nodes, saver = meta.graph_def.node, meta.saver_def
    own = _ancestors(nodes, [saver.save_tensor_name, saver.restore_op_name])
    names = {n.name for n in nodes} - {n.name for n in own}
    names |= {t.name for s in meta.signature_def.values() for t in s.outputs.values()}
    for collection in meta.collection_def.values():
        names |= set(collection.node_list.value)
    held = set(meta.object_graph_def.concrete_functions)
    held |= {g.gradient_func for g in meta.graph_def.library.gradient}
    held |= {g.gradient_func for g in meta.graph_def.library.registered_gradients}
    return _ancestors(nodes, names) + [n for name in held for n in library.get(name, ())]


def _ancestors(nodes: Iterable[Any], names: Iterable[str]) -> list[Any]:
    """The nodes named, and all that they depend on, by data or by control."""
    by_name = {node.name: node for node in nodes}
    waiting = [name.lstrip("^").split(":")[0] for name in names]
    found: dict[str, Any] = {}
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in found:
            found[name] = by_name[name]
            waiting += [i.lstrip("^").split(":")[0] for i in by_name[name].input]
    return list(found.values())


def _called(nodes: Iterable[Any], library: Mapping[str, Any]) -> list[Any]:
    """``nodes`` and those of every function that they call, directly or not."""
    every = list(nodes)
    seen: set[str] = set()
    waiting = list(every)
    while waiting:
        for name in _functions_of(waiting.pop()):
            if name in library and name not in seen:
                seen.add(name)
                every += library[name]
                waiting += library[name]
    return every


def _functions_of(node: Any) -> Iterable[str]:
    yield node.op  # a function may be called as if it were an operation
    for value in node.attr.values():
        yield value.func.name
        yield from (f.name for f in value.list.func)


def _refuse(nodes: Iterable[Any], allowed: frozenset[str] | set[str], where: str) -> None:
    for node in nodes:
        if node.op not in allowed:
            raise AuditError(
                f"holds the operation {node.op!r} ({node.name}), which is not known to stay inside "
                "the model",
                where=where,
                hint=TRUST_HINT,
            )
