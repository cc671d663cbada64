"""Which processor this is, as far as its kernels are concerned."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_NAMES = ("model name", "Hardware", "CPU part", "Processor")


@cache
def processor() -> str:
    """Return the processor's name and, where the system lists its features, a hash of them."""
    told = _told()
    name = next((told[key] for key in _NAMES if key in told), platform.processor() or platform.machine())
    features = told.get("flags") or told.get("Features")
    return f"{name} {hashlib.sha256(features.encode()).hexdigest()[:12]}" if features else name


def _told() -> dict[str, str]:
    """Return what Linux tells of the first processor."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
