"""Runs variants in turn, so that whatever slows the machine down slows all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from baco_core.bench.figures import NotMeasured
from baco_core.bench.run import Run, measure
from baco_core.bench.variants import Refusal, Variant
from baco_core.errors import BacoError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timed:
    """A run, and which one it was."""

    variant: str
    round: int
    prompt: int
    """Which of the prompts was written about, counted from 0."""
    seed: int
    run: Run


@dataclass
class Bench:
    """Variants, prompts, and the runs finished so far.

    In each round every variant writes the same prompt with the same seed, so runs of one round are
    pairs; the order turns from round to round. A warm-up round before them is not counted.
    """

    variants: Sequence[Variant | Refusal]
    prompts: Sequence[str]
    repeats: int
    strict: bool = False
    """Whether a variant that this pair cannot be written with ends the bench; else it is left out."""
    runs: list[Timed] = field(default_factory=list)
    refused: dict[str, NotMeasured] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether all runs are done."""
        return len(self.runs) == self.repeats * (len(self.variants) - len(self.refused))

    def work(self, tell: Callable[[str], None]) -> Iterator[Timed]:
        """Yield each run as it is finished; `tell` hears of progress.

        Raises what decoding raises; runs that were finished by then are kept.
        """
        ready = [variant for variant in self.variants if self._warmed(variant, tell)]
        usable = [variant for variant in ready if isinstance(variant, Variant)]
        for number in range(self.repeats):
            for variant in in_turn(usable, number):
                timed = self._timed(variant, number)
                self.runs.append(timed)
                tell(f"[{len(self.runs)}/{self.repeats * len(usable)}] {variant.name}: {_speed(timed.run)}")
                yield timed

    def _warmed(self, variant: Variant | Refusal, tell: Callable[[str], None]) -> bool:
        """Say whether the variant works, after it wrote once."""
        try:
            if isinstance(variant, Refusal):
                raise variant.error
            measure(variant.pipeline, self.prompts[0])
        except BacoError as error:
            if self.strict:
                raise
            self.refused[variant.name] = NotMeasured(str(error).rstrip("."))
            tell(f"{variant.name}: {self.refused[variant.name]}")
            return False
        return True

    def _timed(self, variant: Variant, number: int) -> Timed:
        prompt = number % len(self.prompts)
        seed = variant.pipeline.decode.seed + number
        return Timed(variant.name, number, prompt, seed, measure(variant.seeded(seed), self.prompts[prompt]))


def in_turn(variants: Sequence[T], number: int) -> list[T]:
    """Return the variants in the order of one round: each goes first as often, forwards and backwards."""
    start = (number // 2) % len(variants) if variants else 0
    turned = [*variants[start:], *variants[:start]]
    return turned[::-1] if number % 2 else turned


def _speed(run: Run) -> str:
    speed = run.ms_per_token
    return str(speed) if isinstance(speed, NotMeasured) else f"{run.tokens} tokens, {speed:.2f} ms a token"
