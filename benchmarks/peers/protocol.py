"""How a measuring process is asked: one JSON object a line in, one a line out. Nothing but Python needed.

The first line out says what is ready; then each request `{"op": NAME, ...}` is answered by what the
handler of that name returns, or by `{"error": TEXT}`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

Handler = Callable[..., Mapping[str, Any]]


def serve(handlers: Mapping[str, Handler], open_all: Callable[[], Mapping[str, Any]]) -> None:
    """Answer requests until the input ends. What libraries print goes to stderr."""
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    try:
        _say(out, {"ready": dict(open_all())})
    except Exception as error:  # whatever a library raises is the answer
        _say(out, {"error": f"{type(error).__name__}: {error}"})
        return
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = handlers[request.pop("op")](**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        _say(out, answer)


def _say(out: Any, answer: Mapping[str, Any]) -> None:
    out.write(json.dumps(answer) + "\n")
