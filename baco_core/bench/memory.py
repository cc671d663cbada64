"""How much of this process is in memory, by what it is mapped from. Linux only; elsewhere it says so.

Rss counts every resident page; Pss divides a page by the number of processes that map it, so that the
Pss of all processes add up to what is used (proc(5), `/proc/pid/smaps`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from baco_core.bench.figures import NotMeasured

ROLLUP = Path("/proc/self/smaps_rollup")
SMAPS = Path("/proc/self/smaps")
ELSEWHERE = NotMeasured(f"resident memory is read from {ROLLUP}, which this system does not have")
_HEADER = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S{4} [0-9a-f]+ \S+ \d+ *(?P<path>.*)")
_FIELD = re.compile(r"(?P<name>Rss|Pss): +(?P<kb>\d+) kB")
ANONYMOUS = "[anonymous]"
"""What allocators mapped without a file or a name."""


@dataclass(frozen=True, slots=True)
class Resident:
    """Resident bytes, and the same with shared pages divided by those who share them."""

    rss: int
    pss: int

    def __add__(self, other: Resident) -> Resident:
        return Resident(self.rss + other.rss, self.pss + other.pss)

    def __sub__(self, other: Resident) -> Resident:
        return Resident(self.rss - other.rss, self.pss - other.pss)


NOTHING = Resident(0, 0)


def resident() -> Resident | NotMeasured:
    """Return what this process has in memory now."""
    try:
        mappings = _mappings(ROLLUP.read_text("utf-8").splitlines())
    except OSError:
        return ELSEWHERE
    return sum((held for _, held in mappings), NOTHING)


def resident_by_mapping() -> Mapping[str, Resident] | NotMeasured:
    """Return the same by mapped file; memory without a file is under `[heap]`, `[anonymous]` and the like."""
    try:
        lines = SMAPS.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ELSEWHERE
    found: dict[str, Resident] = {}
    for path, held in _mappings(lines):
        found[path] = found.get(path, NOTHING) + held
    return found


def _mappings(lines: Iterable[str]) -> Iterator[tuple[str, Resident]]:
    """Yield the path and the memory of each mapping of a listing in the form of smaps."""
    path, rss, pss = "", 0, 0
    for line in lines:
        header = _HEADER.fullmatch(line)
        field = None if header else _FIELD.match(line)
        if header:
            if rss or pss:
                yield path, Resident(rss, pss)
            path, rss, pss = header["path"] or ANONYMOUS, 0, 0
        elif field and field["name"] == "Rss":
            rss = int(field["kb"]) * 1024
        elif field:
            pss = int(field["kb"]) * 1024
    if rss or pss:
        yield path, Resident(rss, pss)
