"""Names the embedded pair."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from baco_core.hookspecs import hookimpl

BUNDLE = Path(__file__).parent / "bundle"


@hookimpl
def register_bundles(register: Callable[[str, Path], None]) -> None:
    """Name the bundle in this package."""
    register("tiny", BUNDLE)
