"""What a bench found, as one JSON object (docs/benchmarks.md describes it) and as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from baco_core.bench.bench import Bench, Timed
from baco_core.bench.figures import NotMeasured, Spread, spread
from baco_core.bench.run import Run, Text
from baco_core.bench.variants import REFERENCE
from baco_core.source import Source

FORMAT = 1
Figure = Callable[[Run], float | NotMeasured]


def _resident(run: Run) -> float | NotMeasured:
    return run.resident if isinstance(run.resident, NotMeasured) else float(run.resident.rss)


FIGURES: Mapping[str, Figure] = {
    "ms_per_token": lambda run: run.ms_per_token,
    "tokens_per_second": lambda run: run.tokens_per_second,
    "first_token_ms": lambda run: 1000 * run.first_token_seconds,
    "base_passes_per_token": lambda run: run.passes_per_token(Source.BASE),
    "aligned_passes_per_token": lambda run: run.passes_per_token(Source.ALIGNED),
    "base_share": lambda run: run.base_share,
    "acceptance": lambda run: run.acceptance,
    "outside_share": lambda run: run.outside_share,
    "resident_bytes": _resident,
}
"""The figures of a run; each is told as a median with its quartiles."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one variant over its runs."""

    figures: Mapping[str, Spread | NotMeasured]
    ratio: Spread | NotMeasured
    """Milliseconds a token over those of the reference in the same round."""
    mismatches: int | NotMeasured
    """Tokens that differ from the reference's, in id or author; None may, where both are schedules."""


def summarise(bench: Bench, reference: str) -> dict[str, Summary | NotMeasured]:
    """Return the summary of each variant by name, or why there is none."""
    found: dict[str, Summary | NotMeasured] = {}
    for variant in bench.variants:
        runs = [timed for timed in bench.runs if timed.variant == variant.name]
        pairs = list(_pairs(bench.runs, variant.name, reference))
        found[variant.name] = bench.refused.get(variant.name) or _summary(runs, pairs)
    return found


def _summary(runs: Sequence[Timed], pairs: Sequence[tuple[Run, Run]]) -> Summary | NotMeasured:
    if not runs:
        return NotMeasured("no run was finished")
    figures = {name: spread(figure(timed.run) for timed in runs) for name, figure in FIGURES.items()}
    alone = runs[0].variant.endswith(" alone")
    different = NotMeasured("one model alone writes another text") if alone else _mismatches(pairs)
    return Summary(figures, spread(_ratio(one, other) for one, other in pairs), different)


def _pairs(runs: Sequence[Timed], name: str, reference: str) -> Iterator[tuple[Run, Run]]:
    """Yield the runs of a variant, each with the reference's run of the same round."""
    others = {timed.round: timed.run for timed in runs if timed.variant == reference}
    for timed in runs:
        if timed.variant == name and timed.round in others:
            yield timed.run, others[timed.round]


def _ratio(run: Run, reference: Run) -> float | NotMeasured:
    own, other = run.ms_per_token, reference.ms_per_token
    if isinstance(own, NotMeasured) or isinstance(other, NotMeasured):
        return own if isinstance(own, NotMeasured) else other
    return own / other


def _mismatches(pairs: Sequence[tuple[Run, Run]]) -> int | NotMeasured:
    if not pairs:
        return NotMeasured("there is nothing to compare with")
    texts = [both for one, other in pairs for both in zip(one.texts, other.texts, strict=True)]
    return sum(_different(one, other) for one, other in texts)


def _different(one: Text, other: Text) -> int:
    left, right = (list(zip(text.token_ids, text.sources, strict=True)) for text in (one, other))
    return abs(len(left) - len(right)) + sum(a != b for a, b in zip(left, right, strict=False))


def reference_of(names: Sequence[str]) -> str:
    """Return the variant that the others are compared with."""
    return REFERENCE if REFERENCE in names else names[0]


def report(bench: Bench, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the whole result; `about` says on what it was measured."""
    reference = reference_of([variant.name for variant in bench.variants])
    made = {
        "format": FORMAT,
        **about,
        "prompts": list(bench.prompts),
        "repeats": bench.repeats,
        "complete": bench.finished,
        "compared_with": reference,
        "variants": summarise(bench, reference),
        "runs": [_record(timed) for timed in bench.runs],
    }
    plain: dict[str, Any] = msgspec.to_builtins(made)
    return plain


def _record(timed: Timed) -> dict[str, Any]:
    """Return a run as data: its figures, without its texts."""
    run = timed.run
    counts = {"samples": run.samples, "tokens": run.tokens, "base_tokens": run.base_tokens}
    seconds = {"decode_seconds": run.decode_seconds, "runtime_seconds": run.runtime_seconds}
    which = {"variant": timed.variant, "round": timed.round, "prompt": timed.prompt, "seed": timed.seed}
    return {**which, **counts, **seconds, **{name: figure(run) for name, figure in FIGURES.items()}}
