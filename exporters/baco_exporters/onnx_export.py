"""From a PyTorch model to an ONNX file with a KV cache, through Optimum."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baco_core.bundle import KvLayout
from baco_core.errors import ExportError
from baco_exporters.torch_model import TASK

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto
OPSET = 18
"""The opset Optimum's configurations are written for."""


def run_optimum(model: Any, folder: Path, task: str = TASK, kind: str = "model") -> None:
    """Export `model` into the new folder `folder`; a decoder gets inputs and outputs for the KV cache.

    Raises ExportError with Optimum's reason when it refuses.
    """
    from optimum.exporters.onnx import onnx_export_from_model

    folder.mkdir()
    model.config._name_or_path = str(folder / "no-tokenizer")  # Optimum looks for one, even on the hub
    try:
        onnx_export_from_model(
            model, folder, task=task, opset=OPSET, do_validation=False, no_post_process=True
        )
    except OSError:
        raise  # the disk, not the model
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(
            f"Optimum could not export the {model.config.model_type!r} {kind}: {reason[0]}"
        ) from error


def take_graph(folder: Path) -> ModelProto:
    """Return the graph that run_optimum left in `folder`, and remove the folder."""
    import onnx

    graph = onnx.load(folder / "model.onnx")
    shutil.rmtree(folder)
    return graph


def vocabulary_size(graph: ModelProto) -> int:
    """Return how many logits the graph answers with."""
    logits = next(value for value in graph.graph.output if value.name == "logits")
    return int(logits.type.tensor_type.shape.dim[2].dim_value)


def kv_layout(graph: ModelProto) -> KvLayout:
    """Return the layout of the KV cache that the graph's inputs declare.

    Raises ExportError when there is none, or when keys and values differ in shape.
    """
    import onnx

    caches = [value for value in graph.graph.input if value.name.startswith("past_key_values.")]
    shapes = {_heads_and_size(value) for value in caches}
    heads, size = shapes.pop() if len(shapes) == 1 else (0, 0)
    if not (heads and size):
        raise ExportError(
            "the exported graph has no KV cache of (batch, heads, length, head size) with one shape for all "
            "layers; this architecture cannot be paired."
        )
    dtype = onnx.helper.tensor_dtype_to_np_dtype(caches[0].type.tensor_type.elem_type)
    is_fused = any(value.name == "seqlens_k" for value in graph.graph.input)
    return KvLayout(
        layers=len(caches) // 2,
        heads=heads,
        head_size=size,
        dtype=str(dtype),
        layout="shared" if is_fused else "growing",
    )


def _heads_and_size(value: ValueInfoProto) -> tuple[int, int]:
    """Return the two fixed dimensions of a cache tensor; 0 where they are not fixed."""
    dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    return (dims[1], dims[3]) if len(dims) == 4 else (0, 0)
