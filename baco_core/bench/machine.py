"""The machine in words, and the versions that were measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from baco_core import __version__
from baco_core.bench.figures import NotMeasured

PACKAGES = ("numpy", "tokenizers")


@dataclass(frozen=True, slots=True)
class Machine:
    """What figures depend on besides the code."""

    cpu: str
    cores: int
    """Cores this process may use."""
    memory_bytes: int | NotMeasured
    system: str
    python: str

    def __str__(self) -> str:
        memory = (
            "" if isinstance(self.memory_bytes, NotMeasured) else f", {self.memory_bytes / 2**30:.0f} GiB"
        )
        cores = f"{self.cores} core{'s' if self.cores != 1 else ''}"
        return f"{cores} of {self.cpu}{memory}, {self.system}, Python {self.python}"


def machine() -> Machine:
    """Return what is known of this machine."""
    system = f"{platform.system()} on {platform.machine()}"
    return Machine(_cpu(), cores(), _memory(), system, platform.python_version())


def cores() -> int:
    """Return how many cores this process may use."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def versions() -> dict[str, str]:
    """Return the versions of BACo and of what it decodes with; the runtime's is its plugin's to tell."""
    found = {"baco": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # vendored by whoever packaged it
            found[name] = "unknown"
    return found


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> int | NotMeasured:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return NotMeasured("this system does not tell how much memory it has")
