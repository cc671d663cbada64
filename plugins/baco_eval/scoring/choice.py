"""Which metrics are measured: those YAML names, those the command names, or all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from baco_core.config import Part, plain_data
from baco_core.errors import LookUpError
from baco_core.where import Where
from baco_eval.metrics.metric import Metric, Unavailable
from baco_eval.metrics.named import MetricConfig, check_names
from baco_eval.scoring.record import ScoreRecord
from baco_eval.sweep.grid import finite

if TYPE_CHECKING:
    from baco_core.plugins import Plugins

WROTE = "pair"
"""The option that says who wrote: a sweep knows it, and no other answer lets a model judge its own text."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A metric to measure: what results call it, what it is, and what its scores are kept with."""

    name: str
    metric: Metric
    record: ScoreRecord
    unavailable: str = ""
    """Why it cannot be measured here, if so."""
    told: frozenset[str] = frozenset()
    """The options that nobody chose: they follow from the texts, such as to how many words to cut."""


def choose(
    metrics: Sequence[MetricConfig],
    wanted: Sequence[str],
    plugins: Plugins,
    known: Mapping[str, object],
    origin: str = "",
) -> list[Chosen]:
    """Return the metrics of YAML (else all), or those of the names `wanted`, built with their options.

    A wanted name is one of YAML's or a registered metric's. `known` are options that metrics want to
    know: to how many words to cut, who wrote. Raises BacoError naming the place in `origin`, or --metrics.
    """
    listed = {one.name: (one, Where(origin, f"metrics[{i}]")) for i, one in enumerate(metrics)}
    for one, where in listed.values():
        _check_label(one, plugins, where)
    every = listed or _plain(plugins.metrics.names())
    check_names([MetricConfig(name) for name in wanted], Where("--metrics"))
    if wanted:
        every = {name: every.get(name) or _named(name, plugins, listed) for name in wanted}
    return [_chosen(config, where, plugins, known) for config, where in every.values()]


def _plain(names: Sequence[str]) -> dict[str, tuple[MetricConfig, Where]]:
    return {name: (MetricConfig(name), Where("--metrics")) for name in names}


def _named(name: str, plugins: Plugins, listed: Mapping[str, object]) -> tuple[MetricConfig, Where]:
    if name not in plugins.metrics:
        raise LookUpError.unknown("metric", name, [*listed, *plugins.metrics], where="--metrics")
    return _plain([name])[name]


def _check_label(one: MetricConfig, plugins: Plugins, where: Where) -> None:
    if one.label in plugins.metrics and one.label != one.use:
        raise where.key("label").error(f"{one.label!r} is the name of another metric; choose another label.")


def _check_wrote(config: MetricConfig, where: Where, known: Mapping[str, object]) -> None:
    if WROTE not in config.options or WROTE not in known:
        return
    wrote = plain_data(known[WROTE])
    if plain_data(config.options[WROTE]) != wrote:
        raise (
            where.key("options")
            .key(WROTE)
            .error(f"the texts are by {', '.join(wrote)}, as the sweep says; leave the option out.")
        )


def _chosen(config: MetricConfig, where: Where, plugins: Plugins, known: Mapping[str, object]) -> Chosen:
    plugins.metrics.entry(config.use, where=str(where.key("use")))
    declared = plugins.metrics.options(config.use)
    _check_wrote(config, where, known)
    given = {**{key: value for key, value in known.items() if key in declared}, **config.options}
    metric: Any = plugins.metrics.build(Part(config.use, given, where.origin), where.path)
    options = {key: plain_data(getattr(metric, key, given.get(key))) for key in declared}
    record, reason = ScoreRecord(config.use, finite(options)), ""
    try:
        models = dict(metric.models()) if hasattr(metric, "models") else {}
        record = ScoreRecord(config.use, finite(options), models)
    except Unavailable as error:
        reason = str(error)
    told = frozenset(known) & frozenset(declared) - frozenset(config.options)
    return Chosen(config.name, metric, record, reason, told)
