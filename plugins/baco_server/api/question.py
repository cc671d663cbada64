"""One request being answered, and what both ways of answering tell of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from baco_core.config import Config, config_data
from baco_core.defaults import filled_part
from baco_core.events import Sample
from baco_core.source import Source
from baco_server.api.listening import Listening
from baco_server.api.pairs import ServedPair
from baco_server.api.tokens import Names, optional
from baco_server.edge.record import Record

Json = dict[str, Any]


@dataclass(slots=True, eq=False)
class Question:
    """A request on its way: what was asked, whom we listen to, and what its answer begins with."""

    prefix: str
    """Of its id: chatcmpl or cmpl."""
    model: str
    pair: ServedPair
    config: Config
    names: Names
    listening: Listening
    record: Record
    keep_alive: float
    likely: int | None = None
    """How many likely tokens each token tells of; None where no logprobs are asked for."""
    trace: bool = False
    include_usage: bool = False
    id: str = ""
    created: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        """Draw an id."""
        self.id = f"{self.prefix}-{secrets.token_hex(12)}"

    @property
    def n(self) -> int:
        """How many texts of each prompt."""
        return self.config.decode.n

    def head(self, kind: str) -> Json:
        """Return what every answer and every chunk begins with."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.pair.fingerprint,
        }

    def usage(self, samples: Sequence[Sample]) -> Json:
        """Return the token counts of finished texts, and note them for the log."""
        jobs = self.listening.jobs
        prompt = sum(job.prompt_tokens for job in jobs)
        cached = sum(min(job.cached_tokens, job.prompt_tokens) for job in jobs)
        written = sum(sample.usage.completion_tokens for sample in samples)
        self.record.prompt_tokens, self.record.cached_tokens = prompt, cached
        self.record.completion_tokens = written
        return {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
            "prompt_tokens_details": {"cached_tokens": cached},
        }

    def baco(self, samples: Sequence[Sample]) -> Json:
        """Return who was to decide, and what came of it."""
        router = self.router()
        return {
            "router": router["use"],
            "options": router["options"],
            "gamma": router["options"].get("gamma"),
            "seed": self.config.decode.seed,
            "schedule": self.config.decode.schedule,
            **shares(samples),
        }

    def router(self) -> Json:
        """Return the router with every option that has a default, as JSON can hold it."""
        plugins = self.pair.pipeline.plugins
        part = filled_part(config_data(self.config.router), plugins.routers, plugins.parts())
        found: Json = json_safe(part)
        return found


def shares(samples: Sequence[Sample]) -> Json:
    """Return how much of some texts the base wrote, and how many passes they took."""
    usages = [sample.usage for sample in samples]
    written = sum(usage.completion_tokens for usage in usages)
    base = sum(usage.base_tokens for usage in usages)
    return {
        "base_share": base / written if written else 0.0,
        "forwards": {
            Source.BASE.value: sum(usage.base_forwards for usage in usages),
            Source.ALIGNED.value: sum(usage.aligned_forwards for usage in usages),
        },
    }


def json_safe(value: Any) -> Any:
    """Return a value with infinity as YAML writes it."""
    if isinstance(value, float):
        return optional(value)
    if isinstance(value, Mapping):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_safe(item) for item in value]
    return value
