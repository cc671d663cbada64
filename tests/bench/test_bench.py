"""Runs in turn, their figures, and what is made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from baco_core.bench.about import about
from baco_core.bench.bench import Bench, in_turn
from baco_core.bench.figures import NotMeasured, Spread
from baco_core.bench.report import Summary, reference_of, report, summarise
from baco_core.bench.run import Run, Text, measure
from baco_core.bench.table import as_text
from baco_core.bench.variants import Refusal, alone_variants, schedule_variants
from baco_core.errors import ConfigError
from baco_core.source import Source

Made = Callable[..., Any]
PROMPTS = ("a cat", "a light")
RUN = Run(
    samples=1,
    tokens=5,
    base_tokens=2,
    forwards={Source.BASE: 4, Source.ALIGNED: 5},
    first_token_seconds=0.1,
    decode_seconds=0.2,
    runtime_seconds=0.15,
    drafted=8,
    accepted=6,
    resident=NotMeasured("elsewhere"),
    texts=(Text((1, 2, 3, 4, 5), (Source.BASE,) * 2 + (Source.ALIGNED,) * 3),),
)


def test_the_figures_of_a_run_follow_from_its_counts() -> None:
    assert RUN.timed_tokens == 4
    assert RUN.tokens_per_second == pytest.approx(20)
    assert RUN.ms_per_token == pytest.approx(50)
    assert RUN.base_share == pytest.approx(0.4)
    assert RUN.acceptance == pytest.approx(0.75)
    assert RUN.outside_share == pytest.approx(0.25)
    assert RUN.passes_per_token(Source.BASE) == pytest.approx(0.8)


def test_a_run_too_short_to_time_says_so() -> None:
    short = replace(RUN, tokens=1, decode_seconds=0.0)
    assert isinstance(short.ms_per_token, NotMeasured)
    assert isinstance(short.outside_share, NotMeasured)
    assert isinstance(replace(RUN, runtime_seconds=0.3).outside_share, NotMeasured)
    assert isinstance(replace(RUN, drafted=0).acceptance, NotMeasured)
    assert isinstance(replace(RUN, tokens=0).base_share, NotMeasured)


def test_each_goes_first_as_often_and_after_each_other_as_often() -> None:
    orders = [in_turn("abc", number) for number in range(12)]
    assert set(Counter(order[0] for order in orders).values()) == {4}
    before = Counter(order.index("a") < order.index("b") for order in orders)
    assert before[True] == before[False]


def test_a_pair_is_measured_under_each_schedule_and_alone(made: Made) -> None:
    config, plugins, pipeline = made("decode.max_new_tokens=8", "router={use: rand}")
    variants = [*schedule_variants(pipeline, ["plain", "lazy"]), *alone_variants(pipeline, list(Source))]
    bench = Bench(variants, PROMPTS, 3)
    said: list[str] = []
    assert len(list(bench.work(said.append))) == 12
    assert bench.finished
    assert len(said) == 12
    found = summarise(bench, "plain")
    assert list(found) == ["plain", "lazy", "base alone", "aligned alone"]
    for name in ("plain", "lazy"):
        assert isinstance(summary := found[name], Summary)
        assert summary.mismatches == 0
        assert isinstance(summary.ratio, Spread)
    alone = found["base alone"]
    assert isinstance(alone, Summary)
    assert isinstance(alone.mismatches, NotMeasured)
    assert _median(alone, "base_share") == 1
    assert _median(alone, "aligned_passes_per_token") == 0
    result = report(bench, about(pipeline, config, plugins))
    assert result["complete"]
    assert [run["round"] for run in result["runs"]] == [0] * 4 + [1] * 4 + [2] * 4
    assert "rand" in as_text(result)


def _median(summary: Summary, name: str) -> float:
    figure = summary.figures[name]
    assert isinstance(figure, Spread)
    return figure.median


def test_runs_of_a_round_write_about_the_same_prompt_with_the_same_seed(made: Made) -> None:
    pipeline = made("decode.max_new_tokens=4", "decode.seed=7")[2]
    bench = Bench(list(schedule_variants(pipeline, ["lazy", "plain"])), PROMPTS, 3)
    rounds = {(one.round, one.prompt, one.seed) for one in bench.work(lambda _: None)}
    assert rounds == {(0, 0, 7), (1, 1, 8), (2, 0, 9)}


def test_a_schedule_that_cannot_be_is_left_out_with_its_reason(made: Made) -> None:
    pipeline = made("decode.max_new_tokens=4")[2]
    refusal = Refusal("speculative", ConfigError("rows are not exact."))
    bench = Bench([*schedule_variants(pipeline, ["plain"]), refusal], PROMPTS, 1)
    list(bench.work(lambda _: None))
    assert bench.finished
    assert summarise(bench, "plain")["speculative"] == NotMeasured("rows are not exact")
    text = as_text(report(bench, about(pipeline, *made()[:2])))
    assert "speculative: not measured: rows are not exact." in text


def test_a_schedule_asked_for_by_name_must_work() -> None:
    bench = Bench([Refusal("speculative", ConfigError("rows are not exact."))], PROMPTS, 1, strict=True)
    with pytest.raises(ConfigError, match="rows are not exact"):
        list(bench.work(lambda _: None))


def test_tokens_that_differ_from_the_reference_are_counted(made: Made) -> None:
    pipeline = made("decode.max_new_tokens=6")[2]
    bench = Bench(list(schedule_variants(pipeline, ["plain", "lazy"])), PROMPTS, 1)
    list(bench.work(lambda _: None))
    wrong = Text((*bench.runs[1].run.texts[0].token_ids[:-1], 1), bench.runs[1].run.texts[0].sources)
    bench.runs[1] = replace(bench.runs[1], run=replace(bench.runs[1].run, texts=(wrong,)))
    assert isinstance(summary := summarise(bench, "plain")["lazy"], Summary)
    assert summary.mismatches == 1


def test_several_texts_are_timed_together(made: Made) -> None:
    run = measure(made("decode.max_new_tokens=5", "decode.n=3", "decode.schedule=lazy")[2], "a cat")
    assert run.samples == 3
    assert run.timed_tokens == run.tokens - 3
    assert len(run.texts) == 3


def test_the_reference_is_plain_where_it_is_measured() -> None:
    assert reference_of(["lazy", "plain"]) == "plain"
    assert reference_of(["lazy", "auto"]) == "lazy"
