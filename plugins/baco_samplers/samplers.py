"""The samplers: recipes that say which tokens may be picked, and how evenly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from baco_core.errors import ConfigError, ModelError
from baco_core.rows import Logits, largest
from baco_samplers.filters import keep_min_p, keep_top_k, keep_top_p, keep_typical
from baco_samplers.maker import Filter, make_filter
from baco_samplers.penalties import penalise_presence_and_frequency, penalise_repetition

_LARGEST = float(np.finfo(np.float32).max)
_RANGES = {
    "temperature": (0, math.inf),
    "top_k": (0, math.inf),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "typical_p": (0, 1),
    "repetition_penalty": (0.01, 100),
    "presence_penalty": (-100, 100),
    "frequency_penalty": (-100, 100),
}


@dataclass(frozen=True, slots=True)
class Greedy:
    """The most probable token, always: temperature 0, no filters.

    For penalties or a bias without randomness take `multinomial` with temperature 0.
    """

    temperature: ClassVar[float] = 0.0

    def filter(self, logits: Logits, history: Sequence[int]) -> Logits:
        """Return a copy of the row."""
        return logits.copy()


@dataclass(frozen=True, slots=True)
class Multinomial:
    """A draw from the distribution that bias, penalties and filters leave.

    Their order: logit_bias, repetition, presence and frequency, top_k, typical_p, top_p, min_p. Each
    acts on the untempered softmax of what the one before has left; the temperature comes last and is
    the core's. As they stand, the options change nothing.
    """

    temperature: Annotated[
        float, msgspec.Meta(ge=0, description="0 is greedy, 1 the models' own distribution.")
    ] = 1.0
    top_k: Annotated[int, msgspec.Meta(ge=0, description="Keep the k most probable tokens; 0 keeps all.")] = 0
    top_p: Annotated[
        float,
        msgspec.Meta(ge=0, le=1, description="Keep the fewest most probable tokens that hold this mass."),
    ] = 1.0
    min_p: Annotated[
        float,
        msgspec.Meta(ge=0, le=1, description="Keep tokens of at least this fraction of the top probability."),
    ] = 0.0
    typical_p: Annotated[
        float,
        msgspec.Meta(ge=0, le=1, description="Keep the tokens of most typical surprise that hold this mass."),
    ] = 1.0
    repetition_penalty: Annotated[
        float,
        msgspec.Meta(ge=0.01, le=100, description="Shrinks the logits of tokens already written; 1 is off."),
    ] = 1.0
    presence_penalty: Annotated[
        float,
        msgspec.Meta(ge=-100, le=100, description="Subtracted from the logits of tokens already written."),
    ] = 0.0
    frequency_penalty: Annotated[
        float,
        msgspec.Meta(ge=-100, le=100, description="Subtracted once for each time a token was written."),
    ] = 0.0
    logit_bias: Annotated[
        dict[int, float],
        msgspec.Meta(description="Added to the logits of these token ids, in both models; -.inf bans."),
    ] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if math.isnan(value) or not low <= value <= high or value == math.inf:
                allowed = f"finite and {low:g} or more" if high == math.inf else f"from {low:g} to {high:g}"
                raise ValueError(f"{name} must be a number, {allowed}, not {value}")
        for token_id, bias in self.logit_bias.items():
            if token_id < 0 or math.isnan(bias) or bias == math.inf:
                raise ValueError(f"logit_bias must map token ids to numbers or -.inf, not {token_id}: {bias}")

    def filter(self, logits: Logits, history: Sequence[int]) -> Logits:
        """Return the row of what may be picked (see `baco_core.sampler`).

        Raises ModelError when the row is no distribution, ConfigError when `logit_bias` names a token
        the model does not have or bans them all.
        """
        if not math.isfinite(largest(logits)):
            raise ModelError(
                f"a row of logits is no distribution (its largest value is {largest(logits)}); "
                "export the model again, or with a wider precision"
            )
        row = self._penalised(_biased(logits, self.logit_bias), history)
        return make_filter(self._filters())(row)

    def _penalised(self, logits: Logits, history: Sequence[int]) -> Logits:
        if self.repetition_penalty == 1 and self.presence_penalty == self.frequency_penalty == 0:
            return logits
        ids, counts = np.unique(np.asarray(history, np.int64), return_counts=True)
        values = penalise_repetition(logits[ids].astype(np.float64), counts, self.repetition_penalty)
        values = penalise_presence_and_frequency(
            values, counts, self.presence_penalty, self.frequency_penalty
        )
        return _with_values(logits, ids, values)

    def _filters(self) -> list[Filter]:
        filters: list[Filter] = []
        if self.top_k > 0:
            filters.append(partial(keep_top_k, k=self.top_k))
        if self.typical_p < 1:
            filters.append(partial(keep_typical, mass=self.typical_p))
        if self.top_p < 1:
            filters.append(partial(keep_top_p, mass=self.top_p))
        if self.min_p > 0:
            filters.append(partial(keep_min_p, fraction=self.min_p))
        return filters


def _biased(logits: Logits, bias: Mapping[int, float]) -> Logits:
    """Return l + bias (the definition of the OpenAI API)."""
    if not bias:
        return logits
    if max(bias) >= logits.size:
        raise ConfigError(
            f"sampler.options.logit_bias: token id {max(bias)} is outside a vocabulary of {logits.size}; "
            "the ids count for both models, so bias only a pair with one tokenizer"
        )
    ids = np.fromiter(bias.keys(), np.int64, len(bias))
    biases = np.fromiter(bias.values(), np.float64, len(bias))
    row = _with_values(logits, ids, logits[ids].astype(np.float64) + biases)
    if row.max() == -np.inf:
        raise ConfigError("sampler.options.logit_bias: it bans every token a model may write; leave one")
    return row


def _with_values(logits: Logits, ids: NDArray[np.int64], values: NDArray[np.float64]) -> Logits:
    """Return a new row with `values` at `ids`; finite values stay finite in float32."""
    finite = np.clip(values, -_LARGEST, _LARGEST)
    row = logits.copy()
    row[ids] = np.where(np.isneginf(values), -np.inf, finite)
    return row
