"""What the thread of a desk does: it begins texts, goes on with them, tells of them and ends them."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from baco_core.decode import Step
from baco_core.engine import Engine, Inline, Threads
from baco_core.errors import ModelError
from baco_core.events import Sample, TokenEvent
from baco_core.model import Releasing
from baco_core.pipeline import Pipeline
from baco_core.plan import make_plan
from baco_core.scheduler import Reader, Scheduler
from baco_core.schedules import lazy
from baco_core.scoring import Scoring
from baco_core.source import Source
from baco_server.desk_figures import Counts
from baco_server.desk_orders import Order, Writing
from baco_server.desk_rota import Rota
from baco_server.desk_told import Ended, Failed, Finished, Told

_LOGGER = logging.getLogger(__name__)


class Shift:
    """All requests of one pair that are in hand. Used by one thread; figures may be read by any.

    One scheduler serves requests with all routers and schedules, so that whatever they have to read goes into
    the same passes. Each text brings its own schedule.
    """

    def __init__(self, pipeline: Pipeline, places: int, counts: Counts) -> None:
        self.rota = Rota(places)
        self._counts = counts
        self._pipeline = pipeline
        self._scheduler = Scheduler(pipeline.pair.models, lazy, _engine(pipeline), self._lost)
        self._readers: dict[Reader, Writing | Order] = {}
        self._failures: list[tuple[Order, Exception]] = []

    def turn(self) -> None:
        """Give out the places, run a pass, and tell what was written."""
        self._seat()
        if self._scheduler.busy:
            now = time.monotonic
            for reader, step in self._scheduler.turn():
                writing = self._readers.get(reader)
                if isinstance(writing, Writing):  # else it has reached a stop string
                    self._write(writing, step, now())
        self._look_after_scores()
        self._look_after_failures()

    def end(self, order: Order, ended: Ended) -> None:
        """End a request where it is. Unless it was cancelled each of its texts is told as it stands."""
        samples = order.cut() if ended in ("deadline", "closed") else []
        self._leave(order)
        try:
            for sample in samples:
                self._show(order, sample)
        except Exception as error:
            self._finish(order, Failed(error))
        else:
            self._finish(order, Finished(ended))

    def fail(self, order: Order, error: Exception) -> None:
        """End a request for good, with the reason."""
        self._leave(order)
        self._finish(order, Failed(error))

    def rest(self) -> None:
        """Give back what only many texts needed: nothing is in hand."""
        for model in self._pipeline.pair.models:
            if isinstance(model, Releasing):
                model.release()

    def close(self) -> None:
        """Let go of threads and of all that was read."""
        self._scheduler.close()
        if self._pipeline.kept is not None:
            self._pipeline.kept.clear()

    def _seat(self) -> None:
        while (order := self.rota.next()) is not None:
            self._begin(order)
        while (change := self.rota.change()) is not None:
            rich, poor = change
            self._pause(rich)
            self._begin(poor)

    def _begin(self, order: Order) -> None:
        """Let a request go on with a text that was paused, with its scores, or with its next text."""
        try:
            if order.paused:
                self._go_on(order.paused.popleft())
            elif order.scored:
                text = order.pipeline.text(order.begun, order.reading, order.ask.top)
                order.begun += 1
                self._go_on(Writing(order, text))
            else:
                self._score(order)
        except Exception as error:
            self.fail(order, error)

    def _go_on(self, writing: Writing) -> None:
        writing.order.writing.append(writing)
        self._readers[writing.text.decoding] = writing
        self._scheduler.add(writing.text.decoding, writing.order.schedule)

    def _score(self, order: Order) -> None:
        model = self._pipeline.pair.members[Source.ALIGNED].model
        order.scoring = Scoring(model, order.reading.contexts[Source.ALIGNED], order.ask.score or 0)
        self._readers[order.scoring] = order
        self._scheduler.read_for(order.scoring, order.scoring.wants)

    def _pause(self, order: Order) -> None:
        writing = order.writing.pop()
        order.paused.append(writing)
        self._scheduler.pause(writing.text.decoding)

    def _write(self, writing: Writing, step: Step, now: float) -> None:
        """Add a step to a text, and tell what it says."""
        order = writing.order
        try:
            if writing.text.write(step):
                order.writing.remove(writing)
                self._drop(writing.text.decoding)
            self._count(writing, now)
            while writing.text.untold:
                self._show(order, writing.text.untold.popleft())
        except Exception as error:
            self.fail(order, error)
        else:
            self._finish_if_complete(order)

    def _show(self, order: Order, item: TokenEvent | Sample) -> None:
        """Show an item to the observers, whose errors are the request's, and tell it."""
        if isinstance(item, Sample):
            order.pipeline.plugins.hook.on_finish(item)
        else:
            self._counts.tokens[item.source.value] += 1
            order.pipeline.plugins.hook.on_token(item)
        self._tell(order, item)

    def _tell(self, order: Order, item: Told) -> None:
        if order.job.cancelled and not isinstance(item, Finished | Failed):
            return
        try:
            order.tell(item)
        except Exception:  # nobody listens any more
            _LOGGER.exception("a listener raised; its request is cancelled")
            order.job.cancelled = True

    def _count(self, writing: Writing, now: float) -> None:
        if writing.told_at is not None:
            self._counts.token.add(now - writing.told_at)
        elif not writing.order.first_told:
            writing.order.first_told = True
            self._counts.first_token.add(now - writing.order.came)
        writing.told_at = now

    def _look_after_scores(self) -> None:
        for order in self.rota:
            scoring = order.scoring
            if scoring is not None and scoring.ended:
                self._drop(scoring)
                order.scoring, order.scored = None, True
                self._tell(order, order.scores(scoring))
                self._finish_if_complete(order)

    def _look_after_failures(self) -> None:
        """End requests whose texts failed. After a model's error what was read before is not trusted."""
        failures, self._failures = self._failures, []
        for order, error in failures:
            if isinstance(error, ModelError) and self._pipeline.kept is not None:
                self._pipeline.kept.clear()  # nor may it keep others from the memory they lack
            if order in self.rota:
                self.fail(order, error)

    def _lost(self, reader: Reader, error: Exception) -> None:
        found = self._readers.pop(reader, None)
        if found is not None:
            self._failures.append((found.order if isinstance(found, Writing) else found, error))

    def _finish_if_complete(self, order: Order) -> None:
        if order.complete:
            self._leave(order)
            self._finish(order, Finished())

    def _leave(self, order: Order) -> None:
        """Take a request from the desk, with all that was begun of it."""
        self.rota.remove(order)
        readers: list[Reader] = [one.text.decoding for one in (*order.writing, *order.paused)]
        for reader in [*readers, *([order.scoring] if order.scoring else [])]:
            self._drop(reader)
        order.writing.clear()
        order.paused.clear()
        order.scoring = None

    def _drop(self, reader: Reader) -> None:
        self._readers.pop(reader, None)
        self._scheduler.drop(reader)

    def _finish(self, order: Order, last: Finished | Failed) -> None:
        if order.job.cancelled and isinstance(last, Finished):
            last = Finished("cancelled")  # something may not have been told
        self._counts.requests["failed" if isinstance(last, Failed) else last.ended] += 1
        self._counts.request.add(time.monotonic() - order.came)
        for prefix in order.reading.prefixes.values():
            self._counts.prompt_tokens_read += prefix.length - prefix.begun
            self._counts.prompt_tokens_reused += prefix.begun
        order.job.settle()
        self._tell(order, last)


def _engine(pipeline: Pipeline) -> Engine:
    """Return where passes run: as for one text, whatever router the pair's own config names."""
    plan = make_plan(replace(pipeline.decode, schedule="auto"), pipeline.pair)
    return Threads() if plan.concurrent else Inline(together=plan.name != "plain")
