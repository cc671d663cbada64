"""The decode loop: two lanes, a router, a picker. It knows neither text files, YAML nor runtimes.

This is the reference semantics (DESIGN 3), and there is no other: every schedule runs this loop.
Where it needs a row that is not there it says so and waits; who reads what, when, ahead or in which
company is a schedule's business (see `schedules`) and cannot change what is written.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from baco_core.errors import PluginError
from baco_core.lane import Lane
from baco_core.pick import Picker
from baco_core.router import Decider, Decision, DecisionPoint
from baco_core.rows import Logits, largest
from baco_core.source import Source
from baco_core.vocabulary import Vocabulary

Lanes = Mapping[Source, Lane]


@dataclass(frozen=True, slots=True)
class Rules:
    """What governs one generation besides router and sampler.

    `needs` are the sources whose rows the decider sees; `banned` the ids a source must not pick
    (the base's end tokens, when only the aligned model may end).
    """

    needs: frozenset[Source]
    vocabularies: Mapping[Source, Vocabulary]
    banned: Mapping[Source, Sequence[int]]
    max_new_tokens: int
    switch_everywhere: bool = False
    watched: bool = False
    """Whether both models' rows are wanted at every position, for a trace."""
    speakers: frozenset[Source] = frozenset(Source)
    """Who may ever be chosen."""
    lead: bytes = b""
    """What the base context left to the first word: no part of the text when base writes first."""
    router: str = "router"
    """How an error message calls the router."""
    blocking: bool = False
    """Whether the decider waits for something outside, so that other texts should not wait for it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The loop waits until the rows of these sources are there."""

    sources: frozenset[Source]


@dataclass(frozen=True, slots=True)
class Step:
    """One written token, before it becomes text. `row` is the speaker's row it was picked from."""

    position: int
    token_id: int
    source: Source
    data: bytes
    """What the token adds to the text."""
    row: Logits
    decision: Decision | None
    ended: bool
    """Whether this is the speaker's end token."""
    full: bool
    """Whether nothing may follow: a context or the number of tokens is used up."""
    rows: Mapping[Source, Logits] = field(default_factory=dict)
    """Both models' rows before the token, when the rules say they are watched."""


def decode(
    lanes: Lanes, decider: Decider, picker: Picker, rules: Rules
) -> Generator[Step | Wanted, None, None]:
    """Yield one Step a token until an end token, a full context or `rules.max_new_tokens`.

    In between yields what it waits for; it is to be resumed once those rows are there.
    """
    written = bytearray()
    speaker: Source | None = None
    for position in range(rules.max_new_tokens):
        if rules.watched:
            yield from _await(lanes, lanes)
        # 1. inside a word the speaker goes on
        decision = None
        token_id = None
        if speaker is not None and not rules.switch_everywhere:
            yield from _await(lanes, [speaker])
            token_id = _pick(lanes, picker, rules, speaker, position)
        # 2. where its pick begins a new word, the router says who speaks
        if speaker is None or token_id is None or rules.vocabularies[speaker].begins_word[token_id]:
            yield from _await(lanes, rules.needs)
            decision = _decide(lanes, decider, rules, position, bytes(written), speaker)
            if decision.source is not speaker or token_id is None or decision.row is not None:
                speaker = decision.source
                yield from _await(lanes, [speaker])
                token_id = _pick(lanes, picker, rules, speaker, position, decision.row)
        # 3. its pick is written, and every lane takes note
        row = _row(lanes, speaker, decision)
        rows = {source: lane.row() for source, lane in lanes.items()} if rules.watched else {}
        data = _adds(rules, speaker, token_id, position)
        _note(lanes, rules, speaker, token_id, data)
        written += data
        ended = token_id in rules.vocabularies[speaker].end_ids
        full = position + 1 == rules.max_new_tokens or any(lane.full for lane in lanes.values())
        yield Step(position, token_id, speaker, data, row, decision, ended, full, rows)
        if ended or full:
            return


def _await(lanes: Lanes, sources: Iterable[Source]) -> Generator[Wanted, None, None]:
    while missing := frozenset(source for source in sources if not lanes[source].ready):
        yield Wanted(missing)


def _pick(
    lanes: Lanes, picker: Picker, rules: Rules, source: Source, position: int, blend: Logits | None = None
) -> int:
    lane = lanes[source]
    row = lane.row() if blend is None else blend
    return picker.pick(row, lane.transcript.tokens(), position, rules.banned.get(source, ()))


def _row(lanes: Lanes, speaker: Source, decision: Decision | None) -> Logits:
    """Return the row the token was picked from."""
    return lanes[speaker].row() if decision is None or decision.row is None else decision.row


def _decide(
    lanes: Lanes, decider: Decider, rules: Rules, position: int, written: bytes, speaker: Source | None
) -> Decision:
    rows = {source: lanes[source].row() for source in rules.needs}
    point = DecisionPoint(position, written.decode("utf-8", errors="replace"), rows, speaker)
    decision = decider.decide(point)
    if not isinstance(decision, Decision) or not isinstance(decision.source, Source):
        raise PluginError(
            f"{rules.router} answered {decision!r} at position {position}, not a Decision for a Source."
        )
    if decision.row is not None:
        _check_blend(decision.row, rules.vocabularies[decision.source].size, rules.router, position)
    return decision


def _check_blend(row: Logits, size: int, router: str, position: int) -> None:
    if row.shape != (size,) or row.dtype != np.float32 or not math.isfinite(largest(row)):
        raise PluginError(
            f"{router} answered a row at position {position} that is no distribution over {size} tokens: it "
            f"must be float32 of shape ({size},), its largest value finite."
        )


def _adds(rules: Rules, speaker: Source, token_id: int, position: int) -> bytes:
    """Return the bytes a token adds to the text."""
    piece = rules.vocabularies[speaker].pieces[token_id]
    return piece.removeprefix(rules.lead) if position == 0 and speaker is Source.BASE else piece


def _note(lanes: Lanes, rules: Rules, speaker: Source, token_id: int, data: bytes) -> None:
    """Tell both lanes what was written."""
    begins_word = bool(rules.vocabularies[speaker].begins_word[token_id])
    lanes[speaker].transcript.wrote(token_id)
    lanes[speaker.other].transcript.heard(token_id, data, begins_word=begins_word)
