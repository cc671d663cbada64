"""The desk of one pair: requests come in from any thread, one thread writes their texts.

**What is promised.** Each text depends on the pair, the prompt, its config and its index alone, never on
company, order or time: it is what `Pipeline.generate` writes. A request that fails fails alone. Of what is
told of a request exactly one `Finished` or `Failed` comes, and comes last.

**Schedules.** One scheduler serves all requests, so that texts with different routers and schedules
share their passes. A request may ask for `plain`, `lazy` or `speculative`, which says what is read for
its texts and never what is written; what `auto` does is told in `desk_schedule`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from baco_core.config import Config
from baco_core.errors import InternalError
from baco_core.events import Sample, TokenEvent
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins
from baco_core.prefixes import PrefixCache
from baco_core.prompts import TokenIds
from baco_server.desk_asks import Ask, DeskLimits
from baco_server.desk_figures import Counts, DeskFigures, Histogram
from baco_server.desk_orders import Job, Order, Tell
from baco_server.desk_pipelines import Pipelines
from baco_server.desk_schedule import schedule_of
from baco_server.desk_shift import Shift
from baco_server.desk_told import ClosingError, Failed, Finished, PromptScores, QueueFullError, Told

__all__ = [
    "Ask",
    "ClosingError",
    "Desk",
    "DeskFigures",
    "DeskLimits",
    "Failed",
    "Finished",
    "Histogram",
    "Job",
    "PromptScores",
    "QueueFullError",
    "Sample",
    "TokenEvent",
    "TokenIds",
    "Told",
]

_LOGGER = logging.getLogger(__name__)
IDLE = 2.0
"""Seconds without a request after which memory is given back."""
GRACE = 30.0
"""Seconds that a pass under way may take when everything else has ended."""


class Desk:
    """Writes the texts of one pair. Its methods may be called from any thread."""

    def __init__(
        self, pipeline: Pipeline, limits: DeskLimits, told: Callable[[], None] = lambda: None
    ) -> None:
        """Take a pipeline whose pair was opened for `limits.texts` texts: `Desk.open` does both.

        `told` is called on the desk's thread when much has been told, before it may have to wait.
        """
        self._pipeline = replace(pipeline, kept=PrefixCache(tokens=limits.context_tokens))
        self._limits = limits
        self._told = told
        self._pipelines = Pipelines(self._pipeline)
        self._counts = Counts(pipeline.pair)
        self._shift = Shift(self._pipeline, limits.texts, self._counts)
        self._thread = threading.Thread(target=self._work, name="baco-desk", daemon=True)
        self._changed = threading.Condition()  # guards what follows
        self._arrivals: deque[Order] = deque()
        self._coming = 0  # requests that are being looked at before they arrive
        self._closing_at: float | None = None
        self._broken: BaseException | None = None

    @classmethod
    def open(
        cls, config: Config, plugins: Plugins, limits: DeskLimits, told: Callable[[], None] = lambda: None
    ) -> Desk:
        """Open the pair of a config for so many texts, and return its desk; raises BacoError."""
        return cls(Pipeline.from_config(config, plugins, limits.texts), limits, told)

    @property
    def pipeline(self) -> Pipeline:
        """The pair, with the router and all else of its own config."""
        return self._pipeline

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, ask: Ask, tell: Tell) -> Job:
        """Take on a request. `tell` is called on the desk's thread, and must not block.

        Raises at once, before any model runs: QueueFullError, ClosingError, InternalError when the desk
        broke, and for what is wrong with the request ConfigError, LookUpError, PromptError or ContextError.
        """
        came = time.monotonic()
        with self._changed:
            self._check_open()
            self._coming += 1
        try:
            order = self._order(ask, tell, came)
        finally:
            with self._changed:
                self._coming -= 1
        with self._changed:
            self._check_open(full=False)
            self._arrivals.append(order)
            self._changed.notify()
        return order.job

    def figures(self) -> DeskFigures:
        """Return how the desk stands."""
        counts, orders = self._counts, list(self._shift.rota)
        begun = [order for order in orders if not order.untouched]
        return DeskFigures(
            alive=self._thread.is_alive() and self._closing_at is None and self._broken is None,
            queued=len(self._arrivals) + len(orders) - len(begun),
            requests_in_hand=len(begun),
            texts=sum(order.places for order in orders),
            paused=sum(len(order.paused) for order in orders),
            prompt_tokens_read=counts.prompt_tokens_read,
            prompt_tokens_reused=counts.prompt_tokens_reused,
            tokens=dict(counts.tokens),
            passes=counts.passes(),
            requests=dict(counts.requests),
            first_token=counts.first_token.histogram(),
            token=counts.token.histogram(),
            request=counts.request.histogram(),
        )

    def close(self, drain: float) -> None:
        """Refuse new requests, finish what there is within `drain` seconds, then end the rest.

        Requests that were begun by then are told as they stand, the others fail with ClosingError. May be
        called again, to end sooner. Returns when the thread has ended.
        """
        end = time.monotonic() + drain
        with self._changed:
            self._closing_at = min(end, self._closing_at or end)
            self._changed.notify()
        if self._thread.ident is None:
            self._end_all()
        else:
            self._thread.join(drain + GRACE)

    def _check_open(self, *, full: bool = True) -> None:
        if self._broken is not None:
            raise InternalError(f"the thread that writes has ended: {self._broken}; start the server anew.")
        if self._closing_at is not None:
            raise ClosingError("the server is closing, so it takes no more requests.")
        waiting = self._coming + len(self._arrivals) + self._shift.rota.untouched
        if full and waiting >= self._limits.requests:
            self._counts.requests["refused"] += 1
            message = f"{waiting} requests wait already, as many as may; try again later."
            raise QueueFullError(message, self._counts.seconds_until(waiting, self._limits.texts))

    def _order(self, ask: Ask, tell: Tell, came: float) -> Order:
        pipeline = self._pipelines.get(ask.config)
        reading, schedule = pipeline.read(ask.prompt), schedule_of(pipeline)
        return Order(ask, pipeline, reading, schedule, tell, came)

    def _work(self) -> None:
        try:
            while self._wait_for_work():
                self._look_after()
                self._told()
                self._shift.turn()
                self._told()
        except BaseException as error:
            _LOGGER.exception("the desk broke")
            self._broken = error
        finally:
            self._end_all()

    def _wait_for_work(self) -> bool:
        """Take in what has arrived, waiting for it when there is nothing to do; return False at the end."""
        with self._changed:
            patience: float | None = IDLE
            while not self._arrivals and not len(self._shift.rota) and self._closing_at is None:
                if not self._changed.wait(patience):
                    self._shift.rest()
                    patience = None  # once is enough
            while self._arrivals:
                self._shift.rota.add(self._arrivals.popleft())
            return len(self._shift.rota) > 0

    def _look_after(self) -> None:
        """End what was cancelled, is due, or has outlasted the desk."""
        now = time.monotonic()
        closed = self._closing_at is not None and now >= self._closing_at
        for order in self._shift.rota:
            if order.job.cancelled:
                self._shift.end(order, "cancelled")
            elif order.is_due(now):
                self._shift.end(order, "deadline")
            elif closed:
                self._close(order)

    def _close(self, order: Order) -> None:
        if self._broken is not None:
            self._shift.fail(order, InternalError(f"the thread that writes has ended: {self._broken}"))
        elif order.untouched:
            self._shift.fail(order, ClosingError("the server closed before it came to this request."))
        else:
            self._shift.end(order, "closed")

    def _end_all(self) -> None:
        with self._changed:
            self._closing_at = self._closing_at or time.monotonic()
            while self._arrivals:
                self._shift.rota.add(self._arrivals.popleft())
        for order in self._shift.rota:
            self._close(order)
        self._told()
        self._shift.close()
