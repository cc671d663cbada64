"""Several texts of one prompt: written together, told one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from baco_core.decode import Step
from baco_core.decoding import Decoding
from baco_core.events import Sample, TokenEvent
from baco_core.scheduler import Scheduler
from baco_core.writer import Writer


@dataclass(slots=True, eq=False)
class Text:
    """One text being written, and what of it has not been told yet."""

    decoding: Decoding
    writer: Writer
    untold: deque[TokenEvent | Sample] = field(default_factory=deque)

    def write(self, step: Step) -> bool:
        """Take one step; return whether the text is finished."""
        event = self.writer.write(step)
        self.untold.append(event)
        if event.finish_reason is None:
            return False
        self.untold.append(self.writer.sample(self.decoding.draft.drafted, self.decoding.draft.accepted))
        return True


class Samples:
    """Writes `n` texts, at most `batch` at once."""

    def __init__(self, scheduler: Scheduler, begin: Callable[[int], Text], n: int, batch: int) -> None:
        self._scheduler = scheduler
        self._begin = begin
        self._n = n
        self._batch = batch
        self._untold: deque[Text] = deque()
        self._writing: dict[int, Text] = {}  # by id of the decoding
        self._begun = 0

    def items(self) -> Iterator[TokenEvent | Sample]:
        """Yield the events of text 0 as they come, then Sample 0, then what there is of text 1, and so on."""
        self._fill()
        while self._untold:
            yield from self._tell()
            if self._writing:
                self._write()
                self._fill()

    def _fill(self) -> None:
        while self._begun < self._n and len(self._writing) < self._batch:
            text = self._begin(self._begun)
            self._begun += 1
            self._untold.append(text)
            self._writing[id(text.decoding)] = text
            self._scheduler.add(text.decoding)

    def _write(self) -> None:
        for decoding, step in self._scheduler.run():
            text = self._writing.get(id(decoding))  # None once it has reached a stop string
            if text is not None and text.write(step):
                del self._writing[id(decoding)]
                self._scheduler.drop(decoding)

    def _tell(self) -> Iterator[TokenEvent | Sample]:
        while self._untold and self._untold[0].untold:
            item = self._untold[0].untold.popleft()
            if isinstance(item, Sample):
                self._untold.popleft()
            yield item
