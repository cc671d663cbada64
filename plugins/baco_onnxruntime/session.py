"""One set of weights in memory, run with its KV cache left where it was computed."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from baco_core.errors import ModelError
from baco_onnxruntime.graph import LOGITS, DecoderGraph, read_graph
from baco_onnxruntime.runtime import describe, import_runtime

Provider = Literal["cpu", "cuda"]
EXECUTION_PROVIDERS: dict[Provider, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

_LOGGER = logging.getLogger(__name__)
_FATAL = 4
_CODE = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : ")
MAX_REASON = 300
"""Characters of the runtime's own message that are worth showing."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a graph runs, and with how many threads."""

    provider: Provider = "cpu"
    cuda_device: int = 0
    intra_op_threads: int = 0
    spinning: bool = False

    @property
    def device_id(self) -> int:
        """Number of the device that holds the cache."""
        return self.cuda_device if self.provider == "cuda" else 0


@dataclass(frozen=True, slots=True)
class Cache:
    """Keys and values of the first `length` tokens; immutable, so forks share it."""

    length: int
    values: tuple[Any, ...]
    """One OrtValue for each tensor of `DecoderGraph.cache`, on the device."""


class Session:
    """A decoder graph opened by ONNX Runtime. Holds no state of a text; any thread may run it."""

    def __init__(self, path: Path, placement: Placement) -> None:
        """Open the graph; ModelError when the file or the provider cannot be used."""
        self.path = path
        self.placement = placement
        self._runtime = import_runtime()
        self._session = _open(self._runtime, path, placement)
        self.graph: DecoderGraph = read_graph(self._session.get_inputs(), self._session.get_outputs(), path)
        # The empty cache may lie on the host: it has no bytes to be copied.
        values = tuple(self._runtime.OrtValue.ortvalue_from_numpy(t.empty()) for t in self.graph.cache)
        self.empty = Cache(0, values)

    def run(self, token_ids: Sequence[int], past: Cache, keep: int) -> tuple[NDArray[Any], Cache]:
        """Read `token_ids` after `past`; return at least the last `keep` rows, and the longer cache.

        The rows are a view of the runtime's memory, [kept, vocab_size], float32 or float16.
        """
        present = [tensor.present for tensor in self.graph.cache]
        rows, *values = self._run(token_ids, past, keep, present)
        return rows, Cache(past.length + len(token_ids), tuple(values))

    def peek(self, token_ids: Sequence[int], past: Cache, keep: int) -> NDArray[Any]:
        """Return what `run` does, without the longer cache: cheaper where it would be thrown away."""
        rows: NDArray[Any] = self._run(token_ids, past, keep, [])[0]
        return rows

    def cut(self, cache: Cache, length: int) -> Cache:
        """Return the cache of the first `length` tokens; copies them unless nothing is cut.

        On CUDA the copy goes through the host, for the runtime slices no value on a device.
        """
        if length >= cache.length:
            return cache
        if length == 0:
            return self.empty
        place = self.placement.provider, self.placement.device_id
        make = self._runtime.OrtValue.ortvalue_from_numpy
        pairs = zip(self.graph.cache, cache.values, strict=True)
        return Cache(length, tuple(make(t.first(v.numpy(), length), *place) for t, v in pairs))

    def _run(self, token_ids: Sequence[int], past: Cache, keep: int, present: list[str]) -> list[Any]:
        feeds = self.graph.feeds(token_ids, past.length, keep)  # alive until the pass is over
        binding = self._session.io_binding()
        for name, value in feeds.items():
            binding.bind_cpu_input(name, value)
        for tensor, value in zip(self.graph.cache, past.values, strict=True):
            binding.bind_ortvalue_input(tensor.past, value)
        binding.bind_output(LOGITS, "cpu")
        for name in present:
            binding.bind_output(name, self.placement.provider, self.placement.device_id)
        try:
            binding.synchronize_inputs()
            self._session.run_with_iobinding(binding)
            binding.synchronize_outputs()
        except Exception as error:
            raise ModelError(
                f"{self.path}: ONNX Runtime failed to read {len(token_ids)} tokens after "
                f"{past.length}: {_reason(error)}"
            ) from error
        logits, *values = binding.get_outputs()
        return [logits.numpy()[0], *values]


def _open(runtime: Any, path: Path, placement: Placement) -> Any:
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file; export the model again.")
    wanted = EXECUTION_PROVIDERS[placement.provider]
    _require(runtime, placement.provider)
    try:
        # Its own fallback prints and says nothing we could test: fall back ourselves.
        session = runtime.InferenceSession(
            str(path), _options(runtime, placement), providers=_providers(placement), enable_fallback=0
        )
    except Exception as error:
        raise ModelError(
            f"{path}: ONNX Runtime cannot open the graph; is it whole? Export it again. ({_reason(error)})"
        ) from error
    if wanted not in session.get_providers():
        raise ModelError(
            f"provider '{placement.provider}': {describe(runtime)} could not start {wanted}; check the GPU, "
            "its driver, CUDA and cuDNN, or set the backend's option providers to [cuda, cpu]."
        )
    return session


def _reason(error: Exception) -> str:
    """Return what the runtime says, without its code and its own source files."""
    return _CODE.sub("", str(error))[:MAX_REASON]


def _require(runtime: Any, provider: Provider) -> None:
    available = runtime.get_available_providers()
    if EXECUTION_PROVIDERS[provider] not in available:
        raise ModelError(
            f"provider '{provider}': {describe(runtime)} was built without it (it has "
            f'{", ".join(available)}); pip install "baco[gpu]" in place of "baco[cpu]", or set the '
            "backend's option providers to [cuda, cpu]."
        )
    if provider == "cuda":
        _load_cuda(runtime)


def _load_cuda(runtime: Any) -> None:
    """Find CUDA libraries that were installed as Python packages."""
    noise = io.StringIO()
    with contextlib.redirect_stdout(noise):  # it prints each library it does not find
        runtime.preload_dlls()
    if noise.getvalue():
        _LOGGER.debug("%s", noise.getvalue())


def _options(runtime: Any, placement: Placement) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = placement.intra_op_threads
    options.log_severity_level = _FATAL
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(placement.spinning)))
    return options


def _providers(placement: Placement) -> list[tuple[str, dict[str, str]]]:
    cpu: tuple[str, dict[str, str]] = (EXECUTION_PROVIDERS["cpu"], {})
    if placement.provider == "cpu":
        return [cpu]
    return [(EXECUTION_PROVIDERS["cuda"], {"device_id": str(placement.cuda_device)}), cpu]
