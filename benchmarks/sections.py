"""Races: each section answers lines of the table of bars, and returns rows, bars and notes as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contest import Answer, Contest, Contestant
from gammas import router
from laboratory import (
    AUTO,
    GEMMA3,
    GREEDY,
    LAZY,
    SMOLLM2,
    Laboratory,
    Section,
    bar,
    contexts,
    reader,
    writer,
)

from baco_core.bench.prompts import PROMPTS

SHARES = (0.05, 0.2, 0.35, 0.5)
MIXED = 0.2
"""The base share of whatever is measured at one share only."""


def single(laboratory: Laboratory) -> Section:
    """One model alone: ours against onnxruntime-genai, llama.cpp and transformers."""
    alone = (router("aligned"), GREEDY, LAZY)
    contestants = [
        writer(laboratory, "BACo, int4", SMOLLM2, laboratory.lone("smollm2-int4"), *alone),
        reader(laboratory, "onnxruntime-genai, int4", laboratory.genai()),
        writer(
            laboratory, "BACo, int4, opened as a pair", SMOLLM2, laboratory.bundle("smollm2-int4"), *alone
        ),
        writer(laboratory, "BACo, fp32", SMOLLM2, laboratory.lone("smollm2-fp32"), *alone),
    ]
    notes = []
    if "llama.cpp" in laboratory.peers().missing:
        notes.append(f"llama.cpp was not measured: {laboratory.peers().missing['llama.cpp']}.")
    else:
        contestants.append(reader(laboratory, "llama.cpp, Q4_1", laboratory.llama()))
    contestants.append(reader(laboratory, "transformers, fp32", laboratory.transformers()))
    contest = Contest(contestants, laboratory.rounds).work()
    ratio = contest.ratio("BACo, int4", "onnxruntime-genai, int4")
    return {
        "title": "One model alone",
        "how": f"SmolLM2-135M-Instruct, greedy, {laboratory.tokens} tokens after a chat prompt.",
        "rows": contest.rows("ms_per_token", "first_token_seconds", "outside_share"),
        "bars": [bar("single model int4, ours / onnxruntime-genai, ms per token", ratio, 1.05, 0.85)],
        "notes": [*notes, *contest.notes],
        "runs": contest.answers,
    }


def pair(laboratory: Laboratory) -> Section:
    """Two views of one model: the pair against the aligned model alone, at four base shares."""
    bundle = laboratory.bundle("smollm2-int4")
    gammas = laboratory.gammas("smollm2-int4", SMOLLM2, SHARES)
    lone = "aligned alone"
    alone = (laboratory.lone("smollm2-int4"), router("aligned"), LAZY)
    contestants = [writer(laboratory, lone, SMOLLM2, *alone)]
    for share in SHARES:
        for use, gamma in (("p", gammas[share]), ("rand", share)):
            name = f"{use}, {share:.0%}"
            settings = (bundle, router(use, gamma), AUTO)
            contestants.append(writer(laboratory, name, SMOLLM2, *settings))
    contest = Contest(contestants, laboratory.rounds).work()
    bars = [_share_bar(contest, one.name, lone) for one in contestants if one.name != lone]
    bars += [_outside_bar(contest, name) for name in (lone, f"p, {MIXED:.0%}")]
    return {
        "title": "The pair against its aligned model alone",
        "how": f"Two views of SmolLM2-135M-Instruct in int4, schedule auto, {laboratory.tokens} tokens, "
        f"temperature 0.8, top-p 0.95. Router p with gamma {_listed(gammas)}; rand with gamma = share.",
        "rows": contest.rows("ms_per_token", "base_share", "outside_share", "acceptance"),
        "bars": bars,
        "notes": contest.notes,
        "runs": contest.answers,
    }


def _share_bar(contest: Contest, name: str, lone: str) -> dict[str, Any]:
    return bar(f"pair / single aligned, ms per token, n = 1, {name}", contest.ratio(name, lone), 1.15, 1.0)


def _outside_bar(contest: Contest, name: str) -> dict[str, Any]:
    measured = contest.row(name, ["outside_share"])["outside_share"]
    return bar(f"time outside the runtime, share of decode time at n = 1, {name}", measured, 0.1, 0.05)


def _listed(gammas: Mapping[float, float]) -> str:
    return ", ".join(f"{gamma} ({share:.0%})" for share, gamma in gammas.items())


def schedules(laboratory: Laboratory) -> Section:
    """The schedules against each other at one base share."""
    gamma = laboratory.gammas("smollm2-int4", SMOLLM2, [MIXED])[MIXED]
    contestants = []
    for precision in ("int4", "fp32"):
        bundle = laboratory.bundle(f"smollm2-{precision}")
        for name in ("plain", "lazy", "speculative", "auto"):
            settings = (bundle, router("p", gamma), f"decode.schedule={name}")
            contestants.append(writer(laboratory, f"{name}, {precision}", SMOLLM2, *settings))
        alone = (laboratory.lone(f"smollm2-{precision}"), router("aligned"), LAZY)
        contestants.append(writer(laboratory, f"aligned alone, {precision}", SMOLLM2, *alone))
    contest = Contest(contestants, laboratory.rounds).work()
    plan = laboratory.ours().ask(
        "plan",
        config=SMOLLM2,
        settings=[laboratory.bundle("smollm2-int4"), router("p", gamma), AUTO],
    )
    return {
        "title": "Schedules",
        "how": f"The same pair, router p at a base share of about {MIXED:.0%} (gamma {gamma}).",
        "rows": contest.rows("ms_per_token", "base_share", "acceptance", "outside_share"),
        "bars": [_outside_bar(contest, "lazy, int4")],
        "notes": [*contest.notes, *(f"What auto chose in int4: {text}" for text in plan.values())],
        "runs": contest.answers,
    }


def two_models(laboratory: Laboratory) -> Section:
    """Two models with two tokenizers: the pair against the sum of both alone."""
    bundle = laboratory.bundle("gemma3-smollm2-int4")
    lone = laboratory.lone("gemma3-smollm2-int4")
    gamma = laboratory.gammas("gemma3-smollm2-int4", GEMMA3, [MIXED])[MIXED]
    auto = AUTO
    contestants = [
        writer(laboratory, f"pair, p {MIXED:.0%}", GEMMA3, bundle, router("p", gamma), auto),
        writer(laboratory, f"pair, rand {MIXED:.0%}", GEMMA3, bundle, router("rand", MIXED), auto),
        writer(laboratory, "pair, p-punc 0.4", GEMMA3, bundle, auto),
        writer(laboratory, "pair, p, plain", GEMMA3, bundle, router("p", gamma), "decode.schedule=plain"),
        writer(laboratory, "aligned alone", GEMMA3, lone, router("aligned"), LAZY),
        writer(laboratory, "base alone", GEMMA3, lone, router("base"), LAZY),
    ]
    contest = Contest(contestants, laboratory.rounds).work()
    both = ["aligned alone", "base alone"]
    what = "Gemma-3 base + SmolLM2, pair / sum of both singles"
    names = [one.name for one in contestants[:3]]
    return {
        "title": "Two models with two tokenizers",
        "how": f"Gemma-3-270M and SmolLM2-135M-Instruct in int4, schedule auto; gamma of p {gamma}.",
        "rows": contest.rows("ms_per_token", "base_share", "outside_share", "acceptance"),
        "bars": [bar(f"{what}, {name}", contest.ratio(name, both), 0.75, 0.6) for name in names],
        "notes": contest.notes,
        "runs": contest.answers,
    }


def batch(laboratory: Laboratory) -> Section:
    """Eight samples of one prompt together against the plain loop."""
    bundle = laboratory.bundle("smollm2-int4")
    use = router("p", laboratory.gammas("smollm2-int4", SMOLLM2, [MIXED])[MIXED])
    contestants = [
        writer(laboratory, "plain, n = 1", SMOLLM2, bundle, use, "decode.schedule=plain"),
        writer(laboratory, "auto, n = 1", SMOLLM2, bundle, use, AUTO),
        writer(laboratory, "auto, n = 8", SMOLLM2, bundle, use, AUTO, "decode.n=8"),
    ]
    contest = Contest(contestants, laboratory.rounds).work()
    ratio = contest.ratio("auto, n = 8", "plain, n = 1", "tokens_per_second")
    return {
        "title": "Eight samples at once",
        "how": f"The same pair, router p at a base share of about {MIXED:.0%}.",
        "rows": contest.rows("tokens_per_second", "ms_per_token", "base_share"),
        "bars": [bar("n = 8 samples, tokens per second / plain at n = 1", ratio, 3.0, 4.0, least=True)],
        "notes": contest.notes,
        "runs": contest.answers,
    }


def research(laboratory: Laboratory) -> Section:
    """The pair against the two-model loop of research code: transformers, float32."""
    gamma = laboratory.gammas("smollm2-int4", SMOLLM2, [MIXED])[MIXED]
    texts = list(contexts(laboratory, PROMPTS))
    torch = laboratory.transformers()

    def run(number: int) -> Answer:
        read = texts[number % len(texts)]
        ids = {f"{source}_context": read[source] for source in ("base", "aligned")}
        drawn = {"gamma": gamma, "temperature": 0.8, "top_p": 0.95, "seed": number}
        return torch.ask("pair", **ids, **drawn, tokens=laboratory.tokens // 2)

    settings = (laboratory.bundle("smollm2-int4"), router("p", gamma), AUTO)
    mine, theirs = "BACo, pair, int4", "transformers, two-model loop, fp32"
    contestants = [writer(laboratory, mine, SMOLLM2, *settings), Contestant(theirs, run)]
    contest = Contest(contestants, laboratory.rounds).work()
    ratio = contest.ratio(theirs, mine)
    return {
        "title": "The pair against research code",
        "how": "Both models step at every token in PyTorch, with KV caches, as the published codes do; "
        f"router p with gamma {gamma} in both.",
        "rows": contest.rows("ms_per_token", "base_share"),
        "bars": [bar("pair int4 / transformers two-model loop fp32, speed", ratio, 12.0, 20.0, least=True)],
        "notes": contest.notes,
        "runs": contest.answers,
    }
