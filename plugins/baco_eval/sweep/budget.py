"""Where a sweep stops before all of its texts are written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec

from baco_eval.records import Generation

HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class BudgetConfig:
    """Limits; the first that is reached stops the sweep. It is not part of what a sweep is: raise it at will.

    Hours are those of one run. Texts and tokens are those of the whole folder, so that they mean the same
    however often the sweep is interrupted.
    """

    hours: Annotated[float | None, msgspec.Meta(description="How long one run may write, about.", gt=0)] = (
        None
    )
    texts: Annotated[int | None, msgspec.Meta(description="How many texts there may be.", ge=1)] = None
    tokens: Annotated[
        int | None, msgspec.Meta(description="At how many tokens of all texts to stop.", ge=1)
    ] = None


class Budget:
    """Counts what is used of it. A limit is looked at when a text is finished."""

    def __init__(
        self,
        config: BudgetConfig,
        there: Iterable[Generation],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Count the texts that are `there`; the time begins now."""
        self._config = config
        self._clock = clock
        self._begun = clock()
        self._texts = self._tokens = 0
        for text in there:
            self.count(text)

    def count(self, text: Generation) -> None:
        """Count a text that was finished."""
        self._texts += 1
        self._tokens += text.tokens

    def spent(self) -> str:
        """Return the limit that is reached, such as `budget.texts=5000`; nothing when there is none."""
        hours = (self._clock() - self._begun) / HOUR_S
        for name, used in (("texts", self._texts), ("tokens", self._tokens), ("hours", hours)):
            limit = getattr(self._config, name)
            if limit is not None and used >= limit:
                return f"budget.{name}={limit:g}" if name == "hours" else f"budget.{name}={limit}"
        return ""
