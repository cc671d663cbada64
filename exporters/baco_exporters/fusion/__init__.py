"""Fused graphs: attention as one operator over a preallocated cache, norms and activations as one each.

`fuse.fuse` makes one from an export, `slots.with_slots` one for several sequences. See docs/fusion.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto


def with_slots(model: ModelProto, slots: int) -> ModelProto:
    """See `baco_exporters.fusion.slots.with_slots`; nothing heavy is imported before it is called."""
    from baco_exporters.fusion.slots import with_slots as run

    return run(model, slots)


def with_batch(model: ModelProto) -> ModelProto:
    """See `baco_exporters.fusion.batch.with_batch`; nothing heavy is imported before it is called."""
    from baco_exporters.fusion.batch import with_batch as run

    return run(model)
