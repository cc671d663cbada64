"""What plugin authors test against passes the checks itself."""

from __future__ import annotations

import baco_core.testing
from baco_core.source import Source
from baco_core.testing import (
    FakeModel,
    PlainSampler,
    ScriptedRouter,
    check_model,
    check_router,
    check_sampler,
)


def test_the_public_names_are_one_sorted_list() -> None:
    assert baco_core.testing.__all__ == sorted(baco_core.testing.__all__)
    assert all(hasattr(baco_core.testing, name) for name in baco_core.testing.__all__)


def test_the_fakes_pass_the_checks() -> None:
    check_model(FakeModel(seed=1, vocab_size=13, context_limit=40))
    check_router(ScriptedRouter((Source.BASE, Source.ALIGNED)))
    check_sampler(PlainSampler())
