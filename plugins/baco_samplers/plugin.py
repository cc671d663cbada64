"""The samplers as a plugin of BACo."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from baco_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from baco_core.sampler import Sampler


@hookimpl
def register_samplers(register: Callable[[str, Callable[..., Sampler]], None]) -> None:
    """Name the samplers."""
    from baco_samplers.samplers import Greedy, Multinomial

    register("greedy", Greedy)
    register("multinomial", Multinomial)
