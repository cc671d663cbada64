"""Runs exported decoders on ONNX Runtime: KV cache on the device, exact rows, CPU and CUDA."""

from __future__ import annotations

from baco_onnxruntime.backend import OnnxRuntimeBackend
from baco_onnxruntime.runtime import RuntimeReport, runtime_report

__all__ = ["OnnxRuntimeBackend", "RuntimeReport", "runtime_report"]
