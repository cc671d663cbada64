"""`--trace`: who wrote each token, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TextIO

from baco_core.events import Sample, TokenEvent
from baco_core.router import Decision
from baco_core.source import Source
from baco_core.vocabulary import Vocabulary


class Tracer:
    """Prints one line a token and one for each model's likeliest tokens."""

    def __init__(self, vocabularies: Mapping[Source, Vocabulary], out: TextIO) -> None:
        self._vocabularies = vocabularies
        self._out = out

    def show(self, item: TokenEvent | Sample) -> None:
        """Print what is known of a token; samples are shown elsewhere."""
        if isinstance(item, Sample):
            return
        piece = self._piece(item.source, item.token_id)
        why = explain(item.decision) if item.decision else "goes on inside the word"
        print(f"{item.position:4d} {item.source:7} {piece}  {why}", file=self._out)
        for source, likely in item.top:
            shown = "  ".join(f"{self._piece(source, token)} {math.exp(lnp):.3f}" for token, lnp in likely)
            print(f"     {'top ' + source:11}  {shown}", file=self._out)

    def _piece(self, source: Source, token_id: int) -> str:
        text = self._vocabularies[source].text_of([token_id])
        return repr(text) if text else f"<{token_id}>"  # special tokens write nothing


def explain(decision: Decision) -> str:
    """Return a decision's reason with its signal and threshold, as far as it has them."""
    signal = "" if decision.signal is None else f"{decision.signal:.4g}"
    threshold = "" if decision.threshold is None else f"{decision.threshold:.4g}"
    measured = " against ".join(part for part in (signal, threshold) if part)
    return ": ".join(part for part in (decision.reason, measured) if part) or "decided"
