"""For plugin authors: fakes to test against, and checks a plugin must pass.

`fakes` holds models, vocabularies, samplers and routers without weights; `check_model`,
`check_router` and `check_sampler` raise AssertionError with the rule that was broken.
"""

from __future__ import annotations

from baco_core.testing.fakes import FakeModel, FakeTokenizer, PlainSampler, ScriptedRouter, fake_vocabulary
from baco_core.testing.models import check_model
from baco_core.testing.routers import check_router
from baco_core.testing.samplers import check_sampler

__all__ = [
    "FakeModel",
    "FakeTokenizer",
    "PlainSampler",
    "ScriptedRouter",
    "check_model",
    "check_router",
    "check_sampler",
    "fake_vocabulary",
]
