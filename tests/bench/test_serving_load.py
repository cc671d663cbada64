"""The load test: it notices what is wrong, and its page is made of its summary."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="serves; part of baco[server]")


def options(**more: Any) -> Namespace:
    small = {"clients": 4, "seconds": 3.0, "warm_up": 0.0, "company": 2, "speed_seconds": 1.0, "rounds": 1}
    return Namespace(config=None, set=[], asks=6, most=16, texts=2, note="", **{**small, **more})


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
def test_a_short_load_brings_right_texts_and_a_page(
    benchmarks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import serving
    import serving_page
    import serving_process

    monkeypatch.setattr(serving_process, "SETTLE_S", 1.0)
    result = serving.measure(options())
    ended = result["load"]["ended"]
    assert set(ended) <= {"right", "left"}, result["load"]["wrong"]
    assert ended["right"] > 0
    assert result["load"]["idle_after"]
    assert result["speeds"]["ended"].keys() == {"right"}
    (tmp_path / "serving-tiny.json").write_text(json.dumps(result))
    text = serving_page.page(serving_page.collect(tmp_path, tmp_path / "docs" / "serving.json"))
    assert f"| tiny | 4 | 0.1 | {result['load']['requests']} |" in text


@pytest.mark.slow
def test_a_text_that_differs_a_refusal_and_a_silence_are_noticed(benchmarks: Path, tmp_path: Path) -> None:
    import serving_asks
    import serving_clients
    import serving_process

    (ask,) = serving_asks.answered(serving_asks.drawn(1, 64), None)
    with serving_process.served(None, [], tmp_path / "log") as one:
        load = serving_clients.Load(one.host, one.port, one.model(), [ask], 2, 0.1)

        def ends(**more: Any) -> set[str]:
            return {outcome.ended for outcome in serving_clients.work(replace(load, **more))}

        assert ends() == {"right"}
        changed = replace(ask, texts=(ask.texts[0] + ".", *ask.texts[1:]))
        assert ends(asks=[changed]) == {"wrong"}
        assert ends(model="nobody") == {"failed"}
        assert ends(patience=0.001) == {"stuck"}


def result(**resident: int) -> dict[str, Any]:
    seconds = {"50": 0.1, "90": 0.2, "95": 0.2, "99": 0.3}
    load = {
        "clients": 32,
        "seconds": 300.0,
        "requests": 100,
        "ended": {"right": 75, "left": 25},
        "tokens_per_second": 500.0,
        "first_seconds": seconds,
        "whole_seconds": seconds,
        "idle_after": True,
        "resident": {"before": 100 * 2**20, "most": 120 * 2**20, "after": 103 * 2**20, **resident},
        "log": [],
    }
    speeds = {
        "clients": 8,
        "seconds": 15.0,
        "tokens_per_second": {"auto": [100.0], "lazy": [120.0], "plain": [90.0], "company": [240.0]},
        "fastest": "lazy",
        "ratio": 2.0,
        "ended": {"right": 50},
        "bound": {"one": 1.0, "many": 2.0, "ratio": 4.0},
    }
    setup = {"config": "the default", "asks": 24, "max_tokens": 128, "texts": 8, "note": "Busy."}
    return {"setup": setup, "speeds": speeds, "load": load, "machine": "2 cores", "versions": {}}


def test_the_page_is_made_of_the_summary(benchmarks: Path) -> None:
    import serving_page

    summary = json.loads(serving_page.SUMMARY.read_text("utf-8"))
    text = serving_page.PAGE.read_text("utf-8")
    assert text == serving_page.page(summary), "run: python benchmarks/serving_page.py"


def test_a_missed_bar_and_grown_memory_are_told(benchmarks: Path) -> None:
    import serving
    import serving_page

    text = serving_page.page({"tiny": result()})
    assert "| tiny | 120 tokens/s (`lazy`) | 8 | 240 tokens/s | 2.00 | 3, **missed** | 4.00 (1.00" in text
    assert "| 100 | 103 | +3.0% |" in text
    assert serving.verdict(result()) == []
    assert serving.verdict(result(after=110 * 2**20)) == ["memory grew by 10.0%"]


def test_percentiles_are_values_that_were_measured(benchmarks: Path) -> None:
    import serving

    assert serving.percentiles([float(each) for each in range(1, 101)]) == {
        "50": 50.0,
        "90": 90.0,
        "95": 95.0,
        "99": 99.0,
    }
    assert serving.percentiles([2.0]) == dict.fromkeys(("50", "90", "95", "99"), 2.0)
    assert serving.percentiles([]) == {}
