"""`check_metric` passes what keeps the contract, and names the rule that something else breaks."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from baco_core.config import Part
from baco_core.errors import PluginError
from baco_core.hookspecs import hookimpl
from baco_core.plugins import load_plugins
from baco_eval.metrics.metric import Direction, Group, Measured, NotMeasured
from baco_eval.records import Prompt
from baco_eval.testing import check_metric

PLUGINS = load_plugins(only=("metrics",))


@pytest.mark.parametrize("name", PLUGINS.metrics.names())
def test_every_metric_of_ours_keeps_it(name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACO_CACHE", str(tmp_path))
    check_metric(PLUGINS.metrics.build(Part(name), "metric"), trials=5)


@dataclass(frozen=True)
class Half:
    """Is always one half."""

    direction: ClassVar[Direction] = 1
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    formula: ClassVar[str] = "1 / 2"
    source: ClassVar[str] = "by hand"
    group: ClassVar[Group] = "other"
    needs: ClassVar[str | None] = None

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        return 0.5


def test_a_good_one_passes() -> None:
    check_metric(Half())


COUNT = itertools.count()


def _raises(text: str) -> float:
    raise NotMeasured(text)


def _emptied(texts: Any) -> float:
    texts.clear()
    return 0.5


@pytest.mark.parametrize(
    ("attributes", "rule"),
    [
        ({"direction": 2}, "direction must be -1, 0 or 1, not 2"),
        ({"range": (1.0, 1.0)}, "range must be the least and the largest"),
        ({"group": "words"}, "no such group: 'words'"),
        ({"formula": " "}, "formula must say something"),
        ({"needs": ""}, "needs must be None"),
        ({"__hash__": lambda self: next(COUNT)}, "its copy must have the same hash"),
        ({"__eq__": lambda self, other: False, "__hash__": lambda self: 1}, "its copy must equal it"),
        ({"measure": lambda self, texts, prompt: float("nan")}, "must return a finite number"),
        ({"measure": lambda self, texts, prompt: float("inf")}, "must return a finite number"),
        ({"measure": lambda self, texts, prompt: 1.5}, "gave 1.5, outside its range of 0.0 to 1.0"),
        ({"measure": lambda self, texts, prompt: None}, "must return a float, not None"),
        ({"measure": lambda self, texts, prompt: next(COUNT) / 1e9}, "the same value each time"),
        ({"measure": lambda self, texts, prompt: random.random()}, "global random numbers"),  # noqa: S311
        ({"measure": lambda self, texts, prompt: _emptied(texts)}, "must not change the texts"),
        ({"measure": lambda self, texts, prompt: _raises("")}, "must say why"),
    ],
)
def test_what_breaks_a_rule_is_told_which(attributes: dict[str, Any], rule: str) -> None:
    broken = type("Broken", (Half,), attributes)
    with pytest.raises(AssertionError, match=rule):
        check_metric(broken())


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"measure": None}, r"Metric 'broken' of plugin 'bad' is no metric: it has no method 'measure'\."),
        (
            {},
            r"Metric 'broken' of plugin 'bad' does not say its 'direction'; give its class this attribute\.",
        ),
    ],
)
def test_what_is_no_metric_is_refused_when_it_is_built(attributes: dict[str, Any], message: str) -> None:
    made = type("Broken", (), {"measure": Half.measure, **attributes})

    class Bad:
        @hookimpl
        def register_metrics(self, register: Any) -> None:
            register("broken", made)

    plugins = load_plugins(given={"bad": Bad()}, only=("metrics",))
    with pytest.raises(PluginError, match=message):
        plugins.metrics.build(Part("broken"), "metric")
