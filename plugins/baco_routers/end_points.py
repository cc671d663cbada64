"""Options at which a router is one of the two models alone: a text is then that model's, to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

END_POINTS: tuple[tuple[str, Mapping[str, Any], str], ...] = (
    ("p", {"gamma": 0.0}, "aligned"),
    ("p", {"gamma": 1.5}, "base"),
    ("h", {"gamma": float("inf")}, "aligned"),
    ("h", {"gamma": -1.0}, "base"),
    ("rand", {"gamma": 0.0}, "aligned"),
    ("rand", {"gamma": 1.0}, "base"),
    ("punc", {"fires_on": "all"}, "aligned"),
    ("punc", {"fires_on": "none"}, "base"),
    ("fc", {"fires_on": "all"}, "aligned"),
    ("fc", {"fires_on": "none"}, "base"),
    ("p-punc", {"gamma": 0.0}, "aligned"),
    ("p-punc", {"gamma": 1.5, "fires_on": "none"}, "base"),
    ("p-fc", {"gamma": 1.5, "fires_on": "none"}, "base"),
    ("nudging", {"gamma": 1.5}, "aligned"),
    ("nudging", {"gamma": 0.0}, "base"),
    ("ensemble", {"weight": 0.0}, "aligned"),
    ("ensemble", {"weight": 1.0, "rule": "logits"}, "base"),
    ("contrast", {"alpha": 1.0}, "aligned"),
    ("contrast", {"alpha": 0.0}, "base"),
)
"""Router, options, and which model it is then."""
