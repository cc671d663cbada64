"""Fused graphs: attention as one operator over a preallocated cache, norms and activations as one each.

See docs/fusion.md. Nothing heavy is imported before a function is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto

    from baco_exporters.fusion.outcome import Fused, Unfused


def fuse(model: ModelProto, config: Any) -> Fused | Unfused:
    """Return the fused form of an Optimum export in float32, or the reason why it stays as it is.

    `config` is the model's transformers configuration, or the mapping in its `config.json`. `model` holds
    its weights (not as external data) and is not changed. The fused graph reads one sequence into a cache of
    fixed capacity; its inputs and outputs are in docs/fusion.md. Every layer's attention has been run beside
    the operator that takes its place on the same numbers, so a graph that is not understood stays unfused.
    """
    from baco_exporters.fusion.fuse import fuse as run

    return run(model, config)


def with_slots(model: ModelProto, slots: int) -> ModelProto:
    """Return a fused graph that reads `slots` sequences in one pass; the matrices are the same tensors.

    Only attention nodes, inputs and outputs change, so a quantised graph will do, and one whose weights are
    external data keeps pointing at them. Raises ExportError when `model` is not a fused graph of one slot.
    """
    from baco_exporters.fusion.slots import with_slots as run

    return run(model, slots)
