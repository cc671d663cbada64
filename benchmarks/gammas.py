"""Finds the gamma at which a router gives a base share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from worker import Worker

from baco_core.bench.keep import keep
from baco_core.bench.prompts import PROMPTS

GRID = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
TEXTS = 3


def calibrated(
    worker: Worker, config: str, settings: Sequence[str], shares: Sequence[float], tokens: int, known: Path
) -> Mapping[float, float]:
    """Return for each base share the gamma of router `p` that comes nearest, by interpolation.

    The share grows with gamma: a text of `TEXTS` prompts is written at each gamma of `GRID`, once for
    the file `known`, which keeps what was measured.
    """
    if not known.exists():
        measured = [_share(worker, config, settings, gamma, tokens) for gamma in GRID]
        keep({"gammas": GRID, "base_shares": measured}, known)
    curve = json.loads(known.read_text("utf-8"))
    growing = np.maximum.accumulate(curve["base_shares"])
    return {share: round(float(np.interp(share, growing, curve["gammas"])), 3) for share in shares}


def _share(worker: Worker, config: str, settings: Sequence[str], gamma: float, tokens: int) -> float:
    base = written = 0
    for number in range(TEXTS):
        own = [*settings, router("p", gamma), f"decode.max_new_tokens={tokens}", f"decode.seed={number}"]
        answer = worker.ask("write", config=config, settings=own, prompt=PROMPTS[number % len(PROMPTS)])
        base += answer["sources"].count("base")
        written += answer["tokens"]
    return base / max(written, 1)


def router(name: str, gamma: float | None = None) -> str:
    """Return the setting that chooses a router."""
    options = "" if gamma is None else f", options: {{gamma: {gamma}}}"
    return f"router={{use: {name}{options}}}"
