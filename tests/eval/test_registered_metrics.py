"""What every registered metric has to do."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.config import Part
from baco_core.errors import ConfigError
from baco_core.plugins import load_plugins
from baco_eval.metrics.metric import NotMeasured
from baco_eval.records import Generation, Prompt

PROMPT = Prompt("p", "Tell me a story.")
PLUGINS = load_plugins(only=("metrics",))
LEXICAL = ["distinct-1", "distinct-2", "ead", "self-bleu", "compression", "rouge-l"]
SEMANTIC = ["distinct-k", "semantic-entropy"]
OURS = [*LEXICAL, *SEMANTIC, "length", "base-share", "switches", "ended", "repetition", "format"]
every = pytest.mark.parametrize("name", OURS)


def built(name: str, **options: object) -> Any:
    """Return a metric as a config would build it."""
    return PLUGINS.metrics.build(Part(use=name, options=options), "metric")


def generations(texts: list[str]) -> list[Generation]:
    """Return generations of one prompt, half of each by the base model."""
    return [
        Generation("m", "s", "p", index, text, "stop", 2 * len(text), len(text), runs if text else ())
        for index, text in enumerate(texts)
        for runs in [(("base", text[:1]), ("aligned", text[1:]))]
    ]


@every
def test_a_metric_says_what_it_is(name: str) -> None:
    metric = built(name)
    low, high = metric.range
    assert metric.direction in (-1, 0, 1)
    assert low < high
    assert metric.formula
    assert metric.source
    assert metric.needs is None
    assert type(metric).__doc__
    assert type(metric).__dataclass_params__.frozen
    assert metric == built(name)
    assert hash(metric) == hash(built(name))


def test_six_are_lexical_two_are_semantic_and_larger_is_more_diverse() -> None:
    groups = {name: built(name).group for name in OURS}
    assert [name for name in OURS if groups[name] == "lexical"] == LEXICAL
    assert [name for name in OURS if groups[name] == "semantic"] == SEMANTIC
    assert {built(name).direction for name in [*LEXICAL, *SEMANTIC]} == {1}


@every
@given(texts=st.lists(st.text(max_size=30), max_size=5))
def test_any_text_has_a_value_in_range_or_a_reason(name: str, texts: list[str]) -> None:
    metric = built(name)
    try:
        value = metric.measure(generations(texts), PROMPT)
    except NotMeasured as reason:
        message = str(reason)
    else:
        message = ""
    if message:
        assert message.endswith(".")
        assert "\n" not in message
        return
    assert math.isfinite(value)
    assert isinstance(value, float)
    assert metric.range[0] <= value <= metric.range[1]
    assert metric.measure(generations(texts), PROMPT) == value


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("distinct-1", {"words": -1}, "metric.options.words"),
        ("ead", {"vocabulary": 1}, "metric.options.vocabulary"),
        ("self-bleu", {"tokenize": "13b"}, "metric.options.tokenize"),
        ("distinct-k", {"rule": "bert"}, "metric.options.rule"),
        ("repetition", {"n": 0}, "metric.options.n"),
        ("rouge-l", {"word": 3}, "word"),
    ],
)
def test_bad_options_are_named_by_their_place(name: str, options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        built(name, **options)


def test_options_reach_the_metric() -> None:
    assert built("distinct-1", words=1).measure(["a b", "a c"], PROMPT) == 0.5
    assert built("distinct-k", rule="short-or-rouge-1").measure(["a dark blue", "blue"], PROMPT) == 2
