"""Metrics as YAML names them: a list of `{use, label, options}`."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec

from baco_core.config_yaml import read_yaml
from baco_core.options import build
from baco_core.where import Where

KEY = "metrics"


@dataclass(frozen=True, slots=True)
class MetricConfig:
    """A metric with its options. One that is there twice, with other options, has labels."""

    use: Annotated[str, msgspec.Meta(description="A metric.")]
    options: Annotated[dict[str, Any], msgspec.Meta(description="Its options.")] = field(default_factory=dict)
    label: Annotated[
        str | None,
        msgspec.Meta(
            description="What results call it, and its file of scores; else the metric's name.",
            pattern="^[a-z0-9][a-z0-9._-]{0,99}$",
        ),
    ] = None

    @property
    def name(self) -> str:
        """What results call the metric."""
        return self.label or self.use


def metrics_in(path: Path) -> tuple[MetricConfig, ...]:
    """Return the metrics of a YAML file: its top-level list `metrics`; other keys are passed over.

    Raises ConfigError naming the file and the key, also when there is no such list.
    """
    data, where = read_yaml(path), Where(str(path))
    if not isinstance(data, Mapping) or KEY not in data:
        raise where.error(f"it has no list {KEY!r} of metrics, each with 'use', 'options' and 'label'.")
    found = build(_Listed, {KEY: data[KEY]}, where).metrics
    check_names(found, where.key(KEY))
    return found


def check_names(metrics: Sequence[MetricConfig], where: Where) -> None:
    """Raise ConfigError when two metrics have one name."""
    twice = [name for name, count in Counter(one.name for one in metrics).items() if count > 1]
    if twice:
        raise where.error(f"{twice[0]!r} is there twice; give one a 'label' of its own.")


def placed(options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return options with paths such as ./prompts.jsonl relative to `folder`, the file's that has them."""
    return {
        key: str((folder / Path(value).expanduser()).absolute())
        if isinstance(value, str) and value.startswith(("./", "../", "~"))
        else value
        for key, value in options.items()
    }


def placed_metrics(metrics: Sequence[MetricConfig], folder: Path) -> tuple[MetricConfig, ...]:
    """Return metrics whose options have paths relative to `folder` no longer."""
    return tuple(dataclasses.replace(one, options=placed(one.options, folder)) for one in metrics)


@dataclass(frozen=True, slots=True)
class _Listed:
    metrics: tuple[MetricConfig, ...]
