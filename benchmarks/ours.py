"""BACo as a measuring process: opens pipelines as it is asked to and times them (peers/protocol.py).

python benchmarks/ours.py
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "peers"))

from protocol import Handler, serve

from baco_core.bench.about import plan_of
from baco_core.bench.figures import NotMeasured
from baco_core.bench.machine import machine, versions
from baco_core.bench.memory import Resident, resident
from baco_core.bench.run import Run, measure
from baco_core.config import Config, load_config
from baco_core.opening import open_members, references_of
from baco_core.pipeline import Pipeline
from baco_core.plugins import load_plugins
from baco_core.source import Source


class Opened:
    """The pipelines opened so far."""

    def __init__(self) -> None:
        self._pipelines: dict[str, Pipeline] = {}

    def pipeline(self, config: Config) -> Pipeline:
        """Return a pipeline of this config, whose pair is opened once for each backend and schedule."""
        parts = (config.backend, config.pair, config.decode.schedule, config.decode.n)
        key = repr(parts)
        if key not in self._pipelines:
            self._pipelines[key] = Pipeline.from_config(config, load_plugins(config.plugins))
        opened = self._pipelines[key]
        router = opened.plugins.routers.build(config.router, "router")
        sampler = opened.plugins.samplers.build(config.sampler, "sampler")
        return replace(
            opened, router=router, sampler=sampler, decode=config.decode, router_label=config.router.use
        )


OPENED = Opened()


def write(config: str | None, settings: Sequence[str], prompt: str) -> Mapping[str, Any]:
    """Write a prompt under a config with settings such as `decode.seed=3`, and time it."""
    run = measure(OPENED.pipeline(_config(config, settings)), prompt)
    return {**_figures(run), "sources": [str(source) for text in run.texts for source in text.sources]}


def contexts(config: str | None, settings: Sequence[str], prompt: str) -> Mapping[str, Any]:
    """Return the tokens in which both models read a prompt."""
    read = OPENED.pipeline(_config(config, settings)).read(prompt)
    return {str(source): list(read.contexts[source]) for source in Source}


def plan(config: str | None, settings: Sequence[str]) -> Mapping[str, Any]:
    """Return what `auto` chose, and why."""
    return {name: str(text) for name, text in plan_of(OPENED.pipeline(_config(config, settings))).items()}


def memory() -> Mapping[str, Any]:
    """Return what this process has in memory now."""
    held = resident()
    return {"rss": held.rss, "pss": held.pss} if isinstance(held, Resident) else {"error": str(held)}


def alone(config: str | None, settings: Sequence[str], prompt: str, tokens: int) -> Mapping[str, Any]:
    """Open nothing but the aligned model, let it write greedily, and return what is in memory then."""
    chosen = _config(config, settings)
    plugins = load_plugins(chosen.plugins)
    references = references_of(chosen.pair, plugins.bundles, "pair")
    backend = plugins.backends.build(chosen.backend, "backend")
    member = open_members({Source.ALIGNED: references[Source.ALIGNED]}, backend, 1)[Source.ALIGNED]
    sequence = member.model.open()
    row = sequence.extend(member.tokenizer.encode_text(prompt.encode()))[-1]
    for _ in range(tokens):
        row = sequence.extend([int(row.argmax())])[-1]
    return memory()


def _config(config: str | None, settings: Sequence[str]) -> Config:
    return load_config(Path(config) if config else None, list(settings))


def _figures(run: Run) -> dict[str, Any]:
    outside, speed, rate = run.outside_share, run.ms_per_token, run.tokens_per_second
    return {
        "tokens": run.tokens,
        "ms_per_token": None if isinstance(speed, NotMeasured) else speed,
        "tokens_per_second": None if isinstance(rate, NotMeasured) else rate,
        "first_token_seconds": run.first_token_seconds,
        "decode_seconds": run.decode_seconds,
        "base_share": run.base_tokens / max(run.tokens, 1),
        "passes": {str(source): run.forwards[source] / max(run.tokens, 1) for source in Source},
        "outside_share": str(outside) if isinstance(outside, NotMeasured) else outside,
        "acceptance": str(run.acceptance) if isinstance(run.acceptance, NotMeasured) else run.acceptance,
    }


def ready() -> Mapping[str, Any]:
    """Say what is measured, and where."""
    return {"name": "BACo", "machine": str(machine()), "versions": versions()}


if __name__ == "__main__":
    handlers: dict[str, Handler] = {
        "write": write,
        "contexts": contexts,
        "plan": plan,
        "memory": memory,
        "alone": alone,
    }
    serve(handlers, ready)
