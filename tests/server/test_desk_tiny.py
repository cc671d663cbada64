"""The desk with a real pair: the same to the bit, whatever the company."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from desk_world import Ear, said

from baco_core.config import load_config
from baco_core.pick import log_softmax_at
from baco_core.pipeline import Pipeline
from baco_core.plugins import load_plugins
from baco_core.prompts import TokenIds
from baco_core.source import Source
from baco_server.desk import Ask, Desk, DeskLimits, Finished, PromptScores

STORY = "Once upon a time there was a cat who lived in a house by the sea. " * 12


@pytest.fixture(scope="module")
def alone() -> Pipeline:
    return Pipeline.from_config(load_config(None), load_plugins(()))


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    desk = Desk.open(load_config(None), load_plugins(()), DeskLimits(texts=8, context_tokens=8192))
    desk.start()
    yield desk
    desk.close(60.0)


def config(*overrides: str) -> Any:
    return load_config(None, ["decode.max_new_tokens=24", *overrides])


PLAIN = ("prompts.base=plain", "prompts.aligned=plain")


def test_requests_of_all_kinds_at_once_are_written_as_each_is_alone(alone: Pipeline, desk: Desk) -> None:
    routers = ("p-punc", "base", "aligned", "rand", "h", "judge", "p")
    asks = [
        Ask(
            f"Tell me a story about a {'cat' if at % 2 else 'boat'}." + " Please." * (40 * (at % 3)),
            config(
                f"router={{use: {routers[at % len(routers)]}}}",
                f"decode.seed={at}",
                f"decode.n={1 + at % 3}",
                f"decode.schedule={('auto', 'plain', 'lazy', 'speculative')[at % 4]}",
                *(PLAIN if at % 5 == 0 else ()),
            ),
        )
        for at in range(14)
        if routers[at % len(routers)] != "judge"
    ]
    ears = [Ear() for _ in asks]
    gone = desk.submit(Ask(STORY, config("decode.n=8")), Ear())
    for ask, ear in zip(asks, ears, strict=True):
        desk.submit(ask, ear)
    gone.cancel()
    for ask, ear in zip(asks, ears, strict=True):
        assert ear.wait() == Finished("done")
        assert said(ear.samples) == said(alone.using(ask.config).generate(ask.prompt))


def test_a_long_prompt_read_beside_others_gives_the_same_text(alone: Pipeline, desk: Desk) -> None:
    ears = [Ear() for _ in range(4)]
    asks = [Ask(STORY + str(at // 2), config(f"decode.seed={at}")) for at in range(4)]
    jobs = [desk.submit(ask, ear) for ask, ear in zip(asks, ears, strict=True)]
    for ask, ear in zip(asks, ears, strict=True):
        assert ear.wait() == Finished("done")
        assert said(ear.samples) == said(alone.using(ask.config).generate(ask.prompt))
    assert sum(job.cached_tokens for job in jobs) > jobs[0].prompt_tokens  # they share the story


def test_token_ids_are_read_as_they_are_and_scored(alone: Pipeline, desk: Desk) -> None:
    member = alone.pair.members[Source.ALIGNED]
    ids = TokenIds(tuple(member.tokenizer.encode_context("Once upon a time there was a cat. " * 9)))
    ask = Ask(ids, config(*PLAIN), score=3)
    job = desk.submit(ask, ear := Ear())
    assert ear.wait() == Finished("done")
    assert job.prompt_tokens == len(ids.token_ids)
    scores = ear.told[0]
    assert isinstance(scores, PromptScores)
    assert said(ear.samples) == said(alone.using(ask.config).generate(ids))
    assert scores.token_ids == ids.token_ids
    rows = member.model.open().extend(ids.token_ids, len(ids.token_ids))
    wanted = [float(log_softmax_at(row, [i])[0]) for row, i in zip(rows, ids.token_ids[1:], strict=False)]
    assert scores.logprobs[0] is None
    np.testing.assert_array_equal(scores.logprobs[1:], wanted)
    assert [top[0][0] for top in scores.top[1:]] == [int(row.argmax()) for row in rows[:-1]]
    assert {len(top) for top in scores.top[1:]} == {3}


def test_scores_can_be_all_that_is_asked(desk: Desk) -> None:
    desk.submit(Ask("Once upon a time", config(*PLAIN), score=0, write=False), ear := Ear())
    assert ear.wait() == Finished("done")
    assert [type(item) for item in ear.told] == [PromptScores, Finished]


def test_cancelling_scores_ends_them(desk: Desk) -> None:
    before = desk.figures().requests.get("cancelled", 0)
    job = desk.submit(Ask(STORY * 2, config(*PLAIN), score=0, write=False), ear := Ear())
    job.cancel()
    assert ear.wait() in (Finished("cancelled"), Finished("done"))
    assert desk.figures().requests.get("cancelled", 0) - before == (ear.wait() == Finished("cancelled"))


def test_after_all_that_only_kept_contexts_live(desk: Desk) -> None:
    ear = Ear()
    done = threading.Event()
    desk.submit(Ask("A cat", config()), ear)
    ear.wait()
    done.set()
    assert desk.pipeline.kept
    gc.collect()
    living = sum(model.memory()["sequences"] for model in desk.pipeline.pair.models)  # type: ignore[attr-defined]
    assert living <= len(desk.pipeline.kept)
