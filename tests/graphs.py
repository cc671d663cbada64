"""Decoders in ONNX small enough to check by hand: no download, no torch.

With `x` the hidden state, `*` per element and one weight vector each for keys and values,

    x[0, t]     = embed[id_t] * position[t]
    key[l, t]   = x[l, t] * key_weight[l]           (what the cache holds)
    value[l, t] = x[l, t] * value_weight[l]
    x[l+1, t]   = tanh(sum over i <= t of 2 key[l, i] + value[l, i])
    logits[t]   = x[last, t] @ head

Inputs and outputs are named as Optimum names them. A lost token, a doubled one, a wrong position or
two cache tensors that change places alter every later row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

Array = NDArray[Any]
END = 2**62
PARTS = ("key", "value")


@dataclass(frozen=True)
class Decoder:
    """One such decoder; the fields say how its graph differs from a plain export."""

    seed: int = 0
    vocab_size: int = 97
    layers: int = 2
    heads: int = 2
    head_size: int = 16
    max_length: int = 64
    """Rows of the position table: reading beyond it fails in the graph."""
    position_ids: bool = True
    """False: the graph counts positions from the length of its cache."""
    cache: bool = True
    cache_dtype: int = TensorProto.FLOAT
    logits_dtype: int = TensorProto.FLOAT
    length_axis: int = 2
    """2: (batch, heads, length, head_size); 1: (batch, length, heads, head_size)."""
    row_count: str | None = None
    """Name of the input that says how many of the last rows are wanted."""

    @property
    def width(self) -> int:
        """Size of the hidden state."""
        return self.heads * self.head_size

    def weights(self) -> dict[str, Array]:
        """Return random weights, the same for the same seed."""
        rng = np.random.default_rng(self.seed)
        shapes: dict[str, tuple[int, ...]] = {
            "embed": (self.vocab_size, self.width),
            "position": (self.max_length, self.width),
            "head": (self.width, self.vocab_size),
        }
        for layer in range(self.layers):
            shapes |= {f"{part}_weight.{layer}": (self.width,) for part in PARTS}
        return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}

    def rows(self, token_ids: list[int]) -> NDArray[np.float32]:
        """The formula above in NumPy, in float64: one row for each token, returned as float32."""
        weights = {name: value.astype(np.float64) for name, value in self.weights().items()}
        x = weights["embed"][token_ids] * weights["position"][: len(token_ids)]
        for layer in range(self.layers):
            key, value = (self._held(x * weights[f"{part}_weight.{layer}"]) for part in PARTS)
            x = np.tanh(np.cumsum(2 * key + value, axis=0))
        rows: NDArray[np.float32] = (x @ weights["head"]).astype(np.float32)
        return rows

    def _held(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Round as the cache does."""
        half = self.cache_dtype == TensorProto.FLOAT16
        return values.astype(np.float16).astype(np.float64) if half else values

    def save(self, path: Path, *, external_data: bool = False) -> Path:
        """Write the graph to `path`, its weights beside it when `external_data`; return `path`."""
        model = self.model()
        onnx.save_model(
            model,
            str(path),
            save_as_external_data=external_data,
            location=f"{path.name}.data",
            size_threshold=256,
        )
        return path

    def model(self) -> onnx.ModelProto:
        """Build and check the graph."""
        graph = helper.make_graph(
            list(self._nodes()), "decoder", self._inputs(), self._outputs(), self._initializers()
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model

    def _nodes(self) -> list[NodeProto]:
        node = helper.make_node
        nodes = [
            node("Shape", ["input_ids"], ["count"], start=1, end=2),
            node("Shape", ["attention_mask"], ["total"], start=1, end=2),
            node("Sub", ["total", "count"], ["past_length"]),
            node("Gather", ["embed", "input_ids"], ["embedded"]),
            *self._placed(),
            node("Mul", ["embedded", "placed"], ["x.0"]),
            node("Cast", ["attention_mask"], ["seen"], to=TensorProto.FLOAT),
            node("Unsqueeze", ["seen", "last_axis"], ["seen_3d"]),  # (batch, total, 1)
        ]
        for layer in range(self.layers):
            nodes += self._layer(layer)
        return nodes + self._head()

    def _placed(self) -> list[NodeProto]:
        node = helper.make_node
        if self.position_ids:
            return [node("Gather", ["position", "position_ids"], ["placed"])]
        return [node("Slice", ["position", "past_length", "total", "first_axis"], ["placed"])]

    def _layer(self, layer: int) -> list[NodeProto]:
        node = helper.make_node
        nodes = []
        for part in PARTS:
            name = f"{part}.{layer}"
            nodes += [
                node("Mul", [f"x.{layer}", f"{part}_weight.{layer}"], [f"flat.{name}"]),
                *self._remembered(layer, part, name),
            ]
        return [
            *nodes,
            node("Mul", [f"all.key.{layer}", "two"], [f"twice.{layer}"]),
            node("Add", [f"twice.{layer}", f"all.value.{layer}"], [f"sum.{layer}"]),
            node("Mul", [f"sum.{layer}", "seen_3d"], [f"masked.{layer}"]),  # a wrong mask length fails
            node("CumSum", [f"masked.{layer}", "time_axis"], [f"running.{layer}"]),
            node("Slice", [f"running.{layer}", "past_length", "end", "second_axis"], [f"new.{layer}"]),
            node("Tanh", [f"new.{layer}"], [f"x.{layer + 1}"]),
        ]

    def _remembered(self, layer: int, part: str, name: str) -> list[NodeProto]:
        """Return the nodes that put `flat.NAME` behind the past; `all.NAME` is (batch, total, width)."""
        node = helper.make_node
        if not self.cache:
            return [node("Identity", [f"flat.{name}"], [f"all.{name}"])]
        order = [0, 2, 1, 3] if self.length_axis == 2 else [0, 1, 2, 3]
        past, present = f"past_key_values.{layer}.{part}", f"present.{layer}.{part}"
        return [
            node("Reshape", [f"flat.{name}", "by_head"], [f"split.{name}"]),
            node("Transpose", [f"split.{name}"], [f"turned.{name}"], perm=order),
            node("Cast", [f"turned.{name}"], [f"cast.{name}"], to=self.cache_dtype),
            node("Concat", [past, f"cast.{name}"], [present], axis=self.length_axis),
            node("Cast", [present], [f"wide.{name}"], to=TensorProto.FLOAT),
            node("Transpose", [f"wide.{name}"], [f"back.{name}"], perm=order),
            node("Reshape", [f"back.{name}", "merged"], [f"all.{name}"]),
        ]

    def _head(self) -> list[NodeProto]:
        node = helper.make_node
        nodes = [node("Identity", [f"x.{self.layers}"], ["kept"])]
        if self.row_count is not None:
            nodes = [
                node("Neg", [self.row_count], ["first_kept"]),
                node("Slice", [f"x.{self.layers}", "first_kept", "end", "second_axis"], ["kept"]),
            ]
        return [
            *nodes,
            # A product of two values that are computed, as in attention: there the runtime has kernels
            # for one row that round unlike those for several.
            node("ReduceMax", ["seen"], ["one"], keepdims=0),
            node("Mul", ["head", "one"], ["computed_head"]),
            node("MatMul", ["kept", "computed_head"], ["wide_logits"]),
            node("Cast", ["wide_logits"], ["logits"], to=self.logits_dtype),
        ]

    def _initializers(self) -> list[TensorProto]:
        whole: dict[str, Any] = {
            "first_axis": [0],
            "second_axis": [1],
            "last_axis": [2],
            "time_axis": 1,
            "end": [END],
            "by_head": [0, 0, self.heads, self.head_size],
            "merged": [0, 0, self.width],
        }
        values = {name: np.array(value, np.int64) for name, value in whole.items()}
        values |= {"two": np.array(2, np.float32), **self.weights()}
        return [numpy_helper.from_array(value, name) for name, value in values.items()]

    def _inputs(self) -> list[ValueInfoProto]:
        whole: dict[str, list[str | int]] = {
            "input_ids": ["batch", "count"],
            "attention_mask": ["batch", "total"],
        }
        if self.position_ids:
            whole["position_ids"] = ["batch", "count"]
        if self.row_count is not None:
            whole[self.row_count] = [1]
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in whole.items()
        ]
        return inputs + self._cache_values("past_key_values", "past")

    def _outputs(self) -> list[ValueInfoProto]:
        shape = ["batch", "kept" if self.row_count else "count", self.vocab_size]
        logits = helper.make_tensor_value_info("logits", self.logits_dtype, shape)
        return [logits, *self._cache_values("present", "total")]

    def _cache_values(self, prefix: str, length: str) -> list[ValueInfoProto]:
        shape: list[int | str] = ["batch", self.heads, self.head_size]
        shape.insert(self.length_axis, length)
        names = [f"{prefix}.{layer}.{part}" for layer in range(self.layers) for part in PARTS]
        return [helper.make_tensor_value_info(name, self.cache_dtype, shape) for name in names if self.cache]
