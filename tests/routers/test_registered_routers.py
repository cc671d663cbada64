"""What YAML can name: every registered router, its options, its errors and its conformance."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.errors import ConfigError
from baco_core.options import build, options_of
from baco_core.router import Router
from baco_core.testing.routers import check_router
from baco_routers import plugin
from baco_routers.chain import Chain
from baco_routers.content import Punc
from baco_routers.logit import P
from tests.routers.made import generation

ROUTERS: dict[str, Callable[..., Router]] = {}
plugin.register_routers(ROUTERS.__setitem__)
NAMES = (
    *("base", "aligned", "rand", "p", "h", "punc", "fc", "p-punc", "h-punc", "p-fc", "h-fc"),
    *("judge", "nudging", "ensemble", "contrast", "chain"),
)
GIVEN: dict[str, dict[str, Any]] = {"judge": {"member": "base"}, "chain": {"routers": (Punc(), P(0.3))}}


def test_the_registered_names_are_those_of_the_design() -> None:
    assert sorted(ROUTERS) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_router_passes_the_conformance_check(name: str) -> None:
    check_router(ROUTERS[name](**GIVEN.get(name, {})))


@pytest.mark.parametrize("probe", ["base", "aligned", "either"])
@pytest.mark.parametrize("name", ["punc", "fc", "p-punc", "h-punc", "p-fc", "h-fc"])
def test_content_rules_conform_whatever_they_probe(name: str, probe: str) -> None:
    for fires_on in ("class", "all", "none"):
        check_router(ROUTERS[name](probe=probe, fires_on=fires_on), trials=3)


@pytest.mark.parametrize("name", ["p", "h", "nudging", "p-punc", "h-punc", "p-fc", "h-fc"])
@given(gamma=st.one_of(st.floats(0, 1.5), st.just(float("inf"))))
def test_routers_conform_at_any_gamma(name: str, gamma: float) -> None:
    check_router(ROUTERS[name](gamma=gamma), trials=2, length=5)


@pytest.mark.parametrize("name", NAMES)
def test_each_router_is_a_frozen_dataclass_whose_options_are_described(name: str) -> None:
    factory: Any = ROUTERS[name]
    assert dataclasses.is_dataclass(factory)
    assert factory.__dataclass_params__.frozen
    assert "__slots__" in vars(factory)
    assert inspect.getdoc(factory)
    for option in options_of(factory).values():
        assert option.hint.__metadata__[0].description.endswith(".")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("p", {"gamma": -1}, r"gamma: expected float >= 0\.0"),
        ("p", {"gamma": float("nan")}, r"gamma: not a number"),
        ("p", {"gamma": "high"}, r"gamma: expected float, got 'high'"),
        ("rand", {"gamma": 1.5}, r"gamma: expected float <= 1\.0"),
        ("h", {"gama": 1}, r"unknown key 'gama'\. Did you mean 'gamma'\?"),
        ("punc", {"probe": "bsae"}, r"probe: 'bsae' is not allowed\. Did you mean 'base'\?"),
        (
            "fc",
            {"language": "xx"},
            r"no list of function words for language 'xx'\. Available: de, en",
        ),
        ("p-fc", {"words": "so"}, r"words: expected list, got 'so'"),
        ("judge", {}, r"judge needs either endpoint and model, or member"),
        ("judge", {"member": "base", "timeout": 0}, r"timeout: expected float > 0\.0"),
    ],
)
def test_wrong_options_are_refused_with_their_place(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(ROUTERS[name], options, "router.options")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("p", {"gamma": 2}),
        ("p", {"gamma": float("inf")}),
        ("h", {"gamma": -1}),
        ("rand", {"gamma": 1}),
        ("punc", {"probe": "either", "fires_on": "none"}),
        ("h-fc", {"gamma": 1.5, "probe": "aligned", "language": "de", "words": ["hm"]}),
        ("judge", {"endpoint": "http://127.0.0.1:8000/v1", "model": "m", "api_key_env": None, "timeout": 5}),
    ],
)
def test_good_options_build(name: str, options: dict[str, Any]) -> None:
    router = build(ROUTERS[name], options, "router.options")
    for key, value in options.items():
        assert getattr(router, key) == (tuple(value) if isinstance(value, list) else value)
    hash(router)


def test_a_chain_is_built_of_parts() -> None:
    class Parts:
        def build_data(self, data: Any, where: object) -> Router:
            return build(ROUTERS[data["use"]], data.get("options", {}))

    options = {"routers": [{"use": "punc"}, {"use": "p", "options": {"gamma": 0.4}}], "otherwise": "aligned"}
    chain = build(Chain, options, "router.options", {Router: Parts()})
    assert chain == Chain((Punc(), P(0.4)), "aligned")
    assert chain.start(generation())
