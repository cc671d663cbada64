"""Fused decoders small enough to check by hand: GroupQueryAttention over shared buffers, in S slots.

A plain transformer without norms: per layer

    x <- x + attention(x @ qkv) @ out        rotary positions, grouped heads, optional sliding window
    x <- x + tanh(x @ up) @ down

and `logits = x[logits_indices] @ head`. Inputs and outputs as docs/backend.md says of fused graphs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from baco_exporters.fusion import with_batch

Array = NDArray[Any]
Precision = Literal["fp32", "fp16", "int4", "int8", "dynamic"]
PARTS = ("key", "value")
RANK = 4
"""Columns of a low-rank adapter."""


@dataclass(frozen=True)
class FusedDecoder:
    """One such decoder; the fields say what its graph is like."""

    seed: int = 0
    slots: int = 1
    vocab_size: int = 97
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    head_size: int = 16
    max_length: int = 64
    """Context; the rotary tables have one row more, for the row that is read as company."""
    window: int = -1
    precision: Precision = "fp32"
    block: int = 32
    """Weights that share a scale, in 4 and 8 bits."""
    pads: bool = False
    """Let rows be added for attention alone even with one slot."""
    batched: bool = False
    """Let a pass read any number of sequences, a token each, of one buffer."""
    adaptable: bool = False
    """Have a low-rank adapter beside `qkv`, which does nothing unless its values are given."""

    @property
    def width(self) -> int:
        """Size of the hidden state."""
        return self.heads * self.head_size

    def weights(self) -> dict[str, Array]:
        """Return random weights, the same for the same seed."""
        rng = np.random.default_rng(self.seed)
        wide = (self.heads + 2 * self.kv_heads) * self.head_size
        shapes = {"qkv": (self.width, wide), "out": (self.width, self.width)}
        shapes |= {"up": (self.width, 2 * self.width), "down": (2 * self.width, self.width)}
        every = {f"{name}.{at}": shape for at in range(self.layers) for name, shape in shapes.items()}
        every |= {"head": (self.width, self.vocab_size)}
        made = {name: rng.normal(size=shape) / np.sqrt(shape[0]) for name, shape in every.items()}
        made["embed"] = rng.normal(size=(self.vocab_size, self.width))
        return {name: value.astype(np.float32) for name, value in made.items()}

    def adapter(self, seed: int = 1) -> dict[str, Array]:
        """Return values for the adapter's parameters, by the name of the graph's input."""
        rng = np.random.default_rng(seed)
        return {
            name: rng.normal(size=value.shape).astype(np.float32) / 4
            for name, value in self._neutral_adapter().items()
        }

    def rows(self, tokens: list[int], adapter: dict[str, Array] | None = None) -> Array:
        """Return the row after each token, by the formula, in float64."""
        given = {name: value.astype(np.float64) for name, value in self.weights().items()}
        adapter = adapter or {}
        x = given["embed"][tokens]
        for at in range(self.layers):
            qkv = x @ given[f"qkv.{at}"]
            if adapter:
                qkv += x @ adapter[f"lora_A.{at}"].astype(np.float64) @ adapter[f"lora_B.{at}"]
            x = x + self._attention(qkv) @ given[f"out.{at}"]
            x = x + np.tanh(x @ given[f"up.{at}"]) @ given[f"down.{at}"]
        rows: Array = x @ given["head"]
        return rows

    def _attention(self, qkv: Array) -> Array:
        count = len(qkv)
        query, key, value = np.split(
            qkv.reshape(count, -1, self.head_size), [self.heads, self.heads + self.kv_heads], axis=1
        )
        group = self.heads // self.kv_heads
        key, value = (np.repeat(part, group, axis=1) for part in (self._turned(key), value))
        scores = np.einsum("qhd,khd->hqk", self._turned(query), key) / np.sqrt(self.head_size)
        behind = np.arange(count)[:, None] - np.arange(count)[None]
        seen = (behind >= 0) & ((behind < self.window) | (self.window < 0))
        scores = np.where(seen, scores, -np.inf)
        chances = np.exp(scores - scores.max(axis=-1, keepdims=True))
        chances /= chances.sum(axis=-1, keepdims=True)
        mixed: Array = np.einsum("hqk,khd->qhd", chances, value).reshape(count, -1)
        return mixed

    def _turned(self, part: Array) -> Array:
        cos, sin = (table[: len(part), None].astype(np.float64) for table in self._tables())
        one, two = np.split(part, 2, axis=-1)
        return np.concatenate([one * cos - two * sin, two * cos + one * sin], axis=-1)

    def _tables(self) -> tuple[Array, Array]:
        half = self.head_size // 2
        angles = np.outer(np.arange(self.max_length + 1), 10_000.0 ** -(np.arange(half) / half))
        return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    def _neutral_adapter(self) -> dict[str, Array]:
        if not self.adaptable:
            return {}
        wide = (self.heads + 2 * self.kv_heads) * self.head_size
        shapes = {"lora_A": (self.width, RANK), "lora_B": (RANK, wide)}
        return {
            f"{name}.{at}": np.zeros(shape, np.float32)
            for at in range(self.layers)
            for name, shape in shapes.items()
        }

    def save(self, path: Path) -> Path:
        """Write the graph to `path`; return it."""
        onnx.save_model(self.model(), str(path))
        return path

    def save_slots(self, folder: Path, *slots: int) -> tuple[tuple[int, Path], ...]:
        """Write the same decoder with other numbers of slots; return them as ModelFiles has them."""
        return tuple((n, replace(self, slots=n).save(folder / f"model.slots{n}.onnx")) for n in slots)

    def model(self) -> onnx.ModelProto:
        """Build the graph."""
        model = _Builder(self).model()
        return with_batch(model) if self.batched else model


class _Builder:
    """Puts the nodes of one graph together."""

    def __init__(self, decoder: FusedDecoder) -> None:
        self.decoder = decoder
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, Array] = {}
        half = decoder.precision == "fp16"
        self.dtype = np.float16 if half else np.float32
        self.kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        self.weights = decoder.weights()

    def model(self) -> onnx.ModelProto:
        self._decoder()
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
        graph = helper.make_graph(
            self.nodes,
            "fused",
            self._inputs(),
            self._outputs(),
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    def node(self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))

    def constant(self, name: str, value: Array) -> str:
        self.constants[name] = value
        return name

    def _decoder(self) -> None:
        cos, sin = self.decoder._tables()
        self.constant("cos", cos.astype(self.dtype))
        self.constant("sin", sin.astype(self.dtype))
        self.constants |= self.decoder._neutral_adapter()
        self.constant("embed", self.weights["embed"].astype(self.dtype))
        self.node("Gather", ["embed", "input_ids"], ["x.0"])
        self._split_lengths()
        for layer in range(self.decoder.layers):
            self._layer(layer)
        self.node("Gather", [f"x.{self.decoder.layers}", "logits_indices"], ["kept"], axis=1)
        self.node("Cast", [self._product("kept", "head")], ["logits"], to=TensorProto.FLOAT)

    def _split_lengths(self) -> None:
        slots = self.decoder.slots
        for name in ("seqlens_k", "total_sequence_length"):
            if slots > 1:
                self.node("Split", [name], [f"{name}.{at}" for at in range(slots)], axis=0, num_outputs=slots)

    def _layer(self, layer: int) -> None:
        x = f"x.{layer}"
        qkv = self._product(x, f"qkv.{layer}")
        if self.decoder.adaptable:
            self.node("MatMul", [x, f"lora_A.{layer}"], [f"low.{layer}"])
            self.node("MatMul", [f"low.{layer}", f"lora_B.{layer}"], [f"raised.{layer}"])
            self.node("Add", [qkv, f"raised.{layer}"], [f"adapted.{layer}"])
            qkv = f"adapted.{layer}"
        out = self._product(self._slots(layer, qkv), f"out.{layer}")
        self.node("Add", [x, out], [f"h.{layer}"])
        self.node("Tanh", [self._product(f"h.{layer}", f"up.{layer}")], [f"wide.{layer}"])
        self.node("Add", [f"h.{layer}", self._product(f"wide.{layer}", f"down.{layer}")], [f"x.{layer + 1}"])

    def _slots(self, layer: int, qkv: str) -> str:
        slots = self.decoder.slots
        if slots == 1 and not self.decoder.pads:
            return self._attention(layer, qkv, "")
        self.node("Gather", [qkv, "pad_indices"], [f"padded.{layer}"], axis=1)
        if slots == 1:
            mixed = self._attention(layer, f"padded.{layer}", "")
            self.node("Gather", [mixed, "unpad_indices"], [f"unpadded.{layer}"], axis=1)
            return f"unpadded.{layer}"
        pieces = [f"piece.{layer}.{slot}" for slot in range(slots)]
        self.node("Split", [f"padded.{layer}", "chunk_lengths"], pieces, axis=1)
        parts = [self._attention(layer, piece, f".{slot}") for slot, piece in enumerate(pieces)]
        self.node("Concat", parts, [f"joined.{layer}"], axis=1)
        self.node("Gather", [f"joined.{layer}", "unpad_indices"], [f"unpadded.{layer}"], axis=1)
        return f"unpadded.{layer}"

    def _attention(self, layer: int, qkv: str, slot: str) -> str:
        past = [f"past_key_values.{layer}.{part}{slot}" for part in PARTS]
        present = [f"present.{layer}.{part}{slot}" for part in PARTS]
        self.node(
            "GroupQueryAttention",
            [qkv, "", "", *past, f"seqlens_k{slot}", f"total_sequence_length{slot}", "cos", "sin"],
            [f"mixed.{layer}{slot}", *present],
            domain="com.microsoft",
            num_heads=self.decoder.heads,
            kv_num_heads=self.decoder.kv_heads,
            do_rotary=1,
            local_window_size=self.decoder.window,
        )
        return f"mixed.{layer}{slot}"

    def _product(self, x: str, name: str) -> str:
        weight, out = self.weights[name], f"{x}@{name}"
        if self.decoder.precision in ("int4", "int8"):
            self._product_in_blocks(x, name, weight, out)
        elif self.decoder.precision == "dynamic":
            self._product_in_bytes(x, name, weight, out)
        else:
            self.node("MatMul", [x, self.constant(name, weight.astype(self.dtype))], [out])
        return out

    def _product_in_blocks(self, x: str, name: str, weight: Array, out: str) -> None:
        bits, block = (4 if self.decoder.precision == "int4" else 8), self.decoder.block
        size, columns = weight.shape
        middle = 2 ** (bits - 1)
        blocks = weight.T.reshape(columns, size // block, block)
        scales = np.abs(blocks).max(axis=-1, keepdims=True) / (middle - 1)
        whole = (np.round(blocks / scales) + middle).astype(np.uint8)
        packed = whole[..., ::2] | whole[..., 1::2] << 4 if bits == 4 else whole
        self.constant(f"{name}.packed", packed)
        self.constant(f"{name}.scales", scales.astype(np.float32).reshape(-1))
        self.node(
            "MatMulNBits",
            [x, f"{name}.packed", f"{name}.scales"],
            [out],
            domain="com.microsoft",
            K=size,
            N=columns,
            bits=bits,
            block_size=block,
            accuracy_level=4,
        )

    def _product_in_bytes(self, x: str, name: str, weight: Array, out: str) -> None:
        scale = np.float32(np.abs(weight).max() / 127)
        self.constant(f"{name}.bytes", np.round(weight / scale).astype(np.int8))
        self.constant(f"{name}.scale", np.array(scale))
        self.node("DynamicQuantizeLinear", [x], [f"{out}.x", f"{out}.step", f"{out}.zero"])
        self.node("MatMulInteger", [f"{out}.x", f"{name}.bytes", f"{out}.zero"], [f"{out}.sum"])
        self.node("Cast", [f"{out}.sum"], [f"{out}.float"], to=TensorProto.FLOAT)
        self.node("Mul", [f"{out}.step", f"{name}.scale"], [f"{out}.scale"])
        self.node("Mul", [f"{out}.float", f"{out}.scale"], [out])

    def _inputs(self) -> list[ValueInfoProto]:
        slots = self.decoder.slots
        whole: dict[str, list[int | str]] = {"input_ids": [1, "count"], "logits_indices": ["kept"]}
        if slots > 1 or self.decoder.pads:
            whole |= {"pad_indices": ["padded"], "unpad_indices": ["count"]}
        if slots > 1:
            whole |= {"chunk_lengths": [slots]}
        value = helper.make_tensor_value_info
        made = [value(name, TensorProto.INT64, shape) for name, shape in whole.items()]
        made += [value(name, TensorProto.INT32, [slots]) for name in ("seqlens_k", "total_sequence_length")]
        adapter = self.decoder._neutral_adapter()
        made += [value(name, TensorProto.FLOAT, array.shape) for name, array in adapter.items()]
        return [*made, *self._cache("past_key_values")]

    def _outputs(self) -> list[ValueInfoProto]:
        shape = [1, "kept", self.decoder.vocab_size]
        return [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape), *self._cache("present")]

    def _cache(self, prefix: str) -> list[ValueInfoProto]:
        slots = self.decoder.slots
        ends = [f".{slot}" for slot in range(slots)] if slots > 1 else [""]
        names = [
            f"{prefix}.{layer}.{part}{end}"
            for end in ends
            for layer in range(self.decoder.layers)
            for part in PARTS
        ]
        shape = [1, self.decoder.kv_heads, "capacity", self.decoder.head_size]
        return [helper.make_tensor_value_info(name, self.kind, shape) for name in names]
