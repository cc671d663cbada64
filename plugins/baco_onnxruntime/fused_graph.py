"""What a fused graph declares: GroupQueryAttention over shared buffers, for S sequences a pass."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from baco_core.errors import ModelError
from baco_onnxruntime.graph import LOGITS, CacheTensor, NodeArg, cache_dtype, read_width, shown

LENGTHS = "seqlens_k"
"""The input that tells a fused graph from one whose cache grows."""

_PAST = re.compile(r"past_key_values\.(?P<part>\d+\.(?:key|value))(?:\.(?P<slot>\d+))?")
_ONE: dict[str, DTypeLike] = {
    "input_ids": np.int64,
    "logits_indices": np.int64,
    LENGTHS: np.int32,
    "total_sequence_length": np.int32,
}
_PADS: dict[str, DTypeLike] = {"pad_indices": np.int64, "unpad_indices": np.int64}
_MANY: dict[str, DTypeLike] = {"chunk_lengths": np.int64, **_PADS}
_TYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
_LOGITS: dict[str, DTypeLike] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


@dataclass(frozen=True, slots=True)
class FusedGraph:
    """A decoder that reads up to `slots` sequences in one pass, each with a buffer of its own."""

    slots: int
    padded: bool
    """Whether rows can be added for attention alone; a graph with one slot may be without."""
    cache: tuple[CacheTensor, ...]
    """The tensors of the first slot; their names in the others come from `names`."""
    vocab_size: int | None
    logits_dtype: np.dtype[Any]
    batched: bool = False
    """Whether a pass may read any number of sequences, one token each, of one buffer."""

    @property
    def head_size(self) -> int:
        """Size of a key."""
        return max(tensor.empty_shape[-1] for tensor in self.cache)

    def names(self, slot: int) -> list[tuple[str, str]]:
        """Return the names of the cache's inputs and outputs in that slot."""
        end = f".{slot}" if self.slots > 1 else ""
        return [(f"{tensor.past}{end}", f"{tensor.present}{end}") for tensor in self.cache]


def is_fused(inputs: Iterable[NodeArg]) -> bool:
    """Return whether a graph with these inputs is a fused one."""
    return any(node.name == LENGTHS for node in inputs)


def read_fused_graph(inputs: Iterable[NodeArg], outputs: Iterable[NodeArg], path: Path) -> FusedGraph:
    """Return what the graph declares; ModelError naming the file and the tensor we cannot serve."""
    given = {node.name: node for node in inputs}
    made = {node.name: node for node in outputs}
    batched = not isinstance(given[LENGTHS].shape[0], int)
    slots = 1 if batched else _read_slots(given, path)
    pasts = [match for name in given if (match := _PAST.fullmatch(name))]
    padded = slots > 1 or ("pad_indices" in given and not batched)
    _check_fed(set(given) - {match[0] for match in pasts}, given, slots, padded, path)
    parts = list(dict.fromkeys(match["part"] for match in pasts))
    if not parts:
        raise ModelError(f"{path}: the graph has no KV-cache inputs (past_key_values.*); export it again.")
    cache = tuple(_read_cache(part, slots, batched, given, made, path) for part in parts)
    width = read_width(made, path)
    return FusedGraph(slots, padded, cache, width, np.dtype(_LOGITS[made[LOGITS].type]), batched)


def _read_slots(given: dict[str, NodeArg], path: Path) -> int:
    node = given[LENGTHS]
    if len(node.shape) != 1 or not isinstance(node.shape[0], int) or node.shape[0] < 1:
        raise ModelError(f"{path}: input {LENGTHS!r} of {shown(node)} must have the shape [slots], a number.")
    return node.shape[0]


def _check_fed(names: set[str], given: dict[str, NodeArg], slots: int, padded: bool, path: Path) -> None:
    wanted = _ONE | (_MANY if slots > 1 else _PADS if padded else {})
    missing = [name for name in wanted if name not in names]
    if missing or len(names) > len(wanted):
        wrong = missing or sorted(names - set(wanted))
        what = "lacks the input" if missing else "has the input"
        raise ModelError(
            f"{path}: a fused graph of {slots} slots {what} {wrong[0]!r}; besides the KV cache it must have "
            f"{', '.join(wanted)}, and nothing else. Export the model again."
        )
    for name, dtype in wanted.items():
        if _TYPES.get(given[name].type) is not dtype:
            raise ModelError(f"{path}: input {name!r} of {shown(given[name])} must be {np.dtype(dtype)}.")


def _read_cache(
    part: str, slots: int, batched: bool, given: dict[str, NodeArg], made: dict[str, NodeArg], path: Path
) -> CacheTensor:
    past, present = f"past_key_values.{part}", f"present.{part}"
    ends = [f".{slot}" for slot in range(slots)] if slots > 1 else [""]
    shape: tuple[int, ...] | None = None
    for end in ends:
        node, output = given.get(past + end), made.get(present + end)
        if node is None or output is None:
            lost = past + end if node is None else present + end
            raise ModelError(f"{path}: a fused graph of {slots} slots has no {lost!r}; export it again.")
        found = _shape(node, batched, path)
        if shape not in (None, found) or output.type != node.type:
            raise ModelError(f"{path}: cache input {node.name!r} of {shown(node)} is not like its fellows.")
        shape = found
    assert shape is not None  # noqa: S101  there is at least one slot
    return CacheTensor(past, present, 2, shape, cache_dtype(given[past + ends[0]], path))


def _shape(node: NodeArg, batched: bool, path: Path) -> tuple[int, ...]:
    if len(node.shape) == 4:
        batch, heads, capacity, size = node.shape
        fits = not isinstance(batch, int) if batched else batch == 1
        if fits and isinstance(heads, int) and isinstance(size, int) and not isinstance(capacity, int):
            return 1, heads, 0, size
    first, free = ("batch", "capacity and batch") if batched else ("1", "the capacity")
    raise ModelError(
        f"{path}: cache input {node.name!r} of {shown(node)} must have the shape "
        f"[{first}, heads, capacity, head size], with {free} free."
    )
