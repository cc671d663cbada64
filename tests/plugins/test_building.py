"""Parts are built from `use` and `options`; what a plugin built wrongly is blamed on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from baco_core.config import Part
from baco_core.errors import BacoError, ConfigError, LookUpError, PluginError
from baco_core.hookspecs import hookimpl
from baco_core.noise import UniformStream
from baco_core.plugins import Plugins, load_plugins
from baco_core.router import Decider, Decision, DecisionPoint, Generation, Router, StatefulDecider
from baco_core.rows import Logits
from baco_core.sampler import Sampler
from baco_core.source import Source
from baco_core.testing.fakes import fake_vocabulary

ORIGIN = "p.yaml"
POINT = DecisionPoint(12, "", {}, None)


def plugins_with(**factories: Callable[..., object]) -> Plugins:
    class Mine:
        @hookimpl
        def register_routers(self, register: Callable[[str, object], None]) -> None:
            for name, factory in factories.items():
                register(name, factory)

        @hookimpl
        def register_samplers(self, register: Callable[[str, object], None]) -> None:
            for name, factory in factories.items():
                register(name, factory)

    return load_plugins(given={"mine": Mine()})


def part(use: str, **options: Any) -> Part:
    return Part(use, options, ORIGIN)


def generation() -> Generation:
    def consult(source: Source, question: str, answers: Sequence[str]) -> list[float]:
        return [0.0] * len(answers)

    return Generation("", dict.fromkeys(Source, fake_vocabulary()), UniformStream(0), consult)


@dataclass(frozen=True)
class Fine:
    needs: frozenset[Source] = frozenset()
    fails: bool = False

    def start(self, generation: Generation) -> Decider:
        return FineDecider(self.fails)


@dataclass
class FineDecider:
    fails: bool
    seen: int = 0

    def decide(self, point: DecisionPoint) -> Decision | None:
        self.seen += 1
        if self.fails:
            raise ValueError("no idea")
        return Decision(Source.BASE)

    def snapshot(self) -> object:
        return self.seen

    def restore(self, snapshot: object) -> None:
        assert isinstance(snapshot, int)
        self.seen = snapshot


@dataclass(frozen=True)
class Wrapper:
    router: Router
    more: tuple[Router, ...] = ()
    replayable: bool = False

    @property
    def needs(self) -> frozenset[Source]:
        return self.router.needs

    def start(self, generation: Generation) -> Decider:
        return self.router.start(generation)

    def opinion(self, generation: Generation) -> Decider:
        return FineDecider(fails=True)


def test_options_become_fields() -> None:
    made = load_plugins().routers.build(part("p-punc", gamma=0.7), "router")
    assert made.needs == {Source.BASE}
    assert getattr(made, "gamma", None) == 0.7


def test_a_wrong_option_names_file_path_nearest_name_and_the_allowed_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        load_plugins().routers.build(part("p", gama=0.7), "router")
    assert str(caught.value) == (
        "p.yaml: router.options: unknown key 'gama'. Did you mean 'gamma'? Allowed: ['gamma']."
    )


def test_an_unknown_router_names_the_nearest_and_all() -> None:
    with pytest.raises(LookUpError) as caught:
        load_plugins().routers.build(part("p-pnuc"), "router")
    text = str(caught.value)
    assert text.startswith(
        "p.yaml: router.use: unknown router 'p-pnuc'. Did you mean 'p-punc'? Available: aligned, "
    )


def test_an_option_may_be_a_router_and_a_list_of_routers() -> None:
    plugins = plugins_with(fine=Fine, wrapper=Wrapper)
    inner = {"use": "p", "options": {"gamma": 0.25}}
    made = plugins.routers.build(part("wrapper", router=inner, more=[inner, {"use": "fine"}]), "router")
    assert made.needs == {Source.BASE}
    assert getattr(made, "more")[0].gamma == 0.25  # noqa: B009


def test_a_fault_deep_inside_names_its_path() -> None:
    plugins = plugins_with(wrapper=Wrapper)
    wrong = {"use": "wrapper", "options": {"router": {"use": "p", "options": {"gamma": "x"}}}}
    with pytest.raises(ConfigError) as caught:
        plugins.routers.build(part("wrapper", router={"use": "p"}, more=[wrong]), "router")
    assert str(caught.value) == (
        "p.yaml: router.options.more[0].options.router.options.gamma: expected float, got 'x'."
    )


def test_a_router_that_asks_for_rows_that_do_not_exist_is_named() -> None:
    plugins = plugins_with(odd=lambda: Fine(frozenset({"teacher"})))  # type: ignore[arg-type]
    with pytest.raises(PluginError) as caught:
        plugins.routers.build(part("odd"), "router")
    assert str(caught.value) == (
        "Router 'odd' of plugin 'mine' asks for rows that don't exist: 'teacher'. "
        "There are: Source.BASE, Source.ALIGNED."
    )


@pytest.mark.parametrize(
    ("factory", "complaint"),
    [
        (lambda: 3, "is no router: it has no method 'start'"),
        (lambda: Fine(needs=None), "cannot say which rows it needs"),  # type: ignore[arg-type]
        (lambda: {}["x"], "could not be built: KeyError"),
    ],
)
def test_what_is_no_router_is_refused(factory: Callable[..., object], complaint: str) -> None:
    with pytest.raises(PluginError, match=f"^Router 'odd' of plugin 'mine' {complaint}"):
        plugins_with(odd=factory).routers.build(part("odd"), "router")


def test_a_value_the_router_refuses_is_a_config_error_with_its_place() -> None:
    def picky(gamma: float = 0.5) -> Router:
        raise ValueError("gamma must be even")

    with pytest.raises(ConfigError, match=r"^p.yaml: router.options: gamma must be even\.$"):
        plugins_with(picky=picky).routers.build(part("picky", gamma=3), "router")


def test_a_router_that_raises_while_deciding_is_named_with_the_position() -> None:
    made = plugins_with(fine=Fine).routers.build(part("fine", fails=True), "router")
    with pytest.raises(PluginError) as caught:
        made.start(generation()).decide(POINT)
    assert str(caught.value) == "Router 'fine' of plugin 'mine' raised at position 12: ValueError: no idea."


def test_inside_another_router_the_one_that_raises_is_named() -> None:
    plugins = plugins_with(fine=Fine, wrapper=Wrapper)
    made = plugins.routers.build(
        part("wrapper", router={"use": "fine", "options": {"fails": True}}), "router"
    )
    with pytest.raises(PluginError, match=r"^Router 'fine' of plugin 'mine' raised at position 12"):
        made.start(generation()).decide(POINT)


def test_a_router_that_fails_to_start_is_named() -> None:
    class Dead(Fine):
        def start(self, generation: Generation) -> Decider:
            raise OSError("cold")

    made = plugins_with(dead=Dead).routers.build(part("dead"), "router")
    with pytest.raises(
        PluginError, match=r"^Router 'dead' of plugin 'mine' raised when it started: OSError: cold"
    ):
        made.start(generation())


def test_a_guarded_router_keeps_state_and_optional_attributes() -> None:
    plugins = plugins_with(fine=Fine, wrapper=Wrapper)
    stateful = plugins.routers.build(part("fine"), "router").start(generation())
    assert isinstance(stateful, StatefulDecider)
    before = stateful.snapshot()
    assert stateful.decide(POINT) == Decision(Source.BASE)
    assert (before, stateful.snapshot()) == (0, 1)
    stateful.restore(before)
    assert stateful.snapshot() == 0
    plain = plugins.routers.build(part("p"), "router")
    assert not isinstance(plain.start(generation()), StatefulDecider)
    assert not hasattr(plain, "replayable")
    wrapper = plugins.routers.build(part("wrapper", router={"use": "p"}), "router")
    assert getattr(wrapper, "replayable") is False  # noqa: B009
    opinion = getattr(wrapper, "opinion")(generation())  # noqa: B009
    with pytest.raises(PluginError, match="position 12"):
        opinion.decide(POINT)


def test_equal_options_build_equal_routers() -> None:
    routers = load_plugins().routers
    assert routers.build(part("p", gamma=0.5), "router") == routers.build(part("p", gamma=0.5), "router")
    assert routers.build(part("p", gamma=0.5), "router") != routers.build(part("p", gamma=0.6), "router")


@dataclass(frozen=True)
class Odd:
    temperature: float = 1.0

    def filter(self, logits: Logits, history: Sequence[int]) -> Logits:
        raise IndexError("gone")


def test_a_sampler_that_raises_is_named_with_the_position() -> None:
    made: Sampler = plugins_with(odd=Odd).samplers.build(part("odd"), "sampler")
    with pytest.raises(
        PluginError, match=r"^Sampler 'odd' of plugin 'mine' raised after 2 tokens: IndexError: gone"
    ):
        made.filter(np.zeros(4, np.float32), [1, 2])


@pytest.mark.parametrize("temperature", [-1.0, float("inf"), float("nan"), None])
def test_a_sampler_without_a_usable_temperature_is_refused(temperature: float) -> None:
    with pytest.raises(PluginError, match="has temperature"):
        plugins_with(odd=lambda: Odd(temperature)).samplers.build(part("odd"), "sampler")


def test_what_is_no_sampler_is_refused() -> None:
    with pytest.raises(PluginError, match="has no method 'filter'"):
        plugins_with(fine=Fine).samplers.build(part("fine"), "sampler")


def test_every_registered_router_and_sampler_is_built_from_its_defaults_or_says_what_is_missing() -> None:
    plugins = load_plugins()
    for registry in (plugins.routers, plugins.samplers):
        for name in registry:
            try:
                registry.build(part(name), "part")  # type: ignore[attr-defined]
            except BacoError as error:
                assert "p.yaml: part.options" in str(error)  # noqa: PT017 - both ways are right


@pytest.mark.parametrize(("kind", "method"), [("task", "prompts"), ("baseline", "messages")])
def test_what_is_no_task_or_baseline_is_refused_and_options_are_checked(kind: str, method: str) -> None:
    @dataclass(frozen=True)
    class Right:
        size: int = 3

        def __getattr__(self, name: str) -> Any:
            if name != method:
                raise AttributeError(name)
            return list

    class Mine:
        @hookimpl
        def register_tasks(self, register: Callable[[str, object], None]) -> None:
            register("wrong", lambda: 3)
            register("right", Right)

        register_baselines = register_tasks

    registry = getattr(load_plugins(given={"mine": Mine()}), f"{kind}s")
    assert registry.build(part("right", size=4), kind) == Right(4)
    with pytest.raises(ConfigError, match=rf"^p.yaml: {kind}.options.size: expected int, got 'x'"):
        registry.build(part("right", size="x"), kind)
    with pytest.raises(PluginError, match=f"^{kind.title()} 'wrong' .* is no {kind}: it has no method"):
        registry.build(part("wrong"), kind)
