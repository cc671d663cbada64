"""Numbers as people read them."""

from __future__ import annotations


def number(value: float) -> str:
    """Return a number in three digits, or whole from 1,000 to a million; with a real minus sign."""
    shown = f"{value:.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.3g}" if value else "0"
    digits, _, power = shown.partition("e")
    return (f"{digits}e{int(power)}" if power else digits).replace("-", "−")
