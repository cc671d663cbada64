"""Every hook is called, with what it promises."""

from __future__ import annotations

import inspect
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
from made_plugins import HEAD

from baco_core import hookspecs
from baco_core.command import Command
from baco_core.errors import PluginError
from baco_core.events import Sample, TokenEvent, Usage
from baco_core.hookspecs import hookimpl
from baco_core.plugins import REGISTERED, load_plugins
from baco_core.source import Source

EVENT = TokenEvent(0, 0, 5, Source.BASE, -0.5, " a", finish_reason="stop")
SAMPLE = Sample(0, " a", "stop", (EVENT,), Usage(3, 1, 1, 0, 2, 2))


def factory() -> str:
    return "made"


VALUES: dict[str, object] = {
    **dict.fromkeys(REGISTERED, factory),
    "bundles": Path("somewhere"),
    "commands": Command("Do it.", lambda parser: None, lambda options: 0),
}


def plugin_with(hook: str, function: Callable[..., object]) -> object:
    return type("Made", (), {hook: staticmethod(hookimpl(function))})()


@pytest.mark.parametrize("kind", REGISTERED)
def test_what_a_plugin_registers_is_found_by_its_name(kind: str) -> None:
    def register_things(register: Callable[[str, object], None]) -> None:
        register("made", VALUES[kind])

    plugins = load_plugins(given={"mine": plugin_with(f"register_{kind}", register_things)})
    registry = plugins.registries()[kind]
    assert registry.get("made") is VALUES[kind]
    assert registry.owner("made").plugin == "mine"
    assert f"{registry.kind}s" == kind


def test_observers_see_every_token_and_every_sample() -> None:
    seen: list[object] = []

    class Both:
        @hookimpl
        def on_token(self, event: TokenEvent) -> None:
            seen.append(event)

        @hookimpl
        def on_finish(self, sample: Sample) -> None:
            seen.append(sample)

    plugins = load_plugins(given={"both": Both()})
    plugins.hook.on_token(event=EVENT)
    plugins.hook.on_finish(sample=SAMPLE)
    assert seen == [EVENT, SAMPLE]


def test_an_observer_may_take_fewer_arguments_than_the_hook_offers() -> None:
    calls: list[int] = []
    plugins = load_plugins(given={"counter": plugin_with("on_token", lambda: calls.append(1))})
    plugins.hook.on_token(EVENT)
    assert calls == [1]


def test_observers_run_in_the_order_pluggy_promises() -> None:
    order: list[str] = []

    class First:
        @hookimpl(tryfirst=True)
        def on_token(self) -> None:
            order.append("first")

    given = {"first": First(), "second": plugin_with("on_token", lambda: order.append("second"))}
    load_plugins(given=given).hook.on_token(EVENT)
    assert order == ["first", "second"]


def test_an_observer_that_raises_is_named_with_its_hook() -> None:
    def on_finish(sample: Sample) -> None:
        raise KeyError("lost")

    plugins = load_plugins(given={"noisy": plugin_with("on_finish", on_finish)})
    with pytest.raises(PluginError, match=r"^Plugin 'noisy' raised in hook 'on_finish': KeyError: 'lost'\.$"):
        plugins.hook.on_finish(SAMPLE)


def test_plugins_report_their_health_to_the_doctor() -> None:
    def report_health(report: Callable[[str, str, bool], None]) -> None:
        report("scale", "balanced", True)

    plugins = load_plugins(given={"mine": plugin_with("report_health", report_health)})
    found: list[tuple[str, str, bool]] = []
    plugins.report_health(lambda what, text, fine: found.append((what, text, fine)))
    assert ("scale", "balanced", True) in found


def test_a_registered_command_runs() -> None:
    def configure(parser: ArgumentParser) -> None:
        parser.add_argument("--times", type=int, default=2)

    command = Command("Do it.", configure, lambda options: int(options.times))
    assert command.run(Namespace(times=7)) == 7


def test_every_hook_has_a_test_here() -> None:
    tested = {f"register_{kind}" for kind in REGISTERED} | {"on_token", "on_finish", "report_health"}
    hooks = {
        name
        for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
        if name.startswith(("register_", "on_", "report_")) and function.__module__ == hookspecs.__name__
    }
    assert tested == hooks


def test_hooks_can_be_installed_as_a_package(install: Callable[..., Path]) -> None:
    install("acme-watch", HEAD + "SEEN = []\n@hookimpl\ndef on_token(event):\n    SEEN.append(event)\n")
    load_plugins(["acme-watch"]).hook.on_token(EVENT)
    import acme_watch  # type: ignore[import-not-found]

    assert acme_watch.SEEN == [EVENT]
