"""`baco doctor --memory CONFIG`: where the memory of a pair goes."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from baco_core.cli.common import plugins_of, require_bundle

if TYPE_CHECKING:
    from baco_core.bench.weigh import Weight


def show_memory(options: Namespace) -> int:
    """Open the pair of a config, write a few tokens, and print what is in memory by part."""
    from baco_core.bench.weigh import weigh
    from baco_core.config import load_config

    config = load_config(options.memory)
    plugins = plugins_of(config, options)
    require_bundle(config, plugins)
    for line in lines(weigh(config, plugins)):
        print(line)
    return 0


def lines(weight: Weight) -> Iterator[str]:
    """Yield the parts, the total, the mapped files, and what the models tell."""
    from baco_core.bench.figures import NotMeasured

    yield f"{'part':28} {'resident':>10} {'of it mapped':>13}"
    for part in weight.parts:
        note = f"  {part.note}" if part.note else ""
        yield f"{part.name:28} {_mb(part.rss)} {_mb(part.mapped):>13}{note}"
    yield f"{'all':28} {_mb(weight.total.rss)}  ({_mb(weight.total.pss).strip()} with shared pages divided)"
    if weight.files:
        yield ""
    for path, held in sorted(weight.files.items()):
        yield f"{Path(path).parent.name}/{Path(path).name:20} {_mb(held.rss)} mapped from the bundle"
    for name, told in weight.models.items():
        if isinstance(told, NotMeasured):
            yield f"{name} by part: {told}"
        else:
            yield f"{name} by part: {', '.join(_told(part, size) for part, size in told.items())}"


def _told(part: str, size: int) -> str:
    """Return a part as a model tells it: in bytes, but for the number of its sequences."""
    return f"{size} {part}" if part == "sequences" else f"{part} {_mb(size).strip()}"


def _mb(size: int) -> str:
    return f"{size / 1e6:7.1f} MB"
