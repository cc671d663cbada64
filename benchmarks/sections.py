"""What is measured: each section answers lines of the table of bars, and returns rows, bars and notes.

Every function takes the laboratory (workers, configs, rounds) and returns a section as data.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from contest import Answer, Contest, Contestant, plain
from gammas import calibrated, router
from peers.environment import Peers
from worker import THREADS, Worker, ours, peer

from baco_core.bench.figures import spread
from baco_core.bench.prompts import PROMPTS

ROOT = Path(__file__).parent.parent
SMOLLM2 = str(ROOT / "configs" / "smollm2-two-views.yaml")
GEMMA3 = str(ROOT / "configs" / "gemma3-smollm2.yaml")
SHARES = (0.05, 0.2, 0.35, 0.5)
MIXED = 0.2
"""The base share of whatever is measured at one share only."""
LENGTHS = (64, 256, 1024, 2048, 4096)
GREEDY = "sampler={use: greedy}"
Section = dict[str, Any]


@dataclass
class Laboratory:
    """What sections need: the bundles, the peers, where logs go, and how long to measure."""

    bundles: Path
    peers: Callable[[], Peers]
    results: Path
    rounds: int
    tokens: int
    quick: bool
    stack: ExitStack = field(default_factory=ExitStack)
    _workers: dict[str, Worker] = field(default_factory=dict)

    def ours(self) -> Worker:
        """Return our process; the same one throughout."""
        return self._worker("ours", lambda: ours(self._log("ours")))

    def fresh(self) -> Worker:
        """Return a process of ours that has opened nothing yet."""
        return self.stack.enter_context(ours(self._log("memory")))

    def genai(self) -> Worker:
        """Return onnxruntime-genai's process."""
        where = self.peers()
        return self._worker("genai", lambda: self._peer("genai", [where.genai, str(THREADS)]))

    def llama(self) -> Worker:
        """Return llama.cpp's process."""
        arguments = [self.peers().gguf, str(THREADS), str(max(LENGTHS) + 256)]
        return self._worker("llama", lambda: self._peer("llama", arguments))

    def transformers(self) -> Worker:
        """Return PyTorch's process."""
        where = self.peers()
        return self._worker("transformers", lambda: self._peer("transformers", [where.hf, str(THREADS)]))

    def bundle(self, name: str) -> str:
        """Return the setting that chooses a bundle."""
        return f"pair={{bundle: {self.bundles / name}}}"

    def gammas(self, bundle: str, config: str, shares: Sequence[float]) -> Mapping[float, float]:
        """Return the gammas of router `p` for these base shares."""
        print(f"  calibrating gamma on {bundle}", file=sys.stderr, flush=True)
        settings = [self.bundle(bundle), "decode.schedule=auto"]
        return calibrated(self.ours(), config, settings, shares, self.tokens)

    def _peer(self, name: str, arguments: Sequence[str]) -> Worker:
        return peer(name, self.peers().python, arguments, self._log(name))

    def _log(self, name: str) -> Path:
        return self.results / f"{name}.log"

    def _worker(self, name: str, start: Callable[[], Worker]) -> Worker:
        if name not in self._workers:
            self._workers[name] = self.stack.enter_context(start())
        return self._workers[name]


def writer(laboratory: Laboratory, name: str, config: str, *settings: str) -> Contestant:
    """Return a contestant of ours: a config with settings; prompts and seeds go round by round."""
    worker = laboratory.ours()
    limit = f"decode.max_new_tokens={laboratory.tokens}"

    def run(number: int) -> Answer:
        own = [limit, f"decode.seed={number}", *settings]
        return worker.ask("write", config=config, settings=own, prompt=PROMPTS[number % len(PROMPTS)])

    return Contestant(name, run)


def reader(laboratory: Laboratory, name: str, worker: Worker) -> Contestant:
    """Return a peer that writes the same prompts with one model, greedily."""
    contexts = list(_contexts(laboratory, PROMPTS))

    def run(number: int) -> Answer:
        context = contexts[number % len(contexts)]["aligned"]
        return worker.ask("single", context=context, tokens=laboratory.tokens)

    return Contestant(name, run)


