"""Reading tokens with an exported graph on the CPU, to compare it with another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession, NodeArg, OrtValue

Cuts = Sequence[tuple[int, int]]
Rows = Iterator[tuple[int, "NDArray[np.float32]"]]


class GraphReader:
    """An exported graph, fused or not; the shape of its cache is as its inputs declare it.

    `adapter` is an ONNX Runtime adapter file, whose weights a fused graph is run with.
    """

    def __init__(self, path: Path, adapter: Path | None = None) -> None:
        self._session = open_session(path)
        self._inputs = {value.name: value for value in self._session.get_inputs()}
        self._outputs = [value.name for value in self._session.get_outputs()]
        self._adapter = _parameters(adapter) if adapter else {}

    def read(self, ids: Sequence[int], cuts: Cuts) -> Rows:
        """Read `ids` cut by cut through the cache; yield each cut's start and rows [n, vocabulary]."""
        return self._fused(ids, cuts) if "seqlens_k" in self._inputs else self._plain(ids, cuts)

    def _plain(self, ids: Sequence[int], cuts: Cuts) -> Rows:
        cache = {name: cache_like(self._inputs[name], 0) for name in self._cache_names}
        for start, stop in cuts:
            values = self._session.run(None, {**self._tokens(ids, start, stop), **cache})
            outputs = dict(zip(self._outputs, values, strict=True))
            cache = {name: outputs[_present(name)] for name in cache}
            yield start, np.asarray(outputs["logits"][0], np.float32)

    def _fused(self, ids: Sequence[int], cuts: Cuts) -> Rows:
        """The cache is one buffer, which the graph fills in place.

        A lone token is read twice, the second time for nothing: one row alone is rounded differently.
        """
        cache = shared_cache(self._session, len(ids) + 1)
        for start, stop in cuts:
            read = max(stop - start, 2)
            feeds: dict[str, NDArray[np.generic]] = {
                "input_ids": np.resize(np.asarray(ids[start:stop], np.int64), (1, read)),
                "logits_indices": np.arange(stop - start),
                "seqlens_k": np.array([start + read - 1], np.int32),
                "total_sequence_length": np.array([start + read], np.int32),
            }
            yield start, fused_pass(self._session, feeds, cache, self._adapter)

    def _tokens(self, ids: Sequence[int], start: int, stop: int) -> dict[str, NDArray[np.int64]]:
        feeds = {
            "input_ids": np.asarray(ids[start:stop], np.int64)[None],
            "attention_mask": np.ones((1, stop), np.int64),
            "position_ids": np.arange(start, stop, dtype=np.int64)[None],
        }
        return {name: value for name, value in feeds.items() if name in self._inputs}

    @property
    def _cache_names(self) -> list[str]:
        return [name for name in self._inputs if name.startswith("past_key_values.")]


def shared_cache(session: InferenceSession, length: int, batch: int = 1) -> dict[str, OrtValue]:
    """Return empty buffers of a fused graph, by cache input, with room for `length` positions."""
    import onnxruntime

    return {
        each.name: onnxruntime.OrtValue.ortvalue_from_numpy(cache_like(each, length, batch))
        for each in session.get_inputs()
        if each.name.startswith("past_key_values.")
    }


def fused_pass(
    session: InferenceSession,
    feeds: Mapping[str, NDArray[np.generic]],
    cache: Mapping[str, OrtValue],
    parameters: Mapping[str, OrtValue] | None = None,
) -> NDArray[np.float32]:
    """Run a fused graph, which fills the cache in place; return its rows, shape (rows, vocabulary)."""
    binding = session.io_binding()
    for name, array in feeds.items():
        binding.bind_cpu_input(name, array)
    for name, buffer in cache.items():
        binding.bind_ortvalue_input(name, buffer)
        binding.bind_ortvalue_output(_present(name), buffer)
    for name, buffer in (parameters or {}).items():
        binding.bind_ortvalue_input(name, buffer)
    binding.bind_output("logits")
    session.run_with_iobinding(binding)
    rows: NDArray[np.float32] = binding.get_outputs()[-1].numpy()[0]
    return rows


def _parameters(adapter: Path) -> dict[str, OrtValue]:
    """Return an adapter's weights by input; the runtime ignores an active adapter where inputs are bound."""
    import onnxruntime

    value = onnxruntime.OrtValue.ortvalue_from_numpy
    opened = onnxruntime.AdapterFormat.read_adapter(str(adapter))  # its parameters lie in its memory
    return {name: value(each.numpy().copy()) for name, each in opened.get_parameters().items()}


def open_session(path: Path) -> InferenceSession:
    """Open a graph on the CPU, without the runtime's warnings."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def cache_like(declared: NodeArg, length: int, batch: int = 1) -> NDArray[np.generic]:
    """Return zeros for a cache input, with room for `length` positions."""
    _, heads, _, size = declared.shape
    dtype = np.float16 if declared.type == "tensor(float16)" else np.float32
    return np.zeros((batch, heads, length, size), dtype)


def _present(past: str) -> str:
    return past.replace("past_key_values", "present", 1)
