"""ONNX Runtime as a plugin of BACo."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from baco_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from baco_core.model import Backend


@hookimpl
def register_backends(register: Callable[[str, Callable[..., Backend]], None]) -> None:
    """Name the backend; ONNX Runtime itself is imported when the first model is loaded."""
    from baco_onnxruntime.backend import OnnxRuntimeBackend

    register("onnxruntime", OnnxRuntimeBackend)
