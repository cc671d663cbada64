"""One set of weights in memory."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from baco_core.errors import ModelError
from baco_onnxruntime.fused_graph import FusedGraph, is_fused, read_fused_graph
from baco_onnxruntime.graph import DecoderGraph, NodeArg, read_graph
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


class Session:
    """A decoder graph opened by ONNX Runtime. Holds no state of a text; any thread may run it."""

    def __init__(self, path: Path, placement: Placement) -> None:
        """Open the graph; ModelError when the file or the provider cannot be used."""
        self.path = path
        self.placement = placement
        self.runtime = import_runtime()
        self._session = _open(self.runtime, path, placement)
        self.graph: DecoderGraph | FusedGraph = _read(self._session, path)

    @property
    def on_cpu(self) -> bool:
        """Whether the cache lies in the host's memory."""
        return self.placement.provider == "cpu"

    @property
    def adaptable(self) -> list[NodeArg]:
        """The parameters an adapter may give: initializers that are inputs too."""
        return list(self._session.get_overridable_initializers())

    def binding(self) -> Any:
        """Return a new IOBinding of this session."""
        return self._session.io_binding()

    def value(self, array: NDArray[Any]) -> Any:
        """Return an OrtValue on the device; on the CPU it shares the array's memory and keeps it."""
        return self.runtime.OrtValue.ortvalue_from_numpy(
            array, self.placement.provider, self.placement.device_id
        )

    def host_value(self, array: NDArray[Any]) -> Any:
        """Return an OrtValue that shares the array's memory and keeps it."""
        return self.runtime.OrtValue.ortvalue_from_numpy(array)

    def execute(self, binding: Any, count: int, past: int) -> float:
        """Run a pass and return its wall seconds; ModelError, naming what it read, when it fails."""
        began = time.perf_counter()
        try:
            if not self.on_cpu:
                binding.synchronize_inputs()
            self._session.run_with_iobinding(binding)
            if not self.on_cpu:
                binding.synchronize_outputs()
        except Exception as error:
            raise ModelError(
                f"{self.path}: ONNX Runtime failed to read {count} tokens after {past}: {_reason(error)}"
            ) from error
        return time.perf_counter() - began


def _read(session: Any, path: Path) -> DecoderGraph | FusedGraph:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    return (read_fused_graph if is_fused(inputs) else read_graph)(inputs, outputs, path)


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
    # Between passes the cores belong to whoever has work: the other model, or the sampler.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _providers(placement: Placement) -> list[tuple[str, dict[str, str]]]:
    cpu: tuple[str, dict[str, str]] = (EXECUTION_PROVIDERS["cpu"], {})
    if placement.provider == "cpu":
        return [cpu]
    return [(EXECUTION_PROVIDERS["cuda"], {"device_id": str(placement.cuda_device)}), cpu]
