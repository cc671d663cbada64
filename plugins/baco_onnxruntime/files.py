"""The files of a graph: what they weigh, and whether they changed."""

from __future__ import annotations

import mmap
from pathlib import Path

from baco_core.errors import ModelError

ENDS = ("data", "bin", "weights")
"""What names of external data end with."""


def files_of(graph: Path) -> list[Path]:
    """Return the graph's file and the files of data beside it whose names it mentions."""
    try:
        beside = [path for path in sorted(graph.parent.iterdir()) if path.name.endswith(ENDS)]
        if not beside:
            return [graph]
        with graph.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return [graph, *(path for path in beside if content.find(path.name.encode()) >= 0)]
    except (OSError, ValueError) as error:
        raise ModelError(f"{graph}: cannot read the graph ({error}); export the model again.") from error


def mapped_bytes(graph: Path) -> int:
    """Return the size of the graph's files."""
    return sum(path.stat().st_size for path in files_of(graph))
