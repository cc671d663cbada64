"""What the observer has seen."""

from __future__ import annotations

from collections import Counter

from baco_core.source import Source

counts: Counter[Source] = Counter()
