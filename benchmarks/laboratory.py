"""What sections are measured with: processes, bundles, contestants."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contest import Answer, Contestant
from gammas import calibrated
from peers.environment import Peers
from worker import THREADS, Worker, ours, peer

from baco_core.bench.keep import keep
from baco_core.bench.prompts import PROMPTS
from baco_core.bundle import MANIFEST_NAME, sha256_of

ROOT = Path(__file__).parent.parent
SMOLLM2 = str(ROOT / "configs" / "smollm2-two-views.yaml")
GEMMA3 = str(ROOT / "configs" / "gemma3-smollm2.yaml")
LENGTHS = (64, 256, 1024, 2048, 4096)
"""Prompt lengths of the section on context, in tokens."""
GREEDY = "sampler={use: greedy}"
AUTO = "decode.schedule=auto"
LAZY = "decode.schedule=lazy"
"""For one model alone: nobody reads whose row is not asked for."""
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
    _lone: set[str] = field(default_factory=set)

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

    def lone(self, name: str) -> str:
        """Return the setting that chooses a bundle as one model alone needs it: graphs without slots.

        A pair's graph reads for two, and one model alone should not pay for that in a comparison.
        """
        source, target = self.bundles / name, self.results / f"lone-{name}"
        if name in self._lone:
            return f"pair={{bundle: {target}}}"
        self._lone.add(name)
        shutil.rmtree(target, ignore_errors=True)
        manifest = json.loads((source / MANIFEST_NAME).read_text("utf-8"))
        slots = {path for one in manifest["members"].values() for path in one.pop("slots", {}).values()}
        manifest["files"] = {path: one for path, one in manifest["files"].items() if path not in slots}
        for path in manifest["files"]:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            _same_file(source / path, target / path)
        keep(manifest, target / MANIFEST_NAME)
        return f"pair={{bundle: {target}}}"

    def gammas(self, bundle: str, config: str, shares: Sequence[float]) -> Mapping[float, float]:
        """Return the gammas of router `p` for these base shares."""
        manifest = sha256_of(self.bundles / bundle / MANIFEST_NAME)[:8]
        known = self.results / f"gammas-{bundle}-{manifest}-{self.tokens}.json"
        print(f"  gammas of {bundle}: {known.name}", file=sys.stderr, flush=True)
        settings = [self.bundle(bundle), AUTO]
        return calibrated(self.ours(), config, settings, shares, self.tokens, known)

    def _peer(self, name: str, arguments: Sequence[str]) -> Worker:
        return peer(name, self.peers().python, arguments, self._log(name))

    def _log(self, name: str) -> Path:
        return self.results / f"{name}.log"

    def _worker(self, name: str, start: Callable[[], Worker]) -> Worker:
        if name not in self._workers:
            self._workers[name] = self.stack.enter_context(start())
        return self._workers[name]


def _same_file(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copyfile(source, target)


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
    read = list(contexts(laboratory, PROMPTS))

    def run(number: int) -> Answer:
        context = read[number % len(read)]["aligned"]
        return worker.ask("single", context=context, tokens=laboratory.tokens)

    return Contestant(name, run)


def contexts(laboratory: Laboratory, prompts: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    settings = [laboratory.bundle("smollm2-int4"), AUTO]
    for prompt in prompts:
        yield laboratory.ours().ask("contexts", config=SMOLLM2, settings=settings, prompt=prompt)


def bar(what: str, value: Any, limit: float, aim: float, *, least: bool = False) -> dict[str, Any]:
    """Return a line of the table of bars; with `least` the value must not be below the bar."""
    return {"what": what, "bar": limit, "aim": aim, "least": least, "value": value}
