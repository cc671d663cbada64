"""What is compared: the schedules, and each model alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from baco_core.config import DecodeConfig, Part
from baco_core.errors import BacoError, ConfigError, LookUpError
from baco_core.pipeline import Pipeline
from baco_core.source import Source

REFERENCE = "plain"
"""The schedule that the others are compared with; where it is left out, the first one that is not."""
SCHEDULES = (REFERENCE, "lazy", "speculative", "auto")
ALONE_SCHEDULE = "lazy"
"""Runs nobody whose row is not asked for, so that the other model costs nothing."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to write: a name such as `lazy` or `aligned alone`, and the pipeline that does."""

    name: str
    pipeline: Pipeline

    def seeded(self, seed: int) -> Pipeline:
        """Return the pipeline with another seed."""
        return replace(self.pipeline, decode=replace(self.pipeline.decode, seed=seed))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A variant that cannot be, and why."""

    name: str
    error: BacoError


def schedule_variants(pipeline: Pipeline, names: Sequence[str]) -> Iterator[Variant | Refusal]:
    """Yield a variant for each schedule, or why this pair cannot be written with it."""
    for name in names:
        try:
            yield Variant(name, _scheduled(pipeline, name))
        except BacoError as error:
            yield Refusal(name, error)


def alone_variants(pipeline: Pipeline, sources: Sequence[Source]) -> Iterator[Variant]:
    """Yield a variant for each model alone: the router that always names it."""
    for source in sources:
        router = pipeline.plugins.routers.build(Part(source.value), "router")
        alone = replace(_scheduled(pipeline, ALONE_SCHEDULE), router=router, router_label=f"router {source}")
        yield Variant(f"{source} alone", alone)


def checked_schedules(text: str) -> tuple[str, ...]:
    """Return the schedules of a list such as `plain,lazy`; LookUpError for one that does not exist."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names or (text,):
        if name not in SCHEDULES:
            raise LookUpError.unknown("schedule", name, SCHEDULES, where="--schedules")
    return names


def checked_alone(text: str) -> tuple[Source, ...]:
    """Return the models of a list such as `aligned,base`, none for `none`."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if names == ("none",):
        return ()
    for name in names or (text,):
        if name not in set(Source):
            raise LookUpError.unknown("model", name, [*map(str, Source), "none"], where="--alone")
    return tuple(map(Source, names))


def _scheduled(pipeline: Pipeline, name: str) -> Pipeline:
    try:
        decode: DecodeConfig = replace(pipeline.decode, schedule=name)  # type: ignore[arg-type]
    except ValueError as error:  # a config section refuses its values like that
        raise ConfigError(f"decode: {error}.") from error
    return replace(pipeline, decode=decode)
