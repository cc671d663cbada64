"""Helpers for the tests of tasks: prompts, data files and what is said of bad ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from baco_core.config import Part
from baco_core.errors import ConfigError
from baco_core.plugins import Plugins, load_plugins
from baco_eval import plugin
from baco_eval.records import Prompt
from baco_eval.tasks.task import Task


def task_plugins() -> Plugins:
    """Return the built-in plugins, the tasks among them."""
    loaded = load_plugins()
    return loaded if "creative" in loaded.tasks else load_plugins(given={"eval": plugin})


def prompts_of(plugins: Plugins, use: str, **options: Any) -> tuple[Prompt, ...]:
    task: Task = plugins.tasks.build(Part(use, options, "sweep.yaml"), "task")
    return task.prompts()


def write(path: Path, rows: Sequence[object]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return str(path)


def message(plugins: Plugins, use: str, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        prompts_of(plugins, use, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
