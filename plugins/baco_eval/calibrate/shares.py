"""Measures base shares: the fraction of tokens that the base model writes under one value of gamma."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baco_core.config import Config
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins
from baco_core.prompts import Message
from baco_core.router import Decider, Decision, DecisionPoint, Generation, Router
from baco_core.source import Source
from baco_eval.calibrate.knob import GAMMA, Knob, shown
from baco_eval.records import Generation as Written
from baco_eval.records import Prompt, Setting
from baco_eval.sweep.progress import EVERY_S, duration
from baco_eval.sweep.texts import Job, written

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """What the texts of some prompts came to under one gamma."""

    gamma: float
    counts: tuple[tuple[int, int], ...]
    """Of each prompt the tokens that base wrote, and all tokens."""
    texts: int
    """How many texts there were of all prompts."""
    signals: tuple[float, ...] = field(default=(), compare=False, repr=False)
    """What the router held against gamma, where it tells."""
    seconds: float = field(default=0.0, compare=False)

    @property
    def tokens(self) -> int:
        """How many tokens were written."""
        return sum(tokens for _, tokens in self.counts)

    @property
    def share(self) -> float:
        """The base share, 0 to 1: tokens of all texts are counted alike."""
        return sum(base for base, _ in self.counts) / max(self.tokens, 1)

    @property
    def error(self) -> float:
        """The standard error of the share over prompts, as of a ratio of means; infinite for one prompt."""
        count, share = len(self.counts), self.share
        if count < 2:
            return math.inf
        rest = sum((base - share * tokens) ** 2 for base, tokens in self.counts)
        return math.sqrt(count / (count - 1) * rest) / max(self.tokens, 1)


class Shares:
    """Base shares of a router on some prompts, each gamma measured once.

    Text j of a prompt asks in its j-th wording, where the task has paraphrases. Every text has noise of
    its own, the same under every gamma: text j of prompt i is sample `first + i * texts + j` of the
    config's seed. So the shares of two gammas differ by little but gamma.
    """

    def __init__(
        self,
        opened: Pipeline,
        config: Config,
        knob: Knob,
        prompts: Sequence[Prompt],
        texts: int = 2,
        first: int = 0,
        tell: Tell = lambda line: None,
    ) -> None:
        """Write with the pair of `opened`, and all else as `config` says."""
        self.knob = knob
        self.prompts = prompts
        self.texts = texts
        self._opened = opened
        self._config = config
        self._first = first
        self._tell = tell
        self._known: dict[float, Measured] = {}

    @property
    def size(self) -> int:
        """How many texts are written under each gamma."""
        return len(self.prompts) * self.texts

    @property
    def known(self) -> list[Measured]:
        """What was measured so far, by rising gamma."""
        return [self._known[gamma] for gamma in sorted(self._known)]

    def at(self, gamma: float) -> Measured:
        """Return what was measured under a gamma, measuring it the first time; BacoError as writing does."""
        if gamma not in self._known:
            self._known[gamma] = self._measured(gamma)
        return self._known[gamma]

    def _measured(self, gamma: float) -> Measured:
        part = self.knob.at(gamma)
        pipeline = self._opened.using(dataclasses.replace(self._config, router=part))
        signals: list[float] = []
        recorded = Recorded(pipeline.router, part.options[GAMMA], signals)
        pipeline = dataclasses.replace(pipeline, router=recorded)
        progress = _Progress(f"{GAMMA}={shown(gamma)}", self.size, self._tell)
        counts = {prompt.id: (0, 0) for prompt in self.prompts}
        for text, _ in written(pipeline, self._jobs(gamma), self._config.decode.batch):
            counts[text.prompt] = _added(counts[text.prompt], text)
            progress.count()
        return Measured(gamma, tuple(counts.values()), self.size, tuple(signals), progress.seconds)

    def _jobs(self, gamma: float) -> Iterator[Job]:
        setting = Setting(self.knob.router.use, f"{GAMMA}={shown(gamma)}")
        for number, prompt in enumerate(self.prompts):
            wordings = (prompt.text, *prompt.paraphrases)
            for index in range(self.texts):
                messages = (Message("user", wordings[index % len(wordings)]),)
                yield Job(setting, prompt.id, self._first + number * self.texts + index, messages)


def opened_for(config: Config, knob: Knob, plugins: Plugins) -> Pipeline:
    """Open the pair for texts that are written together, as many as `decode.batch`."""
    decode = dataclasses.replace(config.decode, n=config.decode.batch)
    return Pipeline.from_config(dataclasses.replace(config, router=knob.at(knob.low), decode=decode), plugins)


@dataclass(frozen=True)
class Recorded:
    """A router that keeps in `signals` what it held against gamma; all else is the router's own."""

    router: Router
    gamma: float
    signals: list[float]

    @property
    def needs(self) -> frozenset[Source]:
        """Whose rows the router needs."""
        return self.router.needs

    def start(self, generation: Generation) -> Decider:
        """Return a decider that keeps signals."""
        return _RecordedDecider(self.router.start(generation), self.gamma, self.signals)

    def __getattr__(self, name: str) -> Any:
        """Give optional attributes as the router has them."""
        return getattr(self.router, name)


@dataclass(frozen=True, slots=True)
class _RecordedDecider:
    decider: Decider
    gamma: float
    signals: list[float]

    def decide(self, point: DecisionPoint) -> Decision | None:
        decision = self.decider.decide(point)
        if decision is not None and decision.signal is not None and decision.threshold == self.gamma:
            self.signals.append(float(decision.signal))
        return decision


class _Progress:
    """Tells every few seconds how many of the texts under one gamma are there."""

    def __init__(self, label: str, total: int, tell: Tell) -> None:
        self._label, self._total, self._tell = label, total, tell
        self._done = 0
        self._begun = self._told = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def count(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._told >= EVERY_S:
            self._told = now
            left = self.seconds / self._done * (self._total - self._done)
            self._tell(f"{self._label}: {self._done} of {self._total} texts, about {duration(left)} to go")


def _added(counts: tuple[int, int], text: Written) -> tuple[int, int]:
    return counts[0] + text.base_tokens, counts[1] + text.tokens


def mean_seconds(measured: Sequence[Measured]) -> float:
    """Return how long one gamma takes."""
    return float(np.mean([one.seconds for one in measured]))
