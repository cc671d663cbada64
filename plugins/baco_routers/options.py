"""Options that several routers share, and how their values are checked."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec

Gamma = Annotated[
    float,
    msgspec.Meta(
        ge=0,
        description="Base writes where its top probability is below gamma: 0 never, above 1 always.",
    ),
]
EntropyGamma = Annotated[
    float,
    msgspec.Meta(
        description="Base writes where its entropy, in nats, is above gamma: below 0 always, .inf never."
    ),
]
Probe = Annotated[
    Literal["base", "aligned", "either"],
    msgspec.Meta(description="Whose most probable token the content rule looks at."),
]
FiresOn = Annotated[
    Literal["class", "all", "none"],
    msgspec.Meta(
        description="The tokens the content rule fires on: its class, or the rule's end points, all and none."
    ),
]
Language = Annotated[
    str, msgspec.Meta(description="Language of the function words, as a two-letter code (de, en, es, fr).")
]
Words = Annotated[tuple[str, ...], msgspec.Meta(description="Further words that count as function words.")]


def require_number(name: str, value: float, low: float = -math.inf, high: float = math.inf) -> None:
    """Raise ValueError unless `value` is a number in [low, high]; NaN never is."""
    if math.isnan(value) or not low <= value <= high:
        raise ValueError(f"{name} must be {_range(low, high)}, not {value}")


def require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _range(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "a number"
    return f"{low:g} or more" if math.isinf(high) else f"from {low:g} to {high:g}"
