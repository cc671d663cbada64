"""What a metric is, and how it says that there is nothing to measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol, cast

from baco_core.errors import BacoError
from baco_eval.records import Generation, Prompt

Direction = Literal[-1, 0, 1]
"""1: larger is better; -1: smaller is better; 0: it describes, and neither is better."""
Group = Literal["lexical", "semantic", "quality", "other"]
Measured = Sequence[str] | Sequence[Generation]
"""All texts of one prompt under one setting, in order of their index."""


class NotMeasured(BacoError):  # noqa: N818 -- a finding more than a fault
    """There is no value, and the message says why; stored as such, never as a number."""


class Unavailable(NotMeasured):
    """No text at all has a value here: a model or a package is missing."""


class Metric(Protocol):
    """One number for all texts of a prompt under one setting: a frozen dataclass with options as fields.

    `range` holds the smallest and largest value there can be, for any number of texts; `needs` names the
    kind of model it runs, if any. Optional: `models() -> Mapping[str, str]`, which models it runs by
    option and hash (Unavailable when one is missing), so that scores by different ones are never mixed;
    `proxy_for`, the name of a metric that a report takes instead where it was measured.
    """

    direction: ClassVar[Direction]
    range: ClassVar[tuple[float, float]]
    formula: ClassVar[str]
    source: ClassVar[str]
    group: ClassVar[Group]
    needs: ClassVar[str | None]

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the value, finite and within `range`; NotMeasured where there is none."""


def texts_of(measured: Measured) -> list[str]:
    """Return the texts themselves."""
    return [item if isinstance(item, str) else item.text for item in measured]


def generations_of(measured: Measured) -> list[Generation]:
    """Return the generations; NotMeasured when there are bare texts, or none."""
    if not measured:
        raise NotMeasured("there is no text.")
    if any(isinstance(item, str) for item in measured):
        raise NotMeasured("a bare text does not say which model wrote which token.")
    return list(cast("Sequence[Generation]", measured))


def some_texts(measured: Measured, least: int = 1) -> list[str]:
    """Return the texts; NotMeasured when fewer than `least`, or when none has a character to be seen."""
    texts = texts_of(measured)
    if len(texts) < least:
        had = f"{len(texts)} text" + ("s" if len(texts) != 1 else "")
        raise NotMeasured(f"{had} of this prompt; at least {least} are compared with one another.")
    if not any(text.strip() for text in texts):
        raise NotMeasured("every text is empty.")
    return texts
