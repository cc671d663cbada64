"""What a task plugin implements (hook `register_tasks`), and what tells two tasks apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Protocol, runtime_checkable

import msgspec

from baco_eval.records import Prompt

Limit = Annotated[
    int | None, msgspec.Meta(ge=1, description="How many prompts to take, from the first; left out, all.")
]


@runtime_checkable
class Task(Protocol):
    """A frozen recipe for prompts: a frozen dataclass whose fields are its options."""

    def prompts(self) -> tuple[Prompt, ...]:
        """Return the prompts, at least one, ids unique; ConfigError for data that cannot be used."""


def fingerprint(prompts: Sequence[Prompt]) -> str:
    """Return the SHA-256 of prompts, in hex: equal for equal prompts in equal order."""
    return hashlib.sha256(msgspec.json.encode(prompts)).hexdigest()
