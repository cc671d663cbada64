"""The installed ONNX Runtime: which one it is, where it can run, and how to put it right."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from baco_core.errors import ModelError

DISTRIBUTIONS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
)
"""All of them install the module `onnxruntime`; where two are, the files of one lie over the other's."""

_FATAL = 4


@dataclass(frozen=True, slots=True)
class RuntimeReport:
    """What `baco doctor` tells about ONNX Runtime."""

    distributions: dict[str, str]
    """Version of each installed distribution that owns the module."""
    version: str | None
    """What the module says of itself; None when it cannot be imported."""
    providers: tuple[str, ...]
    """Execution providers the module was built with, such as CPUExecutionProvider."""
    problem: str | None
    """One line that says what is wrong and how to fix it; None when all is well."""


def runtime_report() -> RuntimeReport:
    """Return the facts about the installed ONNX Runtime. Never raises."""
    found = installed_distributions()
    try:
        runtime = _import()
    except ModelError as error:
        return RuntimeReport(found, None, (), str(error))
    providers = tuple(runtime.get_available_providers())
    return RuntimeReport(found, runtime.__version__, providers, _clash(found))


def import_runtime() -> Any:
    """Return the module `onnxruntime`; ModelError when there is none, or two that clash."""
    clash = _clash(installed_distributions())
    if clash is not None:
        raise ModelError(clash)
    return _import()


def installed_distributions() -> dict[str, str]:
    """Return the version of each installed distribution that owns the module `onnxruntime`."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe(runtime: Any) -> str:
    """Return `onnxruntime-gpu 1.31.1`: the distribution where it is known, else the module."""
    installed = [f"{name} {number}" for name, number in installed_distributions().items()]
    return installed[0] if installed else f"onnxruntime {runtime.__version__}"


def _import() -> Any:
    try:
        runtime = importlib.import_module("onnxruntime")
        # What it would print comes as an exception too, and we report that in one line.
        runtime.set_default_logger_severity(_FATAL)
    except ModuleNotFoundError as error:
        raise ModelError(
            f'ONNX Runtime is not installed ({error}); pip install "baco[cpu]", or "baco[gpu]" for CUDA.'
        ) from error
    except (ImportError, OSError, AttributeError) as error:
        raise ModelError(
            f"ONNX Runtime cannot be imported ({error}); "
            'pip install --force-reinstall onnxruntime, or see "baco doctor".'
        ) from error
    return runtime


def _clash(found: dict[str, str]) -> str | None:
    if len(found) < 2:
        return None
    installed = " and ".join(f"{name} {number}" for name, number in found.items())
    return (
        f"{installed} are installed side by side, but own the same files; keep one: "
        f'pip uninstall -y {" ".join(found)}, then pip install "baco[cpu]" or "baco[gpu]".'
    )
