"""What a fused model reads its passes with, however many sequences a pass has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baco_onnxruntime.buffers import Buffers
from baco_onnxruntime.fused_graph import FusedGraph
from baco_onnxruntime.session import Session


@dataclass(frozen=True, slots=True)
class FusedParts:
    """An open graph, where its cache buffers come from, and the adapter bound to it, by input."""

    session: Session
    graph: FusedGraph
    buffers: Buffers
    vocab_size: int
    adapter: Mapping[str, Any]
