"""What an export makes of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from baco_core.errors import ConfigError

Precision = Literal["fp32", "fp16", "int8", "int4"]
AccuracyLevel = Literal[0, 1, 4]
BlockSize = Literal[32, 64, 128]
Compact = Literal[8, 16]
SLOTS = (2, 4, 8, 16)
"""How many sequences the further graphs of a fused export read in one pass."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Precision of the weights, and how they are stored and computed with.

    `compact` stores float32 weights in so many bits, `fuse` puts GroupQueryAttention in place of attention.
    `accuracy_level` and `block_size` are those of MatMulNBits, for int4 and int8; `head_precision` is that of
    the head, and of an embedding tied to it, where it differs. Raises ConfigError for what makes no sense.
    """

    precision: Precision = "fp32"
    compact: Compact | None = None
    fuse: bool = True
    accuracy_level: AccuracyLevel = 4
    block_size: BlockSize = 32
    head_precision: Literal["int8"] | None = None

    def __post_init__(self) -> None:
        _check_among("precision", self.precision, get_args(Precision))
        _check_among("accuracy level", self.accuracy_level, get_args(AccuracyLevel))
        _check_among("block size", self.block_size, get_args(BlockSize))
        if self.head_precision and self.precision != "int4":
            raise ConfigError(
                f"baco export: --head-precision {self.head_precision} is for --precision int4, "
                f"not {self.precision}."
            )
        if self.compact and self.precision != "fp32":
            raise ConfigError(
                "baco export: --compact stores fp32 weights in fewer bits and computes in fp32; "
                f"leave it out, or leave --precision at fp32 instead of {self.precision}."
            )

    @property
    def head_bits(self) -> int | None:
        """Bits of a weight of the head."""
        return 8 if self.head_precision else self.bits

    @property
    def bits(self) -> int | None:
        """Bits of a quantised weight; None when nothing is quantised."""
        return {"int8": 8, "int4": 4}.get(self.precision)

    @property
    def name(self) -> str:
        """The precision as the manifest states it."""
        stored = {8: "fp32 stored as int8", 16: "fp32 stored as fp16"}
        return stored[self.compact] if self.compact else self.precision


def _check_among(what: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        known = ", ".join(str(one) for one in allowed)
        raise ConfigError(f"baco export: {what} {value!r} is not known; choose one of {known}.")
