"""Counts tokens that differ between schedules, and between a router's end points and one model alone.

    python benchmarks/exactness.py -c configs/smollm2-two-views.yaml --set "pair={bundle: FOLDER}"

Every text is a line in `--out` as soon as it is compared; a run that is started again goes on where it
ended. Differences are told on stderr: router, prompt, seed, position. Prints one JSON object. Exit 1
when anything differs.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from collect import records

from baco_core.bench.variants import REFERENCE, SCHEDULES
from baco_core.config import Part, load_config
from baco_core.pipeline import Pipeline
from baco_core.plugins import load_plugins
from baco_routers.end_points import END_POINTS as ALL_END_POINTS

RESULTS = Path(__file__).parent / "results"
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
    "List the planets in order.",
    "Write a letter to a friend who moved away.",
    "What is the difference between a frog and a toad?",
    "Tell me a joke about a programmer.",
    "Write a Python function that adds two numbers.",
    "Was wäre ein schöner Ausflug im Herbst?",
    "Summarise the story of Noah in three sentences.",
    "Give me a table of five fruits and their colours.",
    "What did people eat in the Middle Ages?",
    "Continue: The door was open, although",
)
ROUTERS: Mapping[str, Mapping[str, Any]] = {
    "rand": {"gamma": 0.4},
    "p": {"gamma": 0.4},
    "h": {"gamma": 2.0},
    "punc": {},
    "fc": {},
    "p-punc": {"gamma": 0.4},
    "h-punc": {"gamma": 2.0},
    "p-fc": {"gamma": 0.4},
    "h-fc": {"gamma": 2.0},
}
"""The nine routers of the paper that ask no third model."""
END_POINTS = tuple(each for each in ALL_END_POINTS if each[0] in ROUTERS)
Texts = tuple[tuple[tuple[int, str], ...], ...]
"""Of each sample the token ids and who wrote them."""


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison: a router under a schedule against a router under the reference schedule."""

    router: str
    options: str
    schedule: str
    against: str
    """`plain` for the same router, else the model alone that the router should be."""
    prompt: int
    seed: int

    @property
    def reference(self) -> Case:
        """Return whose text this one must write."""
        if self.against == REFERENCE:
            return replace(self, schedule=REFERENCE)
        return replace(self, router=self.against, options="{}", schedule=REFERENCE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison found; `position` is the first difference, in which sample and at which token."""

    case: Case
    tokens: int
    mismatches: int
    position: tuple[int, int] | None

    def told(self) -> str:
        """Return the difference in words."""
        case = self.case
        sample, at = self.position or (0, 0)
        return (
            f"router {case.router} {case.options}, schedule {case.schedule} against {case.against}, "
            f"prompt {PROMPTS[case.prompt]!r}, seed {case.seed}: sample {sample} differs from "
            f"position {at} on ({self.mismatches} of {self.tokens} tokens)"
        )


class Judge:
    """Writes the texts of cases with one pair, and compares them."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._reference = lru_cache(maxsize=64)(self.texts)

    def texts(self, case: Case) -> Texts:
        """Return what a case writes."""
        part = Part(case.router, {**json.loads(case.options)})
        router = self._pipeline.plugins.routers.build(part, "router")
        decode = replace(self._pipeline.decode, seed=case.seed, schedule=case.schedule)  # type: ignore[arg-type]
        pipeline = replace(self._pipeline, router=router, decode=decode)
        samples = pipeline.generate(PROMPTS[case.prompt])
        return tuple(tuple((event.token_id, str(event.source)) for event in one.tokens) for one in samples)

    def verdict(self, case: Case) -> Verdict:
        """Return how a case's texts differ from its reference's."""
        wanted, got = self._reference(case.reference), self.texts(case)
        wrong = [
            (sample, at)
            for sample, (left, right) in enumerate(zip(wanted, got, strict=True))
            for at in range(max(len(left), len(right)))
            if left[at : at + 1] != right[at : at + 1]
        ]
        return Verdict(case, sum(map(len, wanted)), len(wrong), wrong[0] if wrong else None)


def cases(options: argparse.Namespace) -> list[Case]:
    """Return all comparisons, in an order that keeps those of one reference together."""
    points = list(product(range(options.prompts), range(options.seeds)))
    found = [
        Case(name, json.dumps(ROUTERS[name]), schedule, REFERENCE, prompt, seed)
        for name in options.routers
        for prompt, seed in points
        for schedule in options.schedules
    ]
    if not options.no_end_points:
        last = options.schedules[-1]
        found += [
            Case(name, json.dumps(end_point), last, alone, prompt, seed)
            for prompt, seed in points
            for name, end_point, alone in END_POINTS
        ]
    if options.sample:
        chosen = random.Random(0).sample(range(len(found)), min(options.sample, len(found)))  # noqa: S311
        found = [found[index] for index in sorted(chosen)]
    part, parts = options.part
    return found[part * len(found) // parts : (part + 1) * len(found) // parts]


def judged(judge: Judge, todo: Iterable[Case], out: Path, about: Mapping[str, Any]) -> Iterator[Verdict]:
    """Yield the verdict of each case; those that stand in `out` already are not judged again."""
    known = dict(_known(out, about))
    cut_off = out.exists() and not out.read_bytes().endswith(b"\n")
    with out.open("a", encoding="utf-8") as lines:
        lines.write("\n" if cut_off else "")
        for case in todo:
            verdict = known.get(case) or judge.verdict(case)
            if case not in known:
                lines.write(json.dumps({**about, **asdict(verdict)}) + "\n")
                lines.flush()
            yield verdict


def _known(out: Path, about: Mapping[str, Any]) -> Iterator[tuple[Case, Verdict]]:
    for record in records(out):
        if all(record[name] == value for name, value in about.items()):
            case = Case(**record["case"])
            yield case, Verdict(case, record["tokens"], record["mismatches"], record["position"])


def summary(verdicts: Iterable[Verdict]) -> dict[str, dict[str, dict[str, int]]]:
    """Return texts, tokens and mismatches by schedule and router, and of the end points."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for verdict in verdicts:
        case = verdict.case
        ends = case.against != REFERENCE
        group = "end points" if ends else f"{case.schedule} = {case.against}"
        name = f"{case.router} {case.options} = {case.against}" if ends else case.router
        counts = found.setdefault(group, {}).setdefault(name, {"texts": 0, "tokens": 0, "mismatches": 0})
        counts["texts"] += 1
        counts["tokens"] += verdict.tokens
        counts["mismatches"] += verdict.mismatches
    return found


def main() -> int:
    """Judge, tell and count."""
    options = _options()
    settings = [f"decode.max_new_tokens={options.tokens}", f"decode.n={options.n}", *options.set]
    config = load_config(options.config, settings)
    bundle = Path(config.pair.bundle or f"{config.pair.base}+{config.pair.aligned}").name
    about = {"bundle": bundle, "length": options.tokens, "n": options.n}
    todo = cases(options)
    out = options.out or RESULTS / f"exactness-{bundle}.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    judge = Judge(Pipeline.from_config(config, load_plugins(config.plugins)))
    verdicts = []
    begin = time.monotonic()
    for verdict in judged(judge, todo, out, about):
        verdicts.append(verdict)
        if verdict.mismatches:
            print(f"differs: {verdict.told()}", file=sys.stderr, flush=True)
        if len(verdicts) % 20 == 0 or len(verdicts) == len(todo):
            passed = time.monotonic() - begin
            print(f"{len(verdicts)} of {len(todo)}, {passed:.0f} s", file=sys.stderr, flush=True)
    print(json.dumps({**about, **summary(verdicts)}, indent=2))
    return int(any(verdict.mismatches for verdict in verdicts))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-c", "--config", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    parser.add_argument("--schedules", nargs="*", default=[name for name in SCHEDULES if name != REFERENCE])
    parser.add_argument("--routers", nargs="*", default=list(ROUTERS), choices=list(ROUTERS))
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("-n", type=int, default=1, help="samples of each prompt, decoded together")
    parser.add_argument("--sample", type=int, help="judge only so many cases, spread over all")
    parser.add_argument("--part", type=_part, default=(0, 1), help="judge one part of all, such as 1/2")
    parser.add_argument("--no-end-points", action="store_true")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/exactness-BUNDLE.jsonl")
    return parser.parse_args()


def _part(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    return int(number) - 1, int(of)


if __name__ == "__main__":
    sys.exit(main())
