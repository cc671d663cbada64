"""Rotary position tables, taken from the graph itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from baco_exporters.fusion.outcome import NotFusableError
from baco_exporters.fusion.region import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import NodeProto


@dataclass(frozen=True, slots=True)
class Rotary:
    """Cosines and sines [positions, pairs].

    `key` names the graph's own tensor, so that layers with the same tables can share them.
    """

    key: str
    cosines: NDArray[np.float32]
    sines: NDArray[np.float32]


def find_rotary(region: Region, positions: int, known: dict[str, Rotary]) -> Rotary | None:
    """Return the tables of a layer, computed by its own operators; None when nothing is rotated.

    So any scaling that does not depend on the text's length (linear, llama3, yarn) is in them already.
    """
    cosines, sines = ([n for n in region.nodes if n.op_type == kind] for kind in ("Cos", "Sin"))
    if not cosines and not sines:
        return None
    if len(cosines) != 1 or len(sines) != 1:
        raise NotFusableError(
            f"layer {region.anchors.layer}: {len(cosines)} rotary tables meet in its attention"
        )
    names = [_scaled(region, node) for node in (cosines[0], sines[0])]
    if names[0] not in known:
        cosine, sine = region.run(names, {}, 0, positions)
        tables = (_flat(table, positions, region) for table in (cosine, sine))
        known[names[0]] = _tables(names[0], *tables)
    return known[names[0]]


def _scaled(region: Region, node: NodeProto) -> str:
    """Follow a table through the constant factor that some scalings multiply it with."""
    name: str = node.output[0]
    while True:
        readers = region.view.readers[name]
        if len(readers) != 1 or readers[0].op_type not in ("Mul", "Cast", "Identity"):
            return name
        others = [other for other in readers[0].input if other != name]
        if any(other not in region.view.constants for other in others):
            return name
        name = readers[0].output[0]


def _flat(table: NDArray[np.float32], positions: int, region: Region) -> NDArray[np.float32]:
    """Return a table as [positions, width]; some graphs hold it the other way round."""
    flat: NDArray[np.float32] = table.squeeze()
    if flat.ndim == 2 and flat.shape[0] != positions:
        flat = flat.T
    if flat.ndim != 2 or flat.shape[0] != positions:
        raise NotFusableError(f"layer {region.anchors.layer}: its rotary table is {list(table.shape)}")
    return flat


def _tables(key: str, cosines: NDArray[np.float32], sines: NDArray[np.float32]) -> Rotary:
    """Keep one number for each pair of dimensions, where the graph holds one for each dimension."""
    half = cosines.shape[1] // 2
    if np.array_equal(cosines[:, :half], cosines[:, half:]):
        return Rotary(key, cosines[:, :half], sines[:, :half])
    if np.array_equal(cosines[:, ::2], cosines[:, 1::2]):
        return Rotary(key, cosines[:, ::2], sines[:, ::2])
    return Rotary(key, cosines, sines)
