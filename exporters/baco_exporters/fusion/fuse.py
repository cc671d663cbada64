"""From an exported graph to a fused one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onnx import TensorProto

from baco_exporters.fusion.anchors import find_anchors
from baco_exporters.fusion.architecture import Architecture
from baco_exporters.fusion.layer import find_layers
from baco_exporters.fusion.merge import merge_products
from baco_exporters.fusion.outcome import Fused, NotFusableError, Unfused, operators
from baco_exporters.fusion.patterns import fuse_patterns
from baco_exporters.fusion.rewrite import rewrite
from baco_exporters.fusion.skeleton import put_together, simplify, take_apart
from baco_exporters.fusion.view import View

if TYPE_CHECKING:
    from onnx import ModelProto


def fuse(model: ModelProto, config: Any) -> Fused | Unfused:
    """Return the fused form of an Optimum export in float32, or the reason why it stays as it is.

    `config` is the model's transformers configuration, or the mapping in its `config.json`. `model` holds
    its weights (not as external data) and is not changed; share its weights first, so that a tied head is
    stored once. The fused graph reads one sequence into a cache of fixed capacity; its inputs and outputs
    are in docs/fusion.md. Every layer's attention has been run beside the operator that takes its place, on
    the same numbers, so a graph that is not understood stays unfused.
    """
    architecture = config if isinstance(config, Architecture) else Architecture.of(config)
    try:
        _check(model, architecture)
        fused = _fuse(model, architecture)
    except NotFusableError as reason:
        return Unfused(str(reason))
    return Fused(fused, operators(model.graph), operators(fused.graph))


def _fuse(model: ModelProto, architecture: Architecture) -> ModelProto:
    bare, weights = take_apart(model)
    view = View(simplify(bare), weights)
    layers = list(find_layers(view, find_anchors(view), architecture))
    bare = rewrite(view, layers)
    merge_products(bare, weights)
    fuse_patterns(bare)
    return put_together(bare, weights)


def _check(model: ModelProto, architecture: Architecture) -> None:
    graph = model.graph
    caches = {value.name: value for value in graph.input if value.name.startswith("past_key_values.")}
    if not caches:
        raise NotFusableError("the graph has no KV cache")
    if any(value.type.tensor_type.elem_type != TensorProto.FLOAT for value in caches.values()):
        raise NotFusableError("the KV cache is not float32; fuse before the precision is changed")
    if not architecture.positions:
        raise NotFusableError(f"the configuration of {architecture.name!r} states no context limit")
    layers = [f"{layer}.{part}" for layer in range(len(caches) // 2) for part in ("key", "value")]
    outputs = {value.name for value in graph.output}
    known = {f"past_key_values.{name}" for name in layers} == caches.keys()
    if not known or not outputs >= {"logits", *(f"present.{name}" for name in layers)}:
        raise NotFusableError("the cache's inputs and outputs are not a key and a value for each layer")
