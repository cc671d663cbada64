"""What a measurement is made of: prompts, generations and scores, as they lie in files.

A sweep's folder holds `manifest.json`, `generations.jsonl` (a Generation a line) and
`scores/METRIC.jsonl` (a Score a line). Lines are appended and never changed.
"""

from __future__ import annotations

from typing import Any

import msgspec

FORMAT = 1


class Prompt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One prompt of a task. `id` is unique in the task; `paraphrases` say the same in other words."""

    id: str
    text: str
    category: str = ""
    paraphrases: tuple[str, ...] = ()


class Setting(msgspec.Struct, frozen=True, omit_defaults=True):
    """One method with one value of its knobs; `id` names the values, such as `gamma=0.3`.

    A control `matches` another setting (method, id): it is random, at the base share of that one's texts.
    """

    method: str
    id: str
    options: dict[str, Any] = {}
    matches: tuple[str, str] | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What tells settings apart."""
        return self.method, self.id


class Generation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One text. It depends on the pair, the prompt, the seed, `index` and the setting, and on nothing else.

    `pieces` are runs of text by one source, in order; their texts joined are `text`.
    """

    method: str
    setting: str
    prompt: str
    index: int
    text: str
    finish_reason: str
    tokens: int
    base_tokens: int
    pieces: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What no two lines share."""
        return self.method, self.setting, self.prompt, self.index

    @property
    def base_share(self) -> float:
        """Fraction of the tokens that the base model wrote; 0 for an empty text."""
        return self.base_tokens / self.tokens if self.tokens else 0.0

    @property
    def switches(self) -> int:
        """How often the source changes."""
        return max(0, len(self.pieces) - 1)


class Score(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a metric gives the generations of one prompt under one setting."""

    metric: str
    method: str
    setting: str
    prompt: str
    value: float | None
    not_measured: str = ""
    """Why there is no value."""
