"""Wraps what plugins built, so that whoever raises while decoding is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from baco_core.errors import BacoError, PluginError
from baco_core.router import Decider, Decision, DecisionPoint, Generation, Router, StatefulDecider
from baco_core.rows import Logits
from baco_core.sampler import Sampler
from baco_core.source import Source

R = TypeVar("R")


def _call(label: str, when: str, function: Callable[..., R], *arguments: object) -> R:
    try:
        return function(*arguments)
    except BacoError:
        raise
    except (Exception, SystemExit) as error:  # a plugin's sys.exit() ends one text, not whoever writes it
        message = f"{label} raised {when}: {type(error).__name__}: {error}"
        raise PluginError(f"{message.rstrip('.')}.") from error


@dataclass(frozen=True)
class GuardedRouter:
    """A router whose failures name it; everything else is the router's own."""

    router: Router
    label: str

    @property
    def needs(self) -> frozenset[Source]:
        """Whose rows the router needs."""
        return self.router.needs

    def start(self, generation: Generation) -> Decider:
        """Return a guarded decider, stateful where the router's own is."""
        return self._guarded(self.router.start, generation)

    def __getattr__(self, name: str) -> Any:
        """Give optional attributes such as `replayable` as the router has them."""
        value = _forward(self, "router", name)
        return partial(self._guarded, value) if name == "opinion" else value

    def _guarded(self, start: Callable[[Generation], Decider], generation: Generation) -> Decider:
        decider = _call(self.label, "when it started", start, generation)
        if isinstance(decider, StatefulDecider):
            return GuardedStatefulDecider(decider, self.label)
        return GuardedDecider(decider, self.label)


@dataclass(frozen=True, slots=True)
class GuardedDecider:
    """A decider whose failures name its router and the position."""

    decider: Decider
    label: str

    def decide(self, point: DecisionPoint) -> Decision | None:
        """Return the decider's answer."""
        return _call(self.label, f"at position {point.position}", self.decider.decide, point)


@dataclass(frozen=True, slots=True)
class GuardedStatefulDecider:
    """The same for a decider that remembers."""

    decider: StatefulDecider
    label: str

    def decide(self, point: DecisionPoint) -> Decision | None:
        """Return the decider's answer."""
        return _call(self.label, f"at position {point.position}", self.decider.decide, point)

    def snapshot(self) -> object:
        """Return the decider's state."""
        return _call(self.label, "when its state was asked for", self.decider.snapshot)

    def restore(self, snapshot: object) -> None:
        """Go back to a state."""
        _call(self.label, "when its state was restored", self.decider.restore, snapshot)


@dataclass(frozen=True)
class GuardedSampler:
    """A sampler whose failures name it and the length of the history it was given."""

    sampler: Sampler
    label: str

    @property
    def temperature(self) -> float:
        """The sampler's temperature."""
        return self.sampler.temperature

    def filter(self, logits: Logits, history: Sequence[int]) -> Logits:
        """Return the sampler's filtered row."""
        when = f"after {len(history)} tokens"  # of the model's own: under text exchange no position
        return _call(self.label, when, self.sampler.filter, logits, history)

    def __getattr__(self, name: str) -> Any:
        """Give optional attributes as the sampler has them."""
        return _forward(self, "sampler", name)


def _forward(guard: object, field: str, name: str) -> Any:
    if name.startswith("__") or field not in vars(guard):  # a guard that is being copied has no fields yet
        raise AttributeError(name)
    return getattr(vars(guard)[field], name)