def _contexts(laboratory: Laboratory, prompts: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    settings = [laboratory.bundle("smollm2-int4"), "decode.schedule=auto"]
    for prompt in prompts:
        yield laboratory.ours().ask("contexts", config=SMOLLM2, settings=settings, prompt=prompt)


def bar(what: str, value: Any, limit: float, aim: float, *, least: bool = False) -> dict[str, Any]:
    """Return a line of the table of bars; with `least` the value must not be below the bar."""
    return {"what": what, "bar": limit, "aim": aim, "least": least, "value": value}


def single(laboratory: Laboratory) -> Section:
    """One model alone: ours against onnxruntime-genai, llama.cpp and transformers."""
    alone = (router("aligned"), GREEDY, "decode.schedule=auto")
    contestants = [
        writer(laboratory, "BACo, int4", SMOLLM2, laboratory.bundle("smollm2-int4"), *alone),
        reader(laboratory, "onnxruntime-genai, int4", laboratory.genai()),
        writer(laboratory, "BACo, fp32", SMOLLM2, laboratory.bundle("smollm2-fp32"), *alone),
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
        "notes": notes,
        "runs": contest.answers,
    }


def pair(laboratory: Laboratory) -> Section:
    """Two views of one model: the pair against the aligned model alone, at four base shares."""
    bundle = laboratory.bundle("smollm2-int4")
    gammas = laboratory.gammas("smollm2-int4", SMOLLM2, SHARES)
    lone = "aligned alone"
    contestants = [writer(laboratory, lone, SMOLLM2, bundle, router("aligned"), "decode.schedule=auto")]
    for share in SHARES:
        for use, gamma in (("p", gammas[share]), ("rand", share)):
            name = f"{use}, {share:.0%}"
            settings = (bundle, router(use, gamma), "decode.schedule=auto")
            contestants.append(writer(laboratory, name, SMOLLM2, *settings))
    contest = Contest(contestants, laboratory.rounds).work()
    bars = [_share_bar(contest, name, lone) for name in contest.answers if name != lone]
    measured = contest.row(f"p, {MIXED:.0%}", ["outside_share"])["outside_share"]
    bars.append(bar("time outside the runtime, share of decode time at n = 1", measured, 0.1, 0.05))
    return {
        "title": "The pair against its aligned model alone",
        "how": f"Two views of SmolLM2-135M-Instruct in int4, schedule auto, {laboratory.tokens} tokens, "
        f"temperature 0.8, top-p 0.95. Router p with gamma {_listed(gammas)}; rand with gamma = share.",
        "rows": contest.rows("ms_per_token", "base_share", "outside_share", "acceptance"),
        "bars": bars,
        "notes": [],
        "runs": contest.answers,
    }


def _share_bar(contest: Contest, name: str, lone: str) -> dict[str, Any]:
    return bar(f"pair / single aligned, ms per token, n = 1, {name}", contest.ratio(name, lone), 1.15, 1.0)


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
        alone = (bundle, router("aligned"), "decode.schedule=auto")
        contestants.append(writer(laboratory, f"aligned alone, {precision}", SMOLLM2, *alone))
    contest = Contest(contestants, laboratory.rounds).work()
    plan = laboratory.ours().ask(
        "plan",
        config=SMOLLM2,
        settings=[laboratory.bundle("smollm2-int4"), router("p", gamma), "decode.schedule=auto"],
    )
    return {
        "title": "Schedules",
        "how": f"The same pair, router p at a base share of about {MIXED:.0%} (gamma {gamma}).",
        "rows": contest.rows("ms_per_token", "base_share", "acceptance", "outside_share"),
        "bars": [],
        "notes": [f"What auto chose in int4: {text}" for text in plan.values()],
        "runs": contest.answers,
    }


def two_models(laboratory: Laboratory) -> Section:
    """Two models with two tokenizers: the pair against the sum of both alone."""
    bundle = laboratory.bundle("gemma3-smollm2-int4")
    gamma = laboratory.gammas("gemma3-smollm2-int4", GEMMA3, [MIXED])[MIXED]
    auto = "decode.schedule=auto"
    contestants = [
        writer(laboratory, f"pair, p {MIXED:.0%}", GEMMA3, bundle, router("p", gamma), auto),
        writer(laboratory, f"pair, rand {MIXED:.0%}", GEMMA3, bundle, router("rand", MIXED), auto),
        writer(laboratory, "pair, p-punc 0.4", GEMMA3, bundle, auto),
        writer(laboratory, "pair, p, plain", GEMMA3, bundle, router("p", gamma), "decode.schedule=plain"),
        writer(laboratory, "aligned alone", GEMMA3, bundle, router("aligned"), auto),
        writer(laboratory, "base alone", GEMMA3, bundle, router("base"), auto),
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
        "notes": [],
        "runs": contest.answers,
    }


def batch(laboratory: Laboratory) -> Section:
    """Eight samples of one prompt together against the plain loop."""
    bundle = laboratory.bundle("smollm2-int4")
    use = router("p", laboratory.gammas("smollm2-int4", SMOLLM2, [MIXED])[MIXED])
    contestants = [
        writer(laboratory, "plain, n = 1", SMOLLM2, bundle, use, "decode.schedule=plain"),
        writer(laboratory, "auto, n = 1", SMOLLM2, bundle, use, "decode.schedule=auto"),
        writer(laboratory, "auto, n = 8", SMOLLM2, bundle, use, "decode.schedule=auto", "decode.n=8"),
    ]
    contest = Contest(contestants, laboratory.rounds).work()
    ratio = contest.ratio("auto, n = 8", "plain, n = 1", "tokens_per_second")
    return {
        "title": "Eight samples at once",
        "how": f"The same pair, router p at a base share of about {MIXED:.0%}.",
        "rows": contest.rows("tokens_per_second", "ms_per_token", "base_share"),
        "bars": [bar("n = 8 samples, tokens per second / plain at n = 1", ratio, 3.0, 4.0, least=True)],
        "notes": [],
        "runs": contest.answers,
    }


def research(laboratory: Laboratory) -> Section:
    """The pair against the two-model loop of research code: transformers, float32."""
    gamma = laboratory.gammas("smollm2-int4", SMOLLM2, [MIXED])[MIXED]
    contexts = list(_contexts(laboratory, PROMPTS))
    torch = laboratory.transformers()

    def run(number: int) -> Answer:
        read = contexts[number % len(contexts)]
        ids = {f"{source}_context": read[source] for source in ("base", "aligned")}
        drawn = {"gamma": gamma, "temperature": 0.8, "top_p": 0.95, "seed": number}
        return torch.ask("pair", **ids, **drawn, tokens=laboratory.tokens // 2)

    settings = (laboratory.bundle("smollm2-int4"), router("p", gamma), "decode.schedule=auto")
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
        "notes": [],
        "runs": contest.answers,
    }


def memory(laboratory: Laboratory) -> Section:
    """What is resident after a text: two views of one model, and that model alone."""
    rows, bars = [], []
    for precision in ("int4", "fp32"):
        settings = [laboratory.bundle(f"smollm2-{precision}"), "decode.schedule=auto"]
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
    bundle = laboratory.bundle("smollm2-int4")
    contestants = []
    for length in lengths:
        prompt = _long_prompt(laboratory, length)
        alone = (bundle, router("aligned"), GREEDY)
        contestants += [
            _behind(laboratory, f"aligned alone, {length}", prompt, *alone),
            _behind(laboratory, f"pair, {length}", prompt, bundle, use),
            _peer_behind(laboratory, f"onnxruntime-genai, {length}", prompt),
        ]
    contest = Contest(contestants, max(laboratory.rounds // 3, 1)).work()
    return {
        "title": "Context",
        "how": f"{FEW} tokens behind prompts of 64 to {lengths[-1]} tokens; reading the prompt is not in it.",
        "rows": contest.rows("ms_per_token", "first_token_seconds"),
        "bars": [],
        "notes": [],
        "runs": contest.answers,
    }


FEW = 32
SENTENCE = "The keeper of the lighthouse counted the ships that came home in the evening. "


def _long_prompt(laboratory: Laboratory, length: int) -> str:
    """Return a prompt that the aligned model reads as about `length` tokens."""
    sizes = [len(one["aligned"]) for one in _contexts(laboratory, [SENTENCE, SENTENCE * 11])]
    each = (sizes[1] - sizes[0]) / 10
    return SENTENCE * max(round((length - sizes[0]) / each) + 1, 1)


def _behind(laboratory: Laboratory, name: str, prompt: str, *settings: str) -> Contestant:
    own = [*settings, "decode.schedule=auto", f"decode.max_new_tokens={FEW}"]
    worker = laboratory.ours()
    return Contestant(name, lambda _: worker.ask("write", config=SMOLLM2, settings=own, prompt=prompt))


def _peer_behind(laboratory: Laboratory, name: str, prompt: str) -> Contestant:
    ids = next(_contexts(laboratory, [prompt]))["aligned"]
    worker = laboratory.genai()
    return Contestant(name, lambda _: worker.ask("single", context=ids, tokens=FEW))


def exactness_price(laboratory: Laboratory) -> Section:
    """What it costs never to read a single token."""
    contestants = []
    for precision in ("int4", "fp32"):
        for exact in ("true", "false"):
            settings = (laboratory.bundle(f"smollm2-{precision}"), f"backend.options.exact={exact}")
            name = f"{precision}, {'exact' if exact == 'true' else 'not exact'}"
            alone = (router("aligned"), GREEDY, "decode.schedule=lazy")
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
        ],
        "runs": contest.answers,
    }


SECTIONS: Mapping[str, Callable[[Laboratory], Section]] = {
    "single": single,
    "pair": pair,
    "schedules": schedules,
    "two-models": two_models,
    "batch": batch,
    "research": research,
    "memory": memory,
    "start": start,
    "context": context,
    "exactness-price": exactness_price,
}
