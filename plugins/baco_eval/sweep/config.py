"""The config of a sweep: which texts to write, as frozen values made from YAML."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from baco_core.config import MAX_SEED, Config, DecodeConfig, PairConfig, Part, config_data
from baco_core.config_yaml import read_yaml
from baco_core.options import INTERNAL, build
from baco_core.overrides import anchored, apply_override, parse_override
from baco_core.prompts import PromptsConfig
from baco_core.where import Where
from baco_eval.metrics.named import KEY as METRICS
from baco_eval.metrics.named import MetricConfig, check_names, placed, placed_metrics
from baco_eval.sweep.budget import BudgetConfig

REGENERATE = "regenerate"
CONTROL = "rand"
"""The router of controls; its gamma is a base share."""
TWINS = ("n", "seed")
"""Keys of a sweep that `decode` has too."""
APART = (METRICS, "budget", "order")
"""Keys that no text depends on, so that they may change while a sweep is written."""


def _about(description: str, **limits: Any) -> msgspec.Meta:
    return msgspec.Meta(description=description, **limits)


@dataclass(frozen=True, slots=True)
class MethodConfig:
    """A method with its knobs. An option given a list stands for one setting a value.

    Where an option takes a list itself, several values are a list of lists.
    """

    use: Annotated[str, _about("A method; regenerate writes each text anew.")] = REGENERATE
    options: Annotated[dict[str, Any], _about("The method's options.")] = field(default_factory=dict)
    router: Annotated[Part, _about("Who writes the next token.")] = field(
        default_factory=lambda: Part("aligned")
    )
    sampler: Annotated[Part | None, _about("Which tokens may be picked; else the sweep's sampler.")] = None
    label: Annotated[
        str | None, _about("What results call it; else the router, or the method.", min_length=1)
    ] = None
    match: Annotated[
        str | None,
        _about("A control: random, at the base share of each setting of the method called so.", min_length=1),
    ] = None

    def __post_init__(self) -> None:
        if self.match and dataclasses.replace(self, match=None, label=None) != MethodConfig():
            raise ValueError("a method with 'match' takes all but its label from the one it matches")

    @property
    def name(self) -> str:
        """What results call the method."""
        if self.match:
            return self.label or f"{CONTROL}-as-{self.match}"
        return self.label or (self.router.use if self.use == REGENERATE else self.use)


@dataclass(frozen=True, slots=True)
class SweepConfig:
    """All of a sweep."""

    task: Annotated[Part, _about("Where the prompts come from; ./paths begin at this file.")]
    methods: Annotated[tuple[MethodConfig, ...], _about("What is compared.")]
    n: Annotated[int, _about("How many texts of each prompt.", ge=1, le=1_000_000)] = 10
    seed: Annotated[int, _about("Same seed, same texts.", ge=0, extra_json_schema={"maximum": MAX_SEED})] = 0
    sampler: Annotated[Part, _about("Which tokens may be picked, where a method does not say.")] = field(
        default_factory=lambda: Config().sampler
    )
    plugins: Annotated[tuple[str, ...], _about("Plugins to load besides the built-in ones.")] = ()
    backend: Annotated[Part, _about("What runs the models.")] = field(
        default_factory=lambda: Config().backend
    )
    pair: Annotated[PairConfig, _about("Which two models write.")] = field(
        default_factory=lambda: Config().pair
    )
    decode: Annotated[DecodeConfig, _about("How much is written, and how; the sweep has n and seed.")] = (
        field(default_factory=DecodeConfig)
    )
    prompts: Annotated[PromptsConfig, _about("How each model reads the prompt.")] = field(
        default_factory=PromptsConfig
    )
    metrics: Annotated[
        tuple[MetricConfig, ...], _about("What `baco score` measures of the texts; else all metrics.")
    ] = ()
    budget: Annotated[BudgetConfig, _about("Where to stop before all is written.")] = field(
        default_factory=BudgetConfig
    )
    order: Annotated[
        Literal["methods", "prompts"],
        _about("What is finished first: methods one by one, or all methods for the first prompts."),
    ] = "methods"
    origin: str = field(default="", compare=False, repr=False, metadata=INTERNAL)
    """The file the config was read from."""

    def __post_init__(self) -> None:
        check_names(self.metrics, Where(path=METRICS))
        if self.seed > MAX_SEED:
            raise ValueError(f"seed must be from 0 to 2**64 - 1, not {self.seed}")
        if not self.methods:
            raise ValueError("methods: there is none; name one")
        if self.decode.allow_inexact:
            raise ValueError(
                "decode.allow_inexact: a sweep that goes on must write the same texts; remove it"
            )

    def placed_pair(self) -> PairConfig:
        """Return the pair with its folders no longer relative to the sweep's file."""
        data = anchored({"pair": config_data(self.pair)}, Path(self.origin).parent)
        return build(PairConfig, data["pair"], "pair")

    def placed(self) -> SweepConfig:
        """Return the sweep as it can be read from any folder: no path is relative to its file."""
        folder = Path(self.origin).parent
        return dataclasses.replace(
            self,
            pair=self.placed_pair(),
            task=dataclasses.replace(self.task, options=placed(self.task.options, folder)),
            metrics=placed_metrics(self.metrics, folder),
        )

    def config(self, router: Part, sampler: Part, today: str) -> Config:
        """Return what one setting is written with; folders are relative to the sweep's file."""
        decode = dataclasses.replace(self.decode, n=self.decode.batch, seed=self.seed)
        return Config(
            plugins=self.plugins,
            backend=dataclasses.replace(self.backend, origin=self.origin),
            pair=self.placed_pair(),
            router=router,
            sampler=sampler,
            decode=decode,
            prompts=_dated(self.prompts, today),
            origin=self.origin,
        )


def load_sweep(path: Path, overrides: Sequence[str] = ()) -> SweepConfig:
    """Read a sweep's config and change it by overrides such as `n=3`.

    Raises ConfigError naming the file or the override, and the key.
    """
    data = read_yaml(path)
    data = {} if data is None else data
    config = sweep_from_data(data, str(path))
    for text in overrides:
        override = parse_override(text)
        data = apply_override(data, override, SweepConfig)
        config = sweep_from_data(data, override.label)
    return dataclasses.replace(config, origin=str(path))


def sweep_from_data(data: object, origin: str = "") -> SweepConfig:
    """Return the sweep that plain data describes; ConfigError names `origin` and the key."""
    where = Where(origin)
    _refuse_twins(data, where)
    return dataclasses.replace(build(SweepConfig, data, where), origin=origin)


def sweep_data(sweep: SweepConfig) -> dict[str, Any]:
    """Return a sweep as plain data that `sweep_from_data` makes an equal one of."""
    data = config_data(sweep)
    data["decode"] = {key: value for key, value in data["decode"].items() if key not in TWINS}
    return data


def identity(sweep: SweepConfig) -> dict[str, Any]:
    """Return what its texts depend on: all but the keys `APART`."""
    return {key: value for key, value in sweep_data(sweep).items() if key not in APART}


def _refuse_twins(data: object, where: Where) -> None:
    decode = data.get("decode") if isinstance(data, Mapping) else None
    for key in TWINS:
        if isinstance(decode, Mapping) and key in decode:
            raise where.key("decode").key(key).error(f"a sweep has its own; write {key!r} at the top.")


def _dated(prompts: PromptsConfig, today: str) -> PromptsConfig:
    return prompts if prompts.today else dataclasses.replace(prompts, today=date.fromisoformat(today))
