"""Faults of form that a mixture of two models, or a base model alone, can leave in a text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_TEMPLATE = re.compile(
    r"<\|[^|<>\s]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:bos|eos|pad|unk)>|<(?:start|end)_of_turn>"
)
_ROLE = re.compile(
    r"^[ \t]*(?:\*\*|#+ )?(?:user|human|assistant|system|instruction|response)(?:\*\*)?[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)


def faults(text: str) -> tuple[str, ...]:
    """Return the names of the faults of a text, in the order of FAULTS; none for a sound one."""
    return tuple(name for name, has in FAULTS.items() if has(text))


def _has_control_character(text: str) -> bool:
    return any(unicodedata.category(char) == "Cc" and char not in "\n\r\t" for char in text)


FAULTS: dict[str, Callable[[str], bool]] = {
    "empty": lambda text: not text.strip(),
    "broken-character": lambda text: "\ufffd" in text,
    "control-character": _has_control_character,
    "template-mark": lambda text: _TEMPLATE.search(text) is not None,
    "role-mark": lambda text: _ROLE.search(text) is not None,
    "open-fence": lambda text: len(_FENCE.findall(text)) % 2 == 1,
}
"""By name, what says that a text has the fault.

A broken character is U+FFFD, what is left of one that was split between models. A template mark is a
token of a chat template that was written out, a role mark a line that begins another turn, such as
`User:`. An open fence is a block of code that never ends.
"""
