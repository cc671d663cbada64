"""One layer's attention as GroupQueryAttention computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import NodeProto, TensorProto

DOMAIN = "com.microsoft"
LENGTHS = ("seqlens_k", "total_sequence_length")
"""The operator's inputs that say how much of the cache is valid."""


@dataclass(frozen=True, slots=True)
class Norm:
    """A root-mean-square norm of every head: its scale [head size] and epsilon."""

    scale: NDArray[np.float32]
    epsilon: float


@dataclass(frozen=True, slots=True)
class Attention:
    """The figures of GroupQueryAttention, and what has to happen before it.

    `columns` says which column of the projections (query, key and value side by side) is column i of the
    operator's packed input, where they are not in its order; `order` is the same for the dimensions of a
    cached key. `softcap` and `window` are 0 for none. Rotary tables and norms are named by the caller.
    """

    heads: int
    kv_heads: int
    head_size: int
    scale: float
    softcap: float
    window: int
    interleaved: bool | None
    """None when nothing is rotated."""
    columns: NDArray[np.int64]
    order: NDArray[np.int64]
    q_norm: Norm | None = None
    k_norm: Norm | None = None

    @property
    def widths(self) -> tuple[int, int, int]:
        """Columns of query, key and value."""
        keys = self.kv_heads * self.head_size
        return self.heads * self.head_size, keys, keys

    @property
    def reorders(self) -> bool:
        """Whether the columns of the projections have to change places."""
        return not np.array_equal(self.columns, np.arange(len(self.columns)))


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the tensors around one attention; `prefix` starts those that are made in between."""

    prefix: str
    inputs: tuple[str, ...]
    """One packed tensor, or query, key and value."""
    past: tuple[str, str]
    present: tuple[str, str]
    tables: tuple[str, str]
    result: str

    @property
    def norms(self) -> tuple[str, str]:
        """The scales of the norms of query and key."""
        return f"{self.prefix}/q_norm", f"{self.prefix}/k_norm"


def attention_nodes(attention: Attention, names: Names) -> list[NodeProto]:
    """Return the operators that compute `names.result` [1, T, query width] from `names.inputs`."""
    nodes: list[NodeProto] = []
    inputs = names.inputs
    if attention.q_norm and len(inputs) == 1:
        inputs = tuple(f"{names.prefix}/{part}" for part in ("query", "key", "value"))
        nodes.append(
            helper.make_node(
                "Split",
                [names.inputs[0], f"{names.prefix}/widths"],
                list(inputs),
                name=f"{names.prefix}/Split",
                axis=-1,
            )
        )
    if attention.q_norm and attention.k_norm:
        query, more = _normed(inputs[0], attention.heads, names.norms[0], attention.q_norm, names.prefix)
        key, most = _normed(inputs[1], attention.kv_heads, names.norms[1], attention.k_norm, names.prefix)
        nodes += [*more, *most]
        inputs = (query, key, inputs[2])
    return [*nodes, _operator(attention, names, inputs)]


def attention_constants(attention: Attention, names: Names) -> list[TensorProto]:
    """Return the small constants that the operators read."""
    if not (attention.q_norm and attention.k_norm):
        return []
    values = {
        names.norms[0]: attention.q_norm.scale,
        names.norms[1]: attention.k_norm.scale,
        f"{names.prefix}/heads": np.array([0, 0, -1, attention.head_size], np.int64),
        f"{names.prefix}/row": np.array([0, 0, -1], np.int64),
        f"{names.prefix}/widths": np.array(attention.widths, np.int64),
    }
    return [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in values.items()]


def _operator(attention: Attention, names: Names, inputs: tuple[str, ...]) -> NodeProto:
    padded = [*inputs, "", ""][:3]
    figures: dict[str, Any] = {
        "num_heads": attention.heads,
        "kv_num_heads": attention.kv_heads,
        "scale": attention.scale,
        "do_rotary": int(attention.interleaved is not None),
    }
    if attention.interleaved:
        figures["rotary_interleaved"] = 1
    if attention.softcap:
        figures["softcap"] = attention.softcap
    if attention.window:
        figures["local_window_size"] = attention.window
    tables = [] if attention.interleaved is None else list(names.tables)
    return helper.make_node(
        "GroupQueryAttention",
        [*padded, *names.past, *LENGTHS, *tables],
        [names.result, *names.present],
        name=f"{names.prefix}/GroupQueryAttention",
        domain=DOMAIN,
        **figures,
    )


def _normed(source: str, heads: int, scale: str, norm: Norm, prefix: str) -> tuple[str, list[NodeProto]]:
    """Norm each head of `source`; with one head its row is the head."""
    normed = f"{scale}/normed"
    if heads == 1:
        return normed, [_norm(source, scale, normed, norm.epsilon)]
    cut, flat = f"{scale}/cut", f"{scale}/flat"
    return flat, [
        helper.make_node("Reshape", [source, f"{prefix}/heads"], [cut], name=f"{scale}/Reshape"),
        _norm(cut, scale, normed, norm.epsilon),
        helper.make_node("Reshape", [normed, f"{prefix}/row"], [flat], name=f"{scale}/Reshape_1"),
    ]


def _norm(source: str, scale: str, result: str, epsilon: float) -> NodeProto:
    return helper.make_node(
        "SimplifiedLayerNormalization",
        [source, scale],
        [result],
        name=f"{scale}/SimplifiedLayerNormalization",
        axis=-1,
        epsilon=epsilon,
        stash_type=1,
    )
