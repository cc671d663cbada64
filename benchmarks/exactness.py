"""Counts tokens that differ between schedules, and between a router's end points and one model alone.

    python benchmarks/exactness.py -c configs/smollm2-two-views.yaml --prompts 10 --seeds 3 --tokens 64

Prints one JSON object. Exit 1 when anything differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from baco_core.config import Part, load_config
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins, load_plugins

PROMPTS = (
    "Tell me a story about a lighthouse.",
    "Why is the sky blue?",
    "Write two sentences about a cat and a boat.",
    "Name three uses of a spoon.",
    "What should I cook tonight?",
    "Explain rain to a child.",
    "Write a short poem about snow.",
    "Describe a market in the morning.",
    "How do I learn to swim?",
    "Invent a name for a dragon.",
)
ROUTERS: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "aligned": {},
    "rand": {"gamma": 0.4},
    "p": {"gamma": 0.4},
    "h": {"gamma": 2.0},
    "punc": {},
    "fc": {},
    "p-punc": {"gamma": 0.4},
    "h-punc": {"gamma": 2.0},
    "p-fc": {"gamma": 0.4},
    "h-fc": {"gamma": 2.0},
    "nudging": {"gamma": 0.4},
}
IDENTITIES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("p", "aligned"): {"gamma": 0.0},
    ("p", "base"): {"gamma": 1.5},
    ("h", "aligned"): {"gamma": float("inf")},
    ("h", "base"): {"gamma": -1.0},
    ("rand", "aligned"): {"gamma": 0.0},
    ("rand", "base"): {"gamma": 1.0},
    ("punc", "aligned"): {"fires_on": "all"},
    ("punc", "base"): {"fires_on": "none"},
    ("fc", "aligned"): {"fires_on": "all"},
    ("fc", "base"): {"fires_on": "none"},
    ("p-punc", "aligned"): {"gamma": 0.0},
    ("p-punc", "base"): {"gamma": 1.5, "fires_on": "none"},
}
Text = tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Run:
    """What all texts of one count share."""

    pipeline: Pipeline
    plugins: Plugins
    seeds: int
    prompts: tuple[str, ...]

    def texts(self, router: str, options: Mapping[str, Any], schedule: str) -> Iterator[Text]:
        """Yield the (token, source) pairs of each prompt and seed."""
        built = self.plugins.routers.build(Part(router, dict(options)), "router")
        for seed in range(self.seeds):
            decode = replace(self.pipeline.decode, seed=seed, schedule=schedule)
            pipeline = replace(self.pipeline, router=built, decode=decode)
            for prompt in self.prompts:
                sample = pipeline.generate(prompt)[0]
                yield tuple((event.token_id, event.source.value) for event in sample.tokens)


def mismatches(left: Iterator[Text], right: Iterator[Text]) -> dict[str, int]:
    """Count texts, tokens and tokens that differ."""
    counts = {"texts": 0, "tokens": 0, "mismatches": 0}
    for one, two in zip(left, right, strict=True):
        counts["texts"] += 1
        counts["tokens"] += len(one)
        counts["mismatches"] += abs(len(one) - len(two)) + sum(a != b for a, b in zip(one, two, strict=False))
    return counts


def main() -> int:
    """Count, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-c", "--config", type=Path)
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--routers", nargs="*", default=sorted(ROUTERS))
    options = parser.parse_args()
    config = load_config(options.config, [f"decode.max_new_tokens={options.tokens}"])
    plugins = load_plugins(config.plugins)
    run = Run(Pipeline.from_config(config, plugins), plugins, options.seeds, PROMPTS[: options.prompts])
    result: dict[str, dict[str, dict[str, int]]] = {"plain = lazy": {}, "end points": {}}
    for name in options.routers:
        print(name, file=sys.stderr)
        plain, lazy = (run.texts(name, ROUTERS[name], schedule) for schedule in ("plain", "lazy"))
        result["plain = lazy"][name] = mismatches(plain, lazy)
    for (name, alone), end_point in IDENTITIES.items():
        print(name, "=", alone, file=sys.stderr)
        result["end points"][f"{name} {dict(end_point)} = {alone}"] = mismatches(
            run.texts(name, end_point, "lazy"), run.texts(alone, {}, "lazy")
        )
    print(json.dumps(result, indent=2))
    return int(any(counts["mismatches"] for part in result.values() for counts in part.values()))


if __name__ == "__main__":
    sys.exit(main())
