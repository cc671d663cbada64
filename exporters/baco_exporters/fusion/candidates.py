"""What a layer's attention might be; an experiment decides."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import onnx

from baco_exporters.fusion.anchors import Anchors
from baco_exporters.fusion.architecture import Architecture
from baco_exporters.fusion.attention import Attention, Norm
from baco_exporters.fusion.outcome import NotFusableError
from baco_exporters.fusion.region import Region
from baco_exporters.fusion.rotary import Rotary

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import NodeProto


def candidates(region: Region, architecture: Architecture, rotary: Rotary | None) -> Iterator[Attention]:
    """Yield what the configuration and the region allow, the likeliest first.

    Raises NotFusableError when the operator cannot be it for its shapes alone.
    """
    anchors = region.anchors
    _check_shapes(anchors, rotary)
    q_norm, k_norm = _norms(region)
    choices = product(
        [False, True] if rotary else [None],
        _layouts(anchors),
        architecture.scales or (anchors.head_size**-0.5,),
        architecture.softcaps,
        architecture.windows,
    )
    for interleaved, layout, scale, softcap, window in choices:
        order = _order(anchors.head_size, rotary, interleaved)
        yield Attention(
            heads=anchors.heads,
            kv_heads=anchors.kv_heads,
            head_size=anchors.head_size,
            scale=scale,
            softcap=softcap,
            window=window,
            interleaved=interleaved,
            columns=_columns(layout, anchors, order),
            order=order,
            q_norm=_reordered(q_norm, order),
            k_norm=_reordered(k_norm, order),
        )


def _check_shapes(anchors: Anchors, rotary: Rotary | None) -> None:
    size, widths = anchors.head_size, [projection.width for projection in anchors.projections]
    keys, step = anchors.kv_heads * size, 16 if rotary else 8
    at = f"layer {anchors.layer}"
    if size % step:
        raise NotFusableError(f"{at}: the head size {size} is not a multiple of {step}")
    if (len(widths) == 3 and widths[1:] != [keys, keys]) or anchors.heads % anchors.kv_heads:
        raise NotFusableError(f"{at}: {widths} columns do not make {anchors.kv_heads} heads of {size}")
    if rotary and 2 * rotary.cosines.shape[1] > size:
        raise NotFusableError(f"{at}: {rotary.cosines.shape[1]} rotary pairs in heads of {size}")


def _norms(region: Region) -> tuple[Norm | None, Norm | None]:
    """Return the norms of the query's and the key's heads, if there are any."""
    found = [node for node in region.nodes if node.op_type == "SimplifiedLayerNormalization"]
    if not found:
        return None, None
    before_key = {id(node) for node in region.made_of(region.anchors.present[0])}
    keys = [node for node in found if id(node) in before_key]
    queries = [node for node in found if id(node) not in before_key]
    if len(keys) != 1 or len(queries) != 1:
        raise NotFusableError(f"layer {region.anchors.layer}: {len(found)} norms inside its attention, not 2")
    return _norm(region, queries[0]), _norm(region, keys[0])


def _norm(region: Region, node: NodeProto) -> Norm:
    values = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    scale = region.view.constants.get(node.input[1])
    if scale is None or list(scale.dims) != [region.anchors.head_size]:
        raise NotFusableError(
            f"layer {region.anchors.layer}: a norm inside its attention is not over one head"
        )
    array: NDArray[np.float32] = onnx.numpy_helper.to_array(scale)
    return Norm(array, float(values.get("epsilon", 1e-5)))


def _order(size: int, rotary: Rotary | None, interleaved: bool | None) -> NDArray[np.int64]:
    """Return the order of a head's dimensions in which the rotated pairs lie as the operator wants them.

    It turns whole heads. When only the first dimensions are rotated, their halves go to the start of both
    halves of the head, and the rest gets pairs that are not turned. Scores do not depend on the order.
    """
    pairs = rotary.cosines.shape[1] if rotary else size // 2
    if 2 * pairs == size or interleaved:
        return np.arange(size)
    rest = np.arange(2 * pairs, size)
    cut = len(rest) // 2
    return np.concatenate([np.arange(pairs), rest[:cut], np.arange(pairs, 2 * pairs), rest[cut:]])


def _layouts(anchors: Anchors) -> list[str]:
    return ["side by side"] if len(anchors.projections) == 3 else ["side by side", "by group"]


def _columns(layout: str, anchors: Anchors, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each column of query, key and value is found in the projections."""
    heads, groups, size = anchors.heads, anchors.kv_heads, anchors.head_size
    rows = np.arange((heads + 2 * groups) * size).reshape(-1, size)
    if layout == "by group":
        grouped = rows.reshape(groups, heads // groups + 2, size)
        parts = (grouped[:, :-2], grouped[:, -2], grouped[:, -1])
        rows = np.concatenate([part.reshape(-1, size) for part in parts])
    rotated, values = rows[: heads + groups], rows[heads + groups :]
    return np.concatenate([rotated[:, order].reshape(-1), values.reshape(-1)])


def _reordered(norm: Norm | None, order: NDArray[np.int64]) -> Norm | None:
    return Norm(norm.scale[order], norm.epsilon) if norm else None
