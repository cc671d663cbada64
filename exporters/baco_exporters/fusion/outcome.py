"""What came of a fusion."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto


@dataclass(frozen=True, slots=True)
class Fused:
    """A fused graph and its operators before and after, by type; the ones used most come first."""

    model: ModelProto
    before: dict[str, int]
    after: dict[str, int]


@dataclass(frozen=True, slots=True)
class Unfused:
    """The graph stays as it was; `reason` is one line that says why."""

    reason: str


class NotFusableError(Exception):
    """The graph is not what the fusion knows; the message is the reason, and `fuse` returns it."""


def operators(graph: GraphProto) -> dict[str, int]:
    """Count the operators of a graph by type, the most frequent first."""
    return dict(Counter(node.op_type for node in graph.node).most_common())
