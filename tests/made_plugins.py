"""Plugin packages made for a test: a module and the metadata that pip would have installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HEAD = """
from __future__ import annotations
from dataclasses import dataclass
from baco_core.hookspecs import hookimpl
from baco_core.router import Decision
from baco_core.source import Source
"""

ROUTER = """
@dataclass(frozen=True)
class Made:
    gamma: float = 0.5
    @property
    def needs(self): return frozenset()
    def start(self, generation): return self
    def decide(self, point): return Decision(Source.BASE)
"""

REGISTER = """
@hookimpl
def register_routers(register):
    register("made", Made)
"""

GOOD = HEAD + ROUTER + REGISTER


def install(site: Path, name: str, code: str, *, version: str = "1.2.3", plugin: str = "") -> Path:
    """Write the distribution `name` with one plugin into `site`, a folder of the module search path."""
    module = name.replace("-", "_")
    site.mkdir(parents=True, exist_ok=True)
    (site / f"{module}.py").write_text(code, "utf-8")
    info = site / f"{module}-{version}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[baco]\n{plugin or name} = {module}\n", "utf-8")
    return site


@contextmanager
def forgotten(*folders: Path) -> Iterator[None]:
    """Unload the modules below these folders afterwards, so that no test sees another's."""
    yield
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(Path(file).is_relative_to(folder) for folder in folders):
            del sys.modules[name]
