"""From answers to numbers: means, preferences, agreement, correlations. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from baco_eval.annotate.agreement import Level, alpha, coincidences
from baco_eval.annotate.correlate import over_places, over_settings
from baco_eval.annotate.estimates import Estimate, Floats, estimate, estimates, together
from baco_eval.annotate.key import NO_PREFERENCE, SCALES, Key, SettingKey
from baco_eval.annotate.ratings import Rated
from baco_eval.intervals import RESAMPLES, resample
from baco_eval.report.measure import Measure

PREFERENCE = "preference"
JUDGEMENTS = (*SCALES, PREFERENCE)
LEVELS: dict[str, Level] = {**dict.fromkeys(SCALES, "ordinal"), PREFERENCE: "nominal"}
MARKS = 5
Place = tuple[SettingKey, str]
"""A setting and a prompt."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A judgement's mean over prompts: of a setting, or of all settings of a method (`setting` None).

    Preference is the share of comparisons that were won; none preferred is half a win for each.
    """

    judgement: str
    method: str
    setting: str | None
    found: Estimate
    prompts: int
    ratings: int


@dataclass(frozen=True, slots=True)
class Pair:
    """How often texts of `one` were preferred to those of `other`."""

    one: SettingKey
    other: SettingKey
    found: Estimate
    comparisons: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """Krippendorff's alpha of a judgement, and how many units had two raters or more."""

    judgement: str
    level: Level
    found: Estimate
    units: int


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's correlation of a judgement with a metric, over settings or settings and prompts."""

    judgement: str
    metric: str
    direction: int
    over: str
    found: Estimate


@dataclass(frozen=True)
class Scored:
    """All answers as tables of (settings, prompts), and the resamples that all intervals are made of."""

    settings: Sequence[SettingKey]
    prompts: Sequence[str]
    answers: Sequence[Rated]
    shares: Floats

    @cached_property
    def marks(self) -> dict[str, dict[Place, list[float]]]:
        """By judgement and place what raters gave."""
        found: dict[str, dict[Place, list[float]]] = {name: {} for name in JUDGEMENTS}
        for one in self.answers:
            for setting, marks in one.marks.items():
                for name in SCALES:
                    if (mark := getattr(marks, name)) is not None:
                        found[name].setdefault((setting, one.prompt), []).append(mark)
        for setting, _, prompt, won in self.duels:
            found[PREFERENCE].setdefault((setting, prompt), []).append(won)
        return found

    @cached_property
    def duels(self) -> list[tuple[SettingKey, SettingKey, str, float]]:
        """All comparisons from both sides: a setting, the other one, the prompt, and 1, 0.5 or 0."""
        return [(a, b, one.prompt, won) for one in self.answers for a, b, won in _duels(one)]

    def table(self, judgement: str) -> Floats:
        """Return the mean of a judgement at each place, shape (settings, prompts), NaN without any."""
        return self.filled({place: float(np.mean(x)) for place, x in self.marks[judgement].items()})

    def filled(self, values: Mapping[Place, float]) -> Floats:
        """Return values as a table, shape (settings, prompts)."""
        return np.array([[values.get((one, p), np.nan) for p in self.prompts] for one in self.settings])


def score(key: Key, answers: Sequence[Rated], resamples: int = RESAMPLES) -> Scored:
    """Return the answers of an export, ready for what follows; prompts are those with an answer."""
    prompts = sorted({one.prompt for one in answers})
    settings = [(one.method, one.id) for one in key.settings]
    return Scored(settings, prompts, answers, resample(len(prompts), resamples))


def _duels(one: Rated) -> Iterator[tuple[SettingKey, SettingKey, float]]:
    for a, b in combinations(one.marks, 2):
        if one.preferred == NO_PREFERENCE:
            yield from ((a, b, 0.5), (b, a, 0.5))
        elif one.preferred in (a, b):  # of two sets that were both passed over, nothing is known
            yield from ((a, b, float(one.preferred == a)), (b, a, float(one.preferred == b)))


def means(scored: Scored) -> list[Mean]:
    """Return the mean of each judgement of each setting, and of each method that has several."""
    methods: dict[str, list[int]] = {}
    for index, (method, _) in enumerate(scored.settings):
        methods.setdefault(method, []).append(index)
    rows = [(*one, [index]) for index, one in enumerate(scored.settings)]
    whole = [(method, None, own) for method, own in methods.items() if len(own) > 1]
    return [
        _mean(scored, name, method, setting, own)
        for name in JUDGEMENTS
        for method, setting, own in [*rows, *whole]
    ]


