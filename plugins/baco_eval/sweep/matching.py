"""Gives a control the base share of the setting that it matches."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from baco_core.config import Part
from baco_eval.records import Generation, Setting
from baco_eval.sweep.grid import Cell
from baco_eval.sweep.store import Key


def matched(cell: Cell, there: Mapping[Key, Generation]) -> Cell:
    """Return a control as it is written: its gamma is the base share of all texts it matches.

    Those must be `there`. Any other cell is returned as it is.
    """
    return with_share(cell, share_of(cell.setting, there))


def share_of(setting: Setting, there: Mapping[Key, Generation]) -> float | None:
    """Return the base share of all texts that a control matches; None for any other setting."""
    if setting.matches is None:
        return None
    texts = [text for text in there.values() if (text.method, text.setting) == setting.matches]
    tokens = sum(text.tokens for text in texts)
    return sum(text.base_tokens for text in texts) / tokens if tokens else 0.0


def with_share(cell: Cell, share: float | None) -> Cell:
    """Return a control with its base share."""
    if share is None:
        return cell
    return dataclasses.replace(cell, router=Part(cell.router.use, {"gamma": share}, cell.router.origin))
