"""What a decoder graph declares: its inputs, its cache, its rows. No list of model types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from baco_core.errors import ModelError

LOGITS = "logits"
ROW_COUNTS = ("num_logits_to_keep", "logits_to_keep")
"""Inputs by which some graphs ask how many of the last rows are wanted."""

_PAST = re.compile(r"past(?:_key_values)?\.(?P<slot>.+)")
_PRESENT = re.compile(r"present(?:_key_values)?\.(?P<slot>.+)")
_FLOATS: dict[str, DTypeLike] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_FED: dict[str, DTypeLike] = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    **_FLOATS,
}


class NodeArg(Protocol):
    """An input or output as ONNX Runtime describes it; a free axis is a name or None."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> Sequence[int | str | None]: ...
    @property
    def type(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Fed:
    """An input that is made anew for every pass."""

    name: str
    rank: int
    dtype: np.dtype[Any]

    def shaped(self, values: NDArray[np.int64]) -> NDArray[Any]:
        """Return `values` with this input's type and leading axes of 1."""
        shape = (1,) * (self.rank - 1) + (-1,) if self.rank else ()
        return values.astype(self.dtype).reshape(shape)


@dataclass(frozen=True, slots=True)
class CacheTensor:
    """Keys or values of one layer: `past` goes in, `present` comes out, longer along `axis`."""

    past: str
    present: str
    axis: int
    empty_shape: tuple[int, ...]
    """Batch 1, and 0 along `axis`."""
    dtype: np.dtype[Any]

    def empty(self) -> NDArray[Any]:
        """Return the tensor of a cache that holds no token."""
        return np.empty(self.empty_shape, self.dtype)

    def first(self, values: NDArray[Any], length: int) -> NDArray[Any]:
        """Return the first `length` slots of `values`, contiguous."""
        return np.ascontiguousarray(values[(slice(None),) * self.axis + (slice(length),)])


@dataclass(frozen=True, slots=True)
class DecoderGraph:
    """The inputs and outputs of a decoder with a KV cache that grows."""

    fed: tuple[Fed, ...]
    cache: tuple[CacheTensor, ...]
    vocab_size: int | None
    """Width of a row; None when the graph does not say."""

    def feeds(self, token_ids: Sequence[int], past: int, keep: int) -> dict[str, NDArray[Any]]:
        """Return every input but the cache, to read `token_ids` after `past` tokens.

        `keep` is how many of the last rows are wanted, for graphs that ask.
        """
        after = past + len(token_ids)
        positions = np.arange(past, after)
        values = {
            "input_ids": np.asarray(token_ids, np.int64),
            "attention_mask": np.ones(after, np.int64),
            "position_ids": positions,
            "cache_position": positions,
            "use_cache_branch": np.array([past > 0], np.int64),
            **dict.fromkeys(ROW_COUNTS, np.array([keep], np.int64)),
        }
        return {fed.name: fed.shaped(values[fed.name]) for fed in self.fed}


_RANKS = {
    "input_ids": (2,),
    "attention_mask": (2,),
    "position_ids": (2,),
    "cache_position": (1,),
    "use_cache_branch": (0, 1),
    **dict.fromkeys(ROW_COUNTS, (0, 1)),
}
"""The inputs that can be fed, and the ranks they may have."""


def read_graph(inputs: Iterable[NodeArg], outputs: Iterable[NodeArg], path: Path) -> DecoderGraph:
    """Return what the graph declares; ModelError naming the file and the tensor we cannot serve."""
    given = {node.name: node for node in inputs}
    made = {node.name: node for node in outputs}
    pasts = {name: match["slot"] for name in given if (match := _PAST.fullmatch(name))}
    if not pasts:
        raise ModelError(
            f"{path}: the graph has no KV-cache inputs (past_key_values.*); "
            'export it with the task "text-generation-with-past".'
        )
    fed = tuple(_read_fed(node, path) for name, node in given.items() if name not in pasts)
    if "input_ids" not in given:
        raise ModelError(f"{path}: the graph has no input 'input_ids'. Inputs: {', '.join(given)}.")
    batch = given["input_ids"].shape[0]
    presents = {match["slot"]: node for name, node in made.items() if (match := _PRESENT.fullmatch(name))}
    cache = tuple(_read_cache(given[name], presents.get(slot), batch, path) for name, slot in pasts.items())
    return DecoderGraph(fed, cache, read_width(made, path))


def _read_fed(node: NodeArg, path: Path) -> Fed:
    if node.name not in _RANKS:
        raise ModelError(
            f"{path}: input {node.name!r} is not one a text decoder has; besides the KV cache this "
            f"backend feeds {', '.join(_RANKS)}."
        )
    if node.type not in _FED or len(node.shape) not in _RANKS[node.name]:
        raise ModelError(f"{path}: input {node.name!r} of {shown(node)} cannot be fed by this backend.")
    return Fed(node.name, len(node.shape), np.dtype(_FED[node.type]))


def _read_cache(past: NodeArg, present: NodeArg | None, batch: int | str | None, path: Path) -> CacheTensor:
    if present is None or len(present.shape) != len(past.shape) or present.type != past.type:
        raise ModelError(f"{path}: cache input {past.name!r} has no output 'present.*' like it.")
    dtype = cache_dtype(past, path)
    if past.shape[0] not in (batch, 1, None):
        raise ModelError(f"{path}: the first axis of cache input {past.name!r} of {shown(past)} is no batch.")
    sizes = [_size(*pair) for pair in zip(past.shape[1:], present.shape[1:], strict=True)]
    if sizes.count(None) != 1:
        raise ModelError(
            f"{path}: cache input {past.name!r} of {shown(past)} must have one axis of free length "
            "besides the batch, the one that grows."
        )
    shape = (1, *(size or 0 for size in sizes))
    return CacheTensor(past.name, present.name, sizes.index(None) + 1, shape, dtype)


def _size(past: int | str | None, present: int | str | None) -> int | None:
    return next((size for size in (past, present) if isinstance(size, int)), None)


def cache_dtype(past: NodeArg, path: Path) -> np.dtype[Any]:
    """Return the type of a cache tensor; ModelError unless it is one we can hold."""
    if past.type not in _FLOATS:
        raise ModelError(
            f"{path}: cache input {past.name!r} is {past.type}; float32 and float16 are supported."
        )
    return np.dtype(_FLOATS[past.type])


def read_width(made: dict[str, NodeArg], path: Path) -> int | None:
    """Return the width of a row, None when the graph does not say; ModelError when it has no rows."""
    logits = made.get(LOGITS)
    if logits is None or len(logits.shape) != 3 or logits.type not in _FLOATS:
        there = ", ".join(f"{name} of {shown(node)}" for name, node in list(made.items())[:3])
        raise ModelError(
            f"{path}: the graph must have an output {LOGITS!r} of shape (batch, length, vocabulary) in "
            f"float32 or float16. Outputs: {there}."
        )
    width = logits.shape[2]
    return width if isinstance(width, int) else None


def shown(node: NodeArg) -> str:
    """Return type and shape as an error shows them."""
    return f"{node.type.removeprefix('tensor(').removesuffix(')')} {list(node.shape)}"
