"""Runs exported decoders on ONNX Runtime: KV cache on the device, exact rows, CPU and CUDA."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from baco_onnxruntime.backend import OnnxRuntimeBackend
    from baco_onnxruntime.runtime import RuntimeReport, runtime_report

_HOMES = {"OnnxRuntimeBackend": "backend", "RuntimeReport": "runtime", "runtime_report": "runtime"}
__all__ = ["OnnxRuntimeBackend", "RuntimeReport", "runtime_report"]


def __getattr__(name: str) -> object:
    """Import a public name when it is asked for: `baco --help` loads this package, but not numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
