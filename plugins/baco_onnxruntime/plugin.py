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


@hookimpl
def report_health(report: Callable[[str, str, bool], None]) -> None:
    """Say which ONNX Runtime answers and where it can run, or what is wrong with it."""
    from baco_onnxruntime.runtime import runtime_report

    found = runtime_report()
    report(
        "inference",
        found.problem or f"module {found.version}: {', '.join(found.providers)}",
        not found.problem,
    )
