"""The proof that an operator does what a region does: both are run on the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto

from baco_exporters.fusion.architecture import Architecture
from baco_exporters.fusion.attention import LENGTHS, Attention, Names, attention_constants, attention_nodes
from baco_exporters.fusion.region import Region, run_graph
from baco_exporters.fusion.rotary import Rotary

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALLOWED = 1e-3
"""Largest difference, in units of the values' root mean square. Honest rounding stays near 1e-5; one key
too many or too few among 2,000 makes 1e-2."""

_PROMPT = 7
_CHUNK = 6
_LONGEST_PROMPT = 1024


@dataclass(frozen=True, slots=True)
class _Case:
    """`tokens` new positions after `past`: flat query, key and value, and the cache."""

    past: int
    tokens: int
    flat: NDArray[np.float32]
    keys: NDArray[np.float32]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Experiment:
    """Runs a region on random numbers: a prompt, a chunk after a short past and one after a long past.

    The long past is longer than every number that the region's constants hold, so a sliding window, a
    chunked mask or a limit of any other kind that it knows shows.
    """

    region: Region
    cases: list[_Case]
    expected: list[list[NDArray[np.float32]]]

    @classmethod
    def of(cls, region: Region, architecture: Architecture) -> Experiment:
        """Run the region on every case."""
        cases = list(_cases(region, architecture))
        return cls(region, cases, [_run_region(region, case) for case in cases])

    def difference(self, attention: Attention, rotary: Rotary | None) -> float:
        """Return the operator's largest difference from the region, in units of the root mean square."""
        found = (_run_operator(attention, rotary, case) for case in self.cases)
        return max(_worst(mine, theirs, attention) for mine, theirs in zip(found, self.expected, strict=True))


def _cases(region: Region, architecture: Architecture) -> Iterator[_Case]:
    integers = region.integers(architecture.positions)
    limit = architecture.positions - _CHUNK
    far = max([*integers, 8])
    windows = [window for window in architecture.windows if 0 < window <= _LONGEST_PROMPT]
    yield _case(region, 0, min(max([_PROMPT, *(window + 3 for window in windows)]), architecture.positions))
    yield _case(region, min(5, limit), 1)
    yield _case(region, min(far + 3, limit), _CHUNK)


def _case(region: Region, past: int, tokens: int) -> _Case:
    anchors, generator = region.anchors, np.random.default_rng(region.anchors.layer)
    width = sum(projection.width for projection in anchors.projections)
    cache = (1, anchors.kv_heads, past, anchors.head_size)
    flat, keys, values = (
        generator.standard_normal(shape, np.float32) for shape in ((1, tokens, width), cache, cache)
    )
    return _Case(past, tokens, flat, keys, values)


def _run_region(region: Region, case: _Case) -> list[NDArray[np.float32]]:
    anchors = region.anchors
    cuts = np.cumsum([projection.width for projection in anchors.projections])[:-1]
    parts = np.split(case.flat, cuts, axis=-1)
    feeds = {
        projection.output: np.ascontiguousarray(part)
        for projection, part in zip(anchors.projections, parts, strict=True)
    }
    feeds |= dict(zip(anchors.past, (case.keys, case.values), strict=True))
    feeds |= {name: _noise(region, case.tokens) for name in region.hidden}
    return region.run([anchors.result, *anchors.present], feeds, case.past, case.tokens)


def _noise(region: Region, tokens: int) -> NDArray[np.float32]:
    """Return hidden states that would show in a result that is made of more than their shape."""
    shape = (1, tokens, region.hidden_size)
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def _run_operator(attention: Attention, rotary: Rotary | None, case: _Case) -> list[NDArray[np.float32]]:
    names = Names(
        "fused", ("packed",), ("past_key", "past_value"), ("key", "value"), ("cosines", "sines"), "result"
    )
    total = case.past + case.tokens
    feeds = {
        "packed": np.ascontiguousarray(case.flat[..., attention.columns]),
        "past_key": _with_room(case.keys[..., attention.order], case.tokens),
        "past_value": _with_room(case.values, case.tokens),
        LENGTHS[0]: np.array([total - 1], np.int32),
        LENGTHS[1]: np.array([total], np.int32),
    }
    constants = attention_constants(attention, names)
    if rotary:
        constants += rotary_constants(rotary, attention.head_size, names.tables, rows=total)
    inputs = [
        onnx.helper.make_tensor_value_info(
            name, TensorProto.INT32 if name in LENGTHS else TensorProto.FLOAT, array.shape
        )
        for name, array in feeds.items()
    ]
    outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in ("result", "key", "value")]
    graph = onnx.helper.make_graph(attention_nodes(attention, names), "fused", inputs, outputs, constants)
    opset = onnx.ModelProto(ir_version=8, opset_import=[onnx.helper.make_opsetid("", 18)])
    return run_graph(graph, opset, feeds)


def rotary_constants(
    rotary: Rotary, head_size: int, names: tuple[str, str], rows: int | None = None
) -> list[TensorProto]:
    """Return the tables as the operator wants them: half a head wide; pairs that do not turn have angle 0."""
    missing = head_size // 2 - rotary.cosines.shape[1]
    cosines = np.pad(rotary.cosines[:rows], ((0, 0), (0, missing)), constant_values=1)
    sines = np.pad(rotary.sines[:rows], ((0, 0), (0, missing)))
    pairs = zip(names, (cosines, sines), strict=True)
    return [onnx.numpy_helper.from_array(np.ascontiguousarray(table), name) for name, table in pairs]


def _with_room(cache: NDArray[np.float32], tokens: int) -> NDArray[np.float32]:
    """Return a buffer of the cache with place for the new tokens, which the operator fills."""
    return np.ascontiguousarray(np.pad(cache, ((0, 0), (0, 0), (0, tokens), (0, 0))))


def _worst(mine: list[NDArray[np.float32]], theirs: list[NDArray[np.float32]], attention: Attention) -> float:
    """Return the largest difference of result, key and value; a key's dimensions may be in another order."""
    result, key, value = theirs
    pairs = zip(mine, (result, key[..., attention.order], value), strict=True)
    return max(_relative(one, other) for one, other in pairs)


def _relative(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    if one.shape != other.shape:
        return float("inf")
    scale = float(np.sqrt(np.mean(np.square(other, dtype=np.float64)))) or 1.0
    worst = float(np.abs(one - other).max()) / scale
    return worst if np.isfinite(worst) else float("inf")
