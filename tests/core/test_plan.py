"""What `auto` chooses, and which schedules are refused: none changes a text unasked (DESIGN 3)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import made_bundle
import pytest

from baco_core import plan as plan_module
from baco_core.config import DecodeConfig
from baco_core.engine import Inline, Threads
from baco_core.errors import ConfigError
from baco_core.model import Model
from baco_core.pair import Member, Pair
from baco_core.plan import Plan, make_plan
from baco_core.source import Source
from baco_core.testing.fakes import FakeModel
from baco_core.tokenizer import Tokenizer

Planned = Callable[..., Plan]


def model(*, exact: bool = True) -> FakeModel:
    return FakeModel(1, made_bundle.VOCAB_SIZE, exact=exact)


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """Plan for a pair on a machine with two cores or as many as are told."""
    path = tmp_path / "tokenizer.json"
    path.write_text(made_bundle.tokenizer_json(), "utf-8")
    tokenizer = Tokenizer.from_file(path, vocab_size=made_bundle.VOCAB_SIZE)

    def make(base: Model, aligned: Model, decode: DecodeConfig, cores: int = 2) -> Plan:
        monkeypatch.setattr(plan_module, "available_cores", lambda: cores)
        models = {Source.BASE: base, Source.ALIGNED: aligned}
        return make_plan(
            decode, Pair({source: Member(one, tokenizer) for source, one in models.items()}, "tokens")
        )

    return make


def test_auto_lets_two_models_read_at_the_same_time_where_there_are_cores(planned: Planned) -> None:
    plan = planned(model(), model(), DecodeConfig())
    assert (plan.name, plan.concurrent) == ("speculative", True)
    assert str(plan) == "speculative, both models at the same time: two models on two or more cores"
    engine = plan.engine()
    assert isinstance(engine, Threads)
    engine.close()


def test_auto_lets_two_models_take_turns_on_one_core(planned: Planned) -> None:
    plan = planned(model(), model(), DecodeConfig(), cores=1)
    assert (plan.name, plan.concurrent) == ("patient", False)
    assert str(plan) == "speculative, one pass after the other: two models on one core"
    assert isinstance(plan.engine(), Inline)


def test_auto_reads_for_both_views_of_one_model_in_one_pass(planned: Planned) -> None:
    one = model()
    plan = planned(one, one, DecodeConfig())
    assert (plan.name, plan.concurrent) == ("speculative", False)
    assert "share one model" in plan.reason


@pytest.mark.parametrize("culprit", list(Source))
def test_models_whose_rows_depend_on_how_reading_is_cut_are_read_plainly(
    planned: Planned, culprit: Source
) -> None:
    models = [model(exact=source is not culprit) for source in Source]
    plan = planned(*models, DecodeConfig())
    assert plan.name == "plain"
    assert f"rows of the {culprit} model" in plan.reason
    with pytest.raises(ConfigError, match=f"rows of the {culprit} model depend.*decode.allow_inexact: true"):
        planned(*models, DecodeConfig(schedule="speculative"))


@pytest.mark.parametrize("schedule", ["auto", "speculative"])
def test_rows_that_are_not_exact_are_read_ahead_when_that_is_allowed(planned: Planned, schedule: str) -> None:
    decode = DecodeConfig(schedule=schedule, allow_inexact=True)  # type: ignore[arg-type]
    assert planned(model(exact=False), model(), decode).name == "speculative"


@pytest.mark.parametrize("schedule", ["plain", "lazy"])
def test_what_is_asked_for_runs_one_pass_after_the_other(planned: Planned, schedule: str) -> None:
    plan = planned(model(), model(), DecodeConfig(schedule=schedule))  # type: ignore[arg-type]
    assert (plan.name, plan.concurrent) == (schedule, False)
    assert str(plan) == f"{schedule}, one pass after the other: as asked for"
