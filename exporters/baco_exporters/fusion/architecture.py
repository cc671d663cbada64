"""What a model's configuration says about its attention, and what it leaves to be found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Architecture:
    """The figures that an attention operator needs and a graph does not state in one place.

    `positions` is the context limit; rotary tables get that many rows. `scales` are the factors of query
    times key that the configuration allows (nothing: one over the root of the head size), `softcaps` and
    `windows` the caps and sliding windows; 0 is none. Which of them a layer uses is measured, not believed.
    """

    name: str
    positions: int
    scales: tuple[float, ...] = ()
    softcaps: tuple[float, ...] = (0.0,)
    windows: tuple[int, ...] = (0,)

    @classmethod
    def of(cls, config: Any) -> Architecture:
        """Read a transformers configuration, or the mapping in a `config.json`."""
        values = _values(config)
        positions = int(values.get("max_position_embeddings") or values.get("n_positions") or 0)
        softcap = float(values.get("attn_logit_softcapping") or 0)
        window = int(values.get("sliding_window") or 0)
        return cls(
            name=str(values.get("model_type", "unknown")),
            positions=positions,
            scales=tuple(_scales(values)),
            softcaps=(softcap,),
            windows=(window, 0) if 0 < window < positions else (0,),
        )


def _scales(values: Mapping[str, Any]) -> list[float]:
    """Return the factors that some architectures put in place of one over the root of the head size."""
    scales = []
    if squared := values.get("query_pre_attn_scalar"):
        scales.append(float(squared) ** -0.5)
    if factor := values.get("attention_multiplier"):
        scales.append(float(factor))
    return scales


def _values(config: Any) -> Mapping[str, Any]:
    values: Mapping[str, Any] = config if isinstance(config, Mapping) else config.to_dict()
    return values
