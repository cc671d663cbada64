"""One text in the making: the loop, what it waits for, and what may be read ahead for it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from baco_core.aside import aside
from baco_core.decode import Lanes, Rules, Step, Wanted, decode
from baco_core.draft import Draft
from baco_core.exchange import SharedTokens
from baco_core.lane import Lane, Reading
from baco_core.model import Model
from baco_core.pick import Picker
from baco_core.router import Decider
from baco_core.rows import Logits, log_normaliser
from baco_core.source import Source

SURE = -1.6
"""ln p of a likeliest token below which its author is too unsure for a guess to be worth reading."""

FADING = 0.2
"""Weight of the last token in the share of each author."""

RECENT = 24
"""A model that neither wrote one of so many last tokens nor is looked at by the router stays idle."""


class Decoding:
    """Runs one `decode` loop, and answers what its lanes should read."""

    def __init__(self, lanes: Lanes, decider: Decider, picker: Picker, rules: Rules) -> None:
        self.lanes = lanes
        self.draft = Draft()
        self.wanted: frozenset[Source] = frozenset()
        """Whose rows the loop waits for; nobody's before it begins and after its end."""
        self.ended = False
        self.deciding: Future[Any] | None = None
        """Done when a blocking decider has answered, and the loop has got as far as it can."""
        self._loop = decode(lanes, decider, picker, rules)
        self._picker = picker
        self._rules = rules
        self._position = 0
        self._aligned_share = 0.5
        self._spoke = dict.fromkeys(Source, -1)  # both contexts are read at once
        self.one_model = lanes[Source.BASE].prefix.model is lanes[Source.ALIGNED].prefix.model
        self._shared = isinstance(lanes[Source.BASE].transcript, SharedTokens)

    def advance(self) -> list[Step]:
        """Go on as far as the rows that are there allow; return what was written.

        Where the decider is `blocking` this begins a thread and returns nothing until that has got so far.
        """
        waits = self.wanted and not any(self.lanes[source].ready for source in self.wanted)
        if self.ended or waits:
            return []
        return self._aside() if self._rules.blocking else self._settle(*self._go_on())

    def _aside(self) -> list[Step]:
        if self.deciding is None:
            self.deciding = Future()  # before the thread is: an interrupt while that begins finds it
            self.wanted = frozenset()  # nobody reads for it meanwhile
            aside(self._go_on, self.deciding, "baco-router")
        if not self.deciding.done():
            return []
        decided, self.deciding = self.deciding, None
        return self._settle(*decided.result()) or self.advance()  # what it waits for may have come meanwhile

    def _go_on(self) -> tuple[list[Step], frozenset[Source] | None]:
        """Run the loop; return what it wrote, and what it waits for, None at its end."""
        steps: list[Step] = []
        for item in self._loop:
            if isinstance(item, Wanted):
                return steps, item.sources
            self._note(item)
            steps.append(item)
        return steps, None

    def _settle(self, steps: list[Step], wanted: frozenset[Source] | None) -> list[Step]:
        self.ended, self.wanted = wanted is None, wanted or frozenset()
        return steps

    def waits_for(self, model: Model) -> bool:
        """Return whether a pass of this model would let the loop go on."""
        lanes = (self.lanes[source] for source in self.wanted)
        return any(lane.prefix.model is model and not lane.busy and not lane.ready for lane in lanes)

    def close(self) -> None:
        """End the text here; a decider that is being waited for is left to itself."""
        loop, deciding, self.deciding = self._loop, self.deciding, None
        if deciding is None:
            loop.close()
        else:
            deciding.add_done_callback(lambda _: loop.close())  # no ring: what was read goes with the text
        self.ended, self.wanted = True, frozenset()

    def demand(self, source: Source) -> Reading | None:
        """Return what a lane must read for the loop to go on, and no more."""
        lane = self.lanes[source]
        return lane.reading(lane.transcript.tokens())

    def demand_ahead(self, source: Source) -> Reading | None:
        """Return the same together with what is guessed to follow, in one chunk."""
        return self.lanes[source].reading(self._with_draft(source))

    def along(self, source: Source) -> Reading | None:
        """Return what a lane nobody waits for may read in a pass that runs anyway."""
        return self.demand(source) if self._is_useful(source) else None

    @property
    def drafter(self) -> Source:
        """Who wrote most of the last words: what it would write next is the better guess."""
        return Source.ALIGNED if self._aligned_share >= 0.5 else Source.BASE

    def check(self, source: Source) -> Reading | None:
        """Return the text and what is guessed to follow, for a lane that may be waited for soon."""
        return self.demand_ahead(source) if self._is_useful(source) else None

    def may_guess(self, source: Source) -> bool:
        """Return whether `guess` would go on."""
        lane = self.lanes[source]
        if lane.busy or not self._is_useful(source):
            return False
        draft = self.draft.by(source)
        unread = lane.row_after(self._with_draft(source)) is None
        return unread or not (draft.closed or len(draft.token_ids) >= draft.limit)

    def guess(self, source: Source) -> Reading | None:
        """Return what a lane nobody waits for may read ahead: the text, then its own guesses."""
        lane = self.lanes[source]
        if lane.busy or not self._is_useful(source):
            return None
        draft = self.draft.by(source)
        while (row := lane.row_after(target := self._with_draft(source))) is not None:
            if draft.closed or len(draft.token_ids) >= draft.limit:
                return None
            self._extend(draft, row, target)  # what it guesses may have been read before
        return lane.reading(target)

    def _extend(self, draft: Draft, row: Logits, target: Sequence[int]) -> None:
        """Guess one more token, unless its author is not sure or ends the text."""
        source = draft.author
        assert source is not None  # noqa: S101  (for the type checker: guess names the author)
        position = self._position + len(draft.token_ids)
        try:
            token_id = self._picker.pick(row, target, position, self._rules.banned.get(source, ()))
        except Exception:
            draft.closed = True  # no fault of the text, unless it comes to this: then the loop raises it
            return
        ends = token_id in self._rules.vocabularies[source].end_ids
        unsure = bool(draft.token_ids) and float(row.max()) - log_normaliser(row) < SURE
        draft.closed = ends or unsure or position + 1 >= self._rules.max_new_tokens
        if not draft.closed:
            draft.guess(token_id)

    def _with_draft(self, source: Source) -> list[int]:
        """Return the text and the draft in the tokens of one lane, as far as its context goes.

        Heard as text a draft may change the tokens of what comes before it: then it is of no use yet.
        """
        lane = self.lanes[source]
        draft, tokens = self.draft, lane.transcript.tokens()
        if not draft.token_ids or draft.author is None:
            return tokens
        if draft.author is source:
            return lane.within_context([*tokens, *draft.token_ids])
        heard = lane.within_context(self._heard(lane, draft.author))
        return heard if heard[: len(tokens)] == tokens else tokens

    def _heard(self, lane: Lane, author: Source) -> list[int]:
        vocabulary = self._rules.vocabularies[author]
        transcript = lane.transcript.copy()
        token_ids = self.draft.token_ids if self._shared else self.draft.whole_words(vocabulary)
        for index, token_id in enumerate(token_ids):
            data = vocabulary.pieces[token_id]
            if self._position + index == 0 and author is Source.BASE:
                data = data.removeprefix(self._rules.lead)
            transcript.heard(token_id, data, begins_word=bool(vocabulary.begins_word[token_id]))
        return transcript.tokens()

    def _is_useful(self, source: Source) -> bool:
        """Return whether reading ahead may pay.

        To catch up later costs two views of one model a pass a token, but another model a chunk.
        """
        if source in self._rules.needs:
            return True
        recent = self.one_model or self._position - self._spoke[source] < RECENT
        return recent and source in self._rules.speakers

    def _note(self, step: Step) -> None:
        self._position = step.position + 1
        self._spoke[step.source] = step.position
        self._aligned_share += FADING * ((step.source is Source.ALIGNED) - self._aligned_share)
        self.draft.wrote(step.source, step.token_id, shared=self._shared)
