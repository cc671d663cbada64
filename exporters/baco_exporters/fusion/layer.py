"""A layer's attention as it was found, and the operators that take its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper

from baco_exporters.fusion.anchors import Anchors, Projection
from baco_exporters.fusion.architecture import Architecture
from baco_exporters.fusion.attention import Attention, Names, attention_constants, attention_nodes
from baco_exporters.fusion.candidates import candidates
from baco_exporters.fusion.experiment import ALLOWED, Experiment
from baco_exporters.fusion.outcome import NotFusableError
from baco_exporters.fusion.region import Region
from baco_exporters.fusion.rotary import Rotary, find_rotary
from baco_exporters.fusion.skeleton import Weights
from baco_exporters.fusion.view import View

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

SPARE_POSITIONS = 16
"""Rows that rotary tables have beyond the context limit: a pass may be padded by a row or two."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer whose attention has been proven to be `attention`."""

    anchors: Anchors
    attention: Attention
    rotary: Rotary | None

    @property
    def prefix(self) -> str:
        """Start of the names of what is new in this layer."""
        return f"layer.{self.anchors.layer}.attention"

    @property
    def merges(self) -> bool:
        """Whether query, key and value can be one product: the same input, and nothing in between."""
        parts = self.anchors.projections
        return len({part.node.input[0] for part in parts}) == 1 and all(part.plain for part in parts)

    def nodes(self, weights: Weights, tables: tuple[str, str]) -> list[NodeProto]:
        """Return the layer's new operators; a merged matrix is added to `weights`."""
        made = self._merge(weights) if self.merges else []
        return [*made, *attention_nodes(self.attention, self._names(tables))]

    def constants(self, view: View) -> list[TensorProto]:
        """Return the small constants that the new operators read."""
        constants = attention_constants(self.attention, self._names(("", "")))
        if self.merges and self._has_bias:
            bias = np.concatenate([_bias(view, part) for part in self.anchors.projections])
            constants.append(
                onnx.numpy_helper.from_array(bias[self.attention.columns], f"{self.prefix}/bias")
            )
        return constants

    def _merge(self, weights: Weights) -> list[NodeProto]:
        """Return one product in the place of three; one that is packed and in order stays as it is."""
        parts = self.anchors.projections
        if len(parts) == 1 and not self.attention.reorders:
            return []
        merged = np.concatenate([weights.array(part.node.input[1]) for part in parts], axis=1)
        matrix = f"{self.prefix}/qkv.weight"
        weights.add(matrix, merged[:, self.attention.columns] if self.attention.reorders else merged)
        output = f"{self.prefix}/product" if self._has_bias else f"{self.prefix}/qkv"
        nodes = [
            helper.make_node(
                "MatMul", [parts[0].node.input[0], matrix], [output], name=f"{self.prefix}/qkv/MatMul"
            )
        ]
        if self._has_bias:
            added = [output, f"{self.prefix}/bias"]
            nodes.append(
                helper.make_node("Add", added, [f"{self.prefix}/qkv"], name=f"{self.prefix}/qkv/Add")
            )
        return nodes

    def _names(self, tables: tuple[str, str]) -> Names:
        anchors = self.anchors
        return Names(self.prefix, self._inputs(), anchors.past, anchors.present, tables, anchors.result)

    def _inputs(self) -> tuple[str, ...]:
        outputs = tuple(part.output for part in self.anchors.projections)
        if not self.merges or (len(outputs) == 1 and not self.attention.reorders):
            return outputs
        return (f"{self.prefix}/qkv",)

    @property
    def _has_bias(self) -> bool:
        return any(part.bias for part in self.anchors.projections)


def find_layers(view: View, found: list[Anchors], architecture: Architecture) -> Iterator[Layer]:
    """Yield what each layer's attention is proven to be. Raises NotFusableError where nothing fits."""
    tables: dict[str, Rotary] = {}
    for anchors in found:
        region = Region(view, anchors)
        rotary = find_rotary(region, architecture.positions + SPARE_POSITIONS, tables)
        yield Layer(anchors, _prove(region, architecture, rotary), rotary)


def _prove(region: Region, architecture: Architecture, rotary: Rotary | None) -> Attention:
    experiment, best = Experiment.of(region, architecture), float("inf")
    for attention in candidates(region, architecture, rotary):
        difference = experiment.difference(attention, rotary)
        if difference <= ALLOWED and _can_be_built(attention, region.anchors):
            return attention
        uncapped = replace(attention, softcap=0.0)
        if attention.softcap and experiment.difference(uncapped, rotary) <= ALLOWED:
            raise NotFusableError(
                f"layer {region.anchors.layer}: the configuration caps attention scores at "
                f"{attention.softcap:g}, the exported graph does not; export it with eager attention"
            )
        best = min(best, difference)
    raise NotFusableError(
        f"layer {region.anchors.layer}: its attention is not what GroupQueryAttention computes "
        f"(off by {best:.2g} of the values' size at best, for {architecture.name!r})"
    )


def _can_be_built(attention: Attention, anchors: Anchors) -> bool:
    """Say whether columns that change places can do so in the matrices."""
    if not attention.reorders or all(part.plain for part in anchors.projections):
        return True
    raise NotFusableError(
        f"layer {anchors.layer}: its rotary is partial and a norm over all heads comes before it"
    )


def _bias(view: View, part: Projection) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    if not part.bias:
        return np.zeros(part.width, np.float32)
    return view.constant(part.bias).astype(np.float32)
