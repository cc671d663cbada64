"""The paper's routers and their baselines, as a plugin of BACo."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from baco_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from baco_core.router import Router


@hookimpl
def register_routers(register: Callable[[str, Callable[..., Router]], None]) -> None:
    """Name the paper's routers and what they are compared with."""
    from baco_routers import blend, chain, constant, content, judge, logit, rand

    register("base", constant.Base)
    register("aligned", constant.Aligned)
    register("rand", rand.Rand)
    register("p", logit.P)
    register("h", logit.H)
    register("punc", content.Punc)
    register("fc", content.Fc)
    register("p-punc", chain.PPunc)
    register("h-punc", chain.HPunc)
    register("p-fc", chain.PFc)
    register("h-fc", chain.HFc)
    register("judge", judge.Judge)
    register("nudging", logit.Nudging)
    register("ensemble", blend.Ensemble)
    register("contrast", blend.Contrast)
    register("chain", chain.Chain)