def _mean(scored: Scored, judgement: str, method: str, setting: str | None, own: Sequence[int]) -> Mean:
    table = together(scored.table(judgement)[own])
    members = {scored.settings[index] for index in own}
    count = sum(len(x) for (one, _), x in scored.marks[judgement].items() if one in members)
    [found] = estimates(table, scored.shares, "not rated")
    return Mean(judgement, method, setting, found, int(np.isfinite(table).sum()), count)


def pairs(scored: Scored) -> list[Pair]:
    """Return how often each setting was preferred to each other one that it met."""
    return [found for one, other in combinations(scored.settings, 2) if (found := _pair(scored, one, other))]


def _pair(scored: Scored, one: SettingKey, other: SettingKey) -> Pair | None:
    won: dict[str, list[float]] = {}
    for a, b, prompt, value in scored.duels:
        if (a, b) == (one, other):
            won.setdefault(prompt, []).append(value)
    if not won:
        return None
    return Pair(one, other, _by_prompt(scored, won), sum(map(len, won.values())))


def left_preferred(scored: Scored) -> Estimate:
    """Return how often set A was preferred, where one was: by chance one in as many sets as there are."""
    found: dict[str, list[float]] = {}
    for one in scored.answers:
        if one.preferred not in (None, NO_PREFERENCE):
            found.setdefault(one.prompt, []).append(float(one.preferred == one.left))
    return _by_prompt(scored, found)


def _by_prompt(scored: Scored, values: Mapping[str, Sequence[float]]) -> Estimate:
    row = [float(np.mean(values[prompt])) if prompt in values else np.nan for prompt in scored.prompts]
    return estimates(np.array([row]), scored.shares, "no preference was given")[0]


def agreement(scored: Scored) -> list[Agreement]:
    """Return alpha of each judgement: ordinal for scales, nominal for preference.

    A unit of a scale is a set of an item, a unit of preference an item.
    """
    return [_agreement(scored, name) for name in JUDGEMENTS]


def _agreement(scored: Scored, judgement: str) -> Agreement:
    units = _units(scored, judgement)
    shared = sum(len(values) > 1 for by_unit in units.values() for values in by_unit.values())
    count = len(scored.settings) + 1 if judgement == PREFERENCE else MARKS
    met = np.stack([coincidences(units.get(p, {}).values(), count) for p in scored.prompts])
    raters = len({one.rater for one in scored.answers})
    why = (
        "one rater; agreement takes two"
        if raters < 2
        else "no two raters answered the same question"
        if not shared
        else "all answers are the same"
    )
    level = LEVELS[judgement]
    samples = alpha(np.tensordot(scored.shares * len(scored.prompts), met, axes=1), level)
    value = float(alpha(met.sum(axis=0), level))
    prompts = int((met.sum(axis=(1, 2)) > 0).sum())
    return Agreement(judgement, level, estimate(value, samples, prompts, why), shared)


def _units(scored: Scored, judgement: str) -> dict[str, dict[object, list[int]]]:
    """Return by prompt and unit the values that raters gave."""
    codes = {one: code for code, one in enumerate(scored.settings)}
    found: dict[str, dict[object, list[int]]] = {}
    for one in scored.answers:
        own = found.setdefault(one.prompt, {})
        if judgement == PREFERENCE:
            if one.preferred is not None:
                code = len(codes) if isinstance(one.preferred, str) else codes[one.preferred]
                own.setdefault(one.item, []).append(code)
            continue
        for setting, marks in one.marks.items():
            if (mark := getattr(marks, judgement)) is not None:
                own.setdefault((one.item, setting), []).append(mark - 1)
    return found


def correlations(scored: Scored, measures: Iterable[Measure]) -> list[Correlation]:
    """Return the correlation of each judgement with each metric, over settings and over places."""
    counts = np.rint(scored.shares * len(scored.prompts)).astype(int)
    drawn = np.stack([np.repeat(np.arange(len(scored.prompts)), row) for row in counts])
    ways: dict[str, Callable[[Floats, Floats], Estimate]] = {
        "settings": lambda rated, measured: over_settings(rated, measured, scored.shares),
        "settings and prompts": lambda rated, measured: over_places(rated, measured, drawn),
    }
    return [
        Correlation(name, one.name, one.direction, over, correlate(scored.table(name), measured))
        for one in measures
        for measured in [_measured(scored, one)]
        for over, correlate in ways.items()
        for name in JUDGEMENTS
    ]


def _measured(scored: Scored, measure: Measure) -> Floats:
    values = measure.values
    return scored.filled(
        {(one, prompt): value for one in scored.settings for prompt, value in values.get(one, {}).items()}
    )
