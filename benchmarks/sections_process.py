"""Sections on what is not a race: memory, the start, long prompts, and the price of exactness."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from time import perf_counter

from contest import Contest, Contestant, plain
from gammas import router
from laboratory import AUTO, GREEDY, LAZY, LENGTHS, SMOLLM2, Laboratory, Section, bar, contexts, writer
from sections import MIXED

from baco_core.bench.figures import spread
from baco_core.bench.prompts import PROMPTS


def memory(laboratory: Laboratory) -> Section:
    """What is resident after a text: two views of one model, and that model alone."""
    rows, bars = [], []
    for precision in ("int4", "fp32"):
        settings = [laboratory.bundle(f"smollm2-{precision}"), AUTO]
        asked = {"config": SMOLLM2, "prompt": PROMPTS[0]}
        views = laboratory.fresh()
        views.ask("write", **asked, settings=[*settings, router("rand", 0.5), "decode.max_new_tokens=64"])
        two = views.ask("memory")
        one = laboratory.fresh().ask("alone", **asked, settings=settings, tokens=64)
        ratio = plain(spread([two["rss"] / one["rss"]]))
        rows.append({"name": f"two views, {precision}", "rss": two["rss"], "pss": two["pss"]})
        rows.append({"name": f"one model, {precision}", "rss": one["rss"], "pss": one["pss"]})
        bars.append(bar(f"two views: resident memory / single model, {precision}", ratio, 1.15, 1.05))
    return {
        "title": "Memory",
        "how": "Resident bytes of a process of its own after 64 tokens; the single model has its tokenizer.",
        "rows": rows,
        "bars": bars,
        "notes": ["By part: `baco doctor --memory CONFIG`."],
        "runs": {},
    }


def start(laboratory: Laboratory) -> Section:
    """From the start of the process to the first letter of the embedded pair's text."""
    command = [sys.executable, "-m", "baco_core.cli", "generate", "Tell me a story about a lighthouse."]
    seconds = [_first_letter(command) for _ in range(2 if laboratory.quick else 11)][1:]
    first = plain(spread(seconds))
    return {
        "title": "Start",
        "how": "`baco generate` with the embedded pair, from the start of the process to the first letter.",
        "rows": [{"name": "tiny", "first_letter_seconds": first}],
        "bars": [bar("`baco generate` with tiny, process start to first token, s", first, 1.0, 0.5)],
        "notes": [],
        "runs": {"tiny": [{"first_letter_seconds": one} for one in seconds]},
    }


def _first_letter(command: Sequence[str]) -> float:
    begin = perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        assert process.stdout is not None  # noqa: S101
        process.stdout.read(1)
        seconds = perf_counter() - begin
        process.stdout.read()
    return seconds


def context(laboratory: Laboratory) -> Section:
    """The cost of a token behind prompts of several lengths."""
    lengths = LENGTHS[:2] if laboratory.quick else LENGTHS
    use = router("p", laboratory.gammas("smollm2-int4", SMOLLM2, [MIXED])[MIXED])
    bundle, lone = laboratory.bundle("smollm2-int4"), laboratory.lone("smollm2-int4")
    contestants = []
    for length in lengths:
        prompt = _long_prompt(laboratory, length)
        alone = (lone, router("aligned"), GREEDY, LAZY)
        contestants += [
            _behind(laboratory, f"aligned alone, {length}", prompt, *alone),
            _behind(laboratory, f"pair, {length}", prompt, bundle, use, AUTO),
            _peer_behind(laboratory, f"onnxruntime-genai, {length}", prompt),
        ]
    contest = Contest(contestants, max(laboratory.rounds // 3, 1)).work()
    return {
        "title": "Context",
        "how": f"{FEW} tokens behind prompts of 64 to {lengths[-1]} tokens; reading the prompt is not in it.",
        "rows": contest.rows("ms_per_token", "first_token_seconds"),
        "bars": [],
        "notes": contest.notes,
        "runs": contest.answers,
    }


FEW = 32
SENTENCE = "The keeper of the lighthouse counted the ships that came home in the evening. "


def _long_prompt(laboratory: Laboratory, length: int) -> str:
    """Return a prompt that the aligned model reads as about `length` tokens."""
    sizes = [len(one["aligned"]) for one in contexts(laboratory, [SENTENCE, SENTENCE * 11])]
    each = (sizes[1] - sizes[0]) / 10
    return SENTENCE * max(round((length - sizes[0]) / each) + 1, 1)


def _behind(laboratory: Laboratory, name: str, prompt: str, *settings: str) -> Contestant:
    own = [*settings, f"decode.max_new_tokens={FEW}"]
    worker = laboratory.ours()
    return Contestant(name, lambda _: worker.ask("write", config=SMOLLM2, settings=own, prompt=prompt))


def _peer_behind(laboratory: Laboratory, name: str, prompt: str) -> Contestant:
    ids = next(contexts(laboratory, [prompt]))["aligned"]
    worker = laboratory.genai()
    return Contestant(name, lambda _: worker.ask("single", context=ids, tokens=FEW))


def exactness_price(laboratory: Laboratory) -> Section:
    """What it costs never to read a single token."""
    contestants = []
    for precision in ("int4", "fp32"):
        for exact in ("true", "false"):
            settings = (laboratory.lone(f"smollm2-{precision}"), f"backend.options.exact={exact}")
            name = f"{precision}, {'exact' if exact == 'true' else 'not exact'}"
            alone = (router("aligned"), GREEDY, LAZY)
            contestants.append(writer(laboratory, name, SMOLLM2, *settings, *alone))
    contest = Contest(contestants, laboratory.rounds).work()
    ratios = {
        precision: contest.ratio(f"{precision}, exact", f"{precision}, not exact")
        for precision in ("int4", "fp32")
    }
    return {
        "title": "The price of exactness",
        "how": "The aligned model alone, with the backend's option `exact` on and off.",
        "rows": contest.rows("ms_per_token"),
        "bars": [],
        "notes": [
            f"{precision}: exact takes {ratio['median']:.2f} of the time without (quartiles "
            f"{ratio['lower']:.2f} to {ratio['upper']:.2f})."
            for precision, ratio in ratios.items()
            if "median" in ratio
        ],
        "runs": contest.answers,
    }
