"""Every hook stands in the plugin guide with its exact arguments."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from baco_core import hookspecs

GUIDE = Path(__file__).parents[2] / "docs" / "plugins.md"
HOOKS = [
    (name, function)
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
    if name.startswith(("register_", "on_", "report_")) and function.__module__ == hookspecs.__name__
]


@pytest.mark.skipif(not GUIDE.exists(), reason="the guide is not part of an installed wheel")
@pytest.mark.parametrize(("name", "function"), HOOKS, ids=[name for name, _ in HOOKS])
def test_every_hook_stands_in_the_guide_with_its_arguments(name: str, function: object) -> None:
    arguments = ", ".join(inspect.signature(function).parameters)  # type: ignore[arg-type]
    assert f"`{name}({arguments})`" in GUIDE.read_text("utf-8")
    assert inspect.getdoc(function)


def test_the_list_of_hooks_is_not_empty() -> None:
    assert len(HOOKS) >= 12
