"""Plugins are loaded one by one, by name, and whoever fails is named."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from made_plugins import GOOD, HEAD, REGISTER, ROUTER

from baco_core.config import Part
from baco_core.discovery import BUILT_IN
from baco_core.errors import BacoError, LookUpError, PluginError
from baco_core.hookspecs import hookimpl
from baco_core.plugins import REGISTERED, load_plugins
from baco_core.source import Source
from baco_core.testing.fakes import ScriptedRouter

Install = Callable[..., Path]


def message(names: list[str]) -> str:
    with pytest.raises(BacoError) as caught:
        load_plugins(names)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_named_plugin_registers_and_is_known_by_distribution_and_version(install: Install) -> None:
    install("acme-routers", GOOD)
    plugins = load_plugins(["acme-routers"])
    owner = plugins.routers.owner("made")
    assert (owner.plugin, owner.distribution, owner.version) == ("acme-routers", "acme-routers", "1.2.3")
    assert str(owner) == "acme-routers (1.2.3)"
    file, line = plugins.routers.entry("made").where.rsplit(":", 1)
    assert Path(file).read_text("utf-8").splitlines()[int(line) - 1] == "@dataclass(frozen=True)"


def test_an_installed_plugin_that_nobody_names_is_not_imported(install: Install) -> None:
    install("acme-silent", "raise RuntimeError('imported')")
    plugins = load_plugins()
    assert "acme_silent" not in sys.modules
    with pytest.raises(LookUpError, match=r"not named under 'plugins': acme-silent\.$"):
        plugins.routers.get("made")


def test_built_in_plugins_are_loaded_without_being_named() -> None:
    plugins = load_plugins()
    assert {owner.plugin for owner in plugins.loaded} <= set(BUILT_IN)
    assert "p-punc" in plugins.routers
    assert "multinomial" in plugins.samplers


def test_naming_a_plugin_twice_or_a_built_in_one_loads_it_once(install: Install) -> None:
    install("acme-routers", GOOD)
    plugins = load_plugins(["acme-routers", "routers", "acme-routers"])
    names = [owner.plugin for owner in plugins.loaded]
    assert sorted(names) == sorted(set(names))


def test_a_plugin_object_can_be_handed_in_without_being_installed() -> None:
    class Mine:
        @hookimpl
        def register_routers(self, register: Callable[[str, object], None]) -> None:
            register("made", lambda: ScriptedRouter((Source.BASE,)))

    plugins = load_plugins(given={"mine": Mine()})
    assert plugins.routers.build(Part("made"), "router").needs == frozenset()
    assert plugins.routers.owner("made").describe() == "plugin 'mine'"


def test_an_unknown_plugin_is_refused_with_the_nearest_name(install: Install) -> None:
    install("acme-routers", GOOD)
    text = message(["acme-router"])
    assert text.startswith("plugins: unknown plugin 'acme-router'. Did you mean 'acme-routers'? Available: ")


def test_a_plugin_that_fails_to_import_is_named_with_its_distribution(install: Install) -> None:
    install("acme-routers", "import a_module_that_is_not_there")
    assert message(["acme-routers"]) == (
        "Plugin 'acme-routers' (distribution acme-routers 1.2.3, acme_routers) could not be imported: "
        "No module named 'a_module_that_is_not_there'."
    )


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines."),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("raise SystemExit(3)", "SystemExit: 3."),
    ],
)
def test_whatever_an_import_raises_is_one_line(install: Install, code: str, reason: str) -> None:
    install("acme-broken", code)
    assert f"could not be imported: {reason}" in message(["acme-broken"])


def test_an_entry_point_that_leads_nowhere_is_named(install: Install) -> None:
    site = install("acme-routers", GOOD)
    (site / "acme_routers-1.2.3.dist-info" / "entry_points.txt").write_text(
        "[baco]\nacme = acme_nothing:it\n"
    )
    assert "Plugin 'acme' (distribution acme-routers 1.2.3, acme_nothing:it) could not be imp" in message(
        ["acme"]
    )


def test_a_name_that_is_taken_is_refused_naming_both_owners(install: Install) -> None:
    install("acme-one", GOOD)
    install("acme-two", GOOD, version="2.0")
    assert message(["acme-one", "acme-two"]) == (
        "Router 'made' is registered twice: by acme-one (1.2.3) and by acme-two (2.0). Rename one, "
        "or drop a plugin."
    )


def test_a_name_of_ours_cannot_be_taken(install: Install) -> None:
    install("acme-routers", GOOD.replace('"made"', '"p-punc"'))
    text = message(["acme-routers"])
    assert text.startswith("Router 'p-punc' is registered twice: by baco (")
    assert "and by acme-routers (1.2.3)" in text


def test_one_plugin_cannot_register_a_name_twice(install: Install) -> None:
    install("acme-routers", GOOD + '    register("made", Made)\n')
    assert "Router 'made' is registered twice: by acme-routers (1.2.3)" in message(["acme-routers"])


def test_two_distributions_cannot_offer_one_plugin_name(install: Install) -> None:
    install("acme-one", GOOD, plugin="shared")
    install("acme-two", GOOD, plugin="shared")
    text = message(["shared"])
    assert text.startswith("Plugin 'shared' is offered twice: by acme-")
    assert text.endswith("Uninstall one.")


def test_a_misspelt_hook_is_refused_with_the_nearest_name(install: Install) -> None:
    install("acme-routers", GOOD.replace("register_routers", "register_router"))
    assert message(["acme-routers"]).startswith(
        "Hook 'register_router' in plugin 'acme-routers' (distribution acme-routers 1.2.3, acme_routers) "
        "does not exist. Did you mean 'register_routers'? Hooks: "
    )


def test_a_hook_without_its_mark_is_refused(install: Install) -> None:
    install("acme-routers", GOOD.replace("@hookimpl", ""))
    assert "Hook 'register_routers' in plugin 'acme-routers'" in message(["acme-routers"])
    assert "put @hookimpl above it" in message(["acme-routers"])


def test_a_plugin_without_hooks_is_refused(install: Install) -> None:
    install("acme-empty", "")
    assert "has no hooks" in message(["acme-empty"])


def test_a_hook_that_asks_for_an_unknown_argument_is_refused(install: Install) -> None:
    install("acme-routers", GOOD.replace("(register)", "(registrar)"))
    text = message(["acme-routers"])
    assert text.startswith(
        "Plugin 'acme-routers' (distribution acme-routers 1.2.3, acme_routers) does not fit BACo"
    )
    assert "registrar" in text


def test_a_hook_wrapper_is_refused(install: Install) -> None:
    install("acme-routers", HEAD + "@hookimpl(wrapper=True)\ndef on_token(event):\n    return (yield)\n")
    assert "is a wrapper" in message(["acme-routers"])


def test_a_hook_that_raises_is_named(install: Install) -> None:
    install("acme-routers", HEAD + "@hookimpl\ndef register_routers(register):\n    1 / 0\n")
    assert message(["acme-routers"]) == (
        "Plugin 'acme-routers' (distribution acme-routers 1.2.3, acme_routers) raised in hook "
        "'register_routers': ZeroDivisionError: division by zero."
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('register("Made Up", Made)', "a name is made of lower-case letters"),
        ("register(3, Made)", "a name is made of lower-case letters"),
        ('register("made", 3)', "instead of something that can be called"),
    ],
)
def test_a_senseless_registration_is_refused(install: Install, line: str, complaint: str) -> None:
    install("acme-routers", HEAD + ROUTER + REGISTER.replace('register("made", Made)', line))
    text = message(["acme-routers"])
    assert text.startswith(
        "Plugin 'acme-routers' (distribution acme-routers 1.2.3, acme_routers) registers router"
    )
    assert complaint in text


def test_a_factory_that_is_not_frozen_is_refused(install: Install) -> None:
    install("acme-routers", GOOD.replace("(frozen=True)", ""))
    assert "its dataclass is not frozen" in message(["acme-routers"])


@pytest.mark.parametrize(
    ("hook", "complaint"),
    [
        ("register_bundles", "instead of a pathlib.Path"),
        ("register_commands", "instead of a baco_core.command"),
    ],
)
def test_bundles_are_folders_and_commands_are_commands(install: Install, hook: str, complaint: str) -> None:
    install("acme-things", HEAD + f"@hookimpl\ndef {hook}(register):\n    register('made', 'x')\n")
    assert complaint in message(["acme-things"])


def test_a_plugin_that_fails_leaves_nothing_behind(install: Install) -> None:
    late = GOOD + '\n@hookimpl\ndef register_samplers(register):\n    raise ValueError("late")\n'
    install("acme-late", late)
    install("acme-good", GOOD)
    failures: list[BacoError] = []
    plugins = load_plugins(["acme-late", "acme-good", "acme-none"], failures=failures)
    assert plugins.routers.owner("made").plugin == "acme-good"
    assert [type(failure) for failure in failures] == [PluginError, LookUpError]
    assert "acme-late" not in [owner.plugin for owner in plugins.loaded]


def test_only_the_kinds_asked_for_are_registered(install: Install) -> None:
    install("acme-routers", GOOD)
    plugins = load_plugins(["acme-routers"], only=("commands",))
    assert len(plugins.routers) == 0
    assert set(REGISTERED) == set(plugins.registries())
