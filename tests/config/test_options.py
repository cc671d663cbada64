"""Options become the frozen dataclass that declares them, checked to the last leaf."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.errors import ConfigError, PluginError
from baco_core.options import build, options_of
from baco_core.where import Where


class Strange:
    """A type that no YAML value has."""


WHERE = Where("p.yaml", "router.options")


@dataclass(frozen=True, slots=True)
class Inner:
    weight: float = 1.0
    mode: Literal["soft", "hard"] = "soft"


@dataclass(frozen=True, slots=True)
class Outer:
    gamma: Annotated[float, msgspec.Meta(ge=0)]
    name: str = "x"
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    named: dict[str, Inner] = field(default_factory=dict)
    maybe: Inner | None = None
    bias: Mapping[int, float] = field(default_factory=dict)
    flag: bool = False
    level: Literal[1, 2] = 1
    kind: ClassVar[str] = "outer"

    def __post_init__(self) -> None:
        if self.gamma == 13:
            raise ValueError("gamma must not be 13")


def refusal(**options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        build(Outer, options, WHERE)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(
    gamma=st.floats(0, allow_infinity=True) | st.integers(0, 2**53),
    name=st.text(),
    weights=st.lists(st.floats(allow_nan=False)),
    bias=st.dictionaries(st.integers(0, 9), st.floats(allow_nan=False)),
)
def test_right_values_arrive_as_they_are(
    gamma: float, name: str, weights: list[float], bias: dict[int, float]
) -> None:
    many = [{"weight": weight} for weight in weights]
    made = build(Outer, {"gamma": gamma, "name": name, "many": many, "bias": bias}, WHERE)
    assert made == Outer(float(gamma), name, many=tuple(Inner(weight) for weight in weights), bias=bias)
    assert isinstance(made.gamma, float)


def test_nested_values_are_built_too() -> None:
    inner = {"weight": 2, "mode": "hard"}
    made = build(Outer, {"gamma": 1, "inner": inner, "named": {"a": inner}, "maybe": inner}, WHERE)
    assert made.inner == made.named["a"] == made.maybe == Inner(2.0, "hard")
    assert build(Outer, {"gamma": 1, "maybe": None}, WHERE).maybe is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"gama": 1},
            "p.yaml: router.options: unknown key 'gama'. Did you mean 'gamma'? Allowed: ['bias', 'flag',",
        ),
        ({}, "p.yaml: router.options: key 'gamma' is missing. Allowed: ['bias',"),
        ({"gamma": "1"}, "p.yaml: router.options.gamma: expected float, got '1'."),
        ({"gamma": True}, "p.yaml: router.options.gamma: expected float, got True."),
        ({"gamma": -0.5}, "p.yaml: router.options.gamma: expected float >= 0.0, got -0.5."),
        ({"gamma": math.nan}, "p.yaml: router.options.gamma: not a number (.nan) is not allowed."),
        ({"gamma": 13}, "p.yaml: router.options: gamma must not be 13."),
        ({"gamma": None}, "p.yaml: router.options.gamma: expected float, got nothing."),
        ({"gamma": 1, "name": 3}, "p.yaml: router.options.name: expected str, got 3."),
        ({"gamma": 1, "flag": 1}, "p.yaml: router.options.flag: expected bool, got 1."),
        ({"gamma": 1, "level": 3}, "p.yaml: router.options.level: 3 is not allowed. Allowed: [1, 2]."),
        ({"gamma": 1, "level": True}, "p.yaml: router.options.level: True is not allowed. Allowed: [1, 2]."),
        (
            {"gamma": 1, "inner": {"weigth": 1}},
            "router.options.inner: unknown key 'weigth'. Did you mean 'weight'?",
        ),
        (
            {"gamma": 1, "inner": {"mode": "sof"}},
            "inner.mode: 'sof' is not allowed. Did you mean 'soft'? Allowed: [",
        ),
        ({"gamma": 1, "inner": 3}, "p.yaml: router.options.inner: expected a mapping, got 3."),
        (
            {"gamma": 1, "many": [{}, {"weight": "x"}]},
            "router.options.many[1].weight: expected float, got 'x'.",
        ),
        ({"gamma": 1, "many": {}}, "p.yaml: router.options.many: expected a list, got {}."),
        ({"gamma": 1, "named": {"a": {"x": 1}}}, "p.yaml: router.options.named.a: unknown key 'x'."),
        (
            {"gamma": 1, "named": {1: {}}},
            "p.yaml: router.options.named: key 1 is not text; put quotes around it.",
        ),
        ({"gamma": 1, "bias": {"a": 1.0}}, "p.yaml: router.options.bias: expected int, got "),
        ({"gamma": 1, "kind": "other"}, "p.yaml: router.options: unknown key 'kind'."),
    ],
)
def test_wrong_values_are_refused_with_their_path(options: dict[str, Any], message: str) -> None:
    assert message in refusal(**options)


def test_long_values_are_cut_in_messages() -> None:
    assert len(refusal(gamma="x" * 10_000)) < 150


def test_a_function_or_a_partial_can_be_a_factory() -> None:
    def make(gamma: Annotated[float, msgspec.Meta(ge=0)], name: str = "x") -> tuple[float, str]:
        return gamma, name

    assert build(make, {"gamma": 1}) == (1.0, "x")
    assert build(partial(make, name="y"), {"gamma": 1}) == (1.0, "y")
    with pytest.raises(ConfigError, match=r"^gamma: expected float >= 0.0, got -1\.$"):
        build(make, {"gamma": -1})


def test_a_factory_that_takes_anything_is_refused() -> None:
    def make(**anything: int) -> None:
        return None

    with pytest.raises(PluginError, match="has no name to be set by"):
        build(make, {"a": 1})


def test_annotations_that_cannot_be_resolved_are_the_plugins_fault() -> None:
    @dataclass(frozen=True)
    class Lost:
        router: Nowhere  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(
        PluginError, match=r"Lost cannot be read: name 'Nowhere' is not defined\. Import what"
    ):
        options_of(Lost)


def test_an_option_type_that_cannot_be_checked_is_the_plugins_fault() -> None:
    def make(thing: Strange) -> None:
        return None

    with pytest.raises(ConfigError, match="thing: expected "):
        build(make, {"thing": 3})
