"""A third language model that says how likely a text is, read through the project's own backend."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baco_core.bundle import MANIFEST_NAME, MemberRecord, sha256_of
from baco_core.config import Config, PairConfig, Part
from baco_core.errors import BundleError, ConfigError, LookUpError
from baco_core.model import Model
from baco_core.opening import MemberReference, open_member, reference_of
from baco_core.plugins import CONFIGURED, Plugins, load_plugins
from baco_core.source import Source
from baco_core.tokenizer import Tokenizer

_LOGGER = logging.getLogger(__name__)
DEFAULT_SCORERS = (
    "gemma3-smollm2:base",
    "smollm2-two-views:base",
    "gemma3-smollm2-int4:base",
    "smollm2-int4:base",
)
"""Gemma 3 270M, then SmolLM2 135M Instruct, in the bundles that the configs of these names export."""
ROWS_AT_ONCE = 64
"""Rows asked for in one call: 64 of a vocabulary of 262,144 take 64 MiB."""


class Window(NamedTuple):
    """Tokens `start` to `stop` are read in one go; those from `scored` on are scored."""

    start: int
    scored: int
    stop: int


@dataclass(frozen=True, slots=True)
class Scorer:
    """A language model that reads and does not write."""

    model: Model
    tokenizer: Tokenizer
    limit: int | None = None
    """Most tokens it reads at once, where that is less than the model can."""

    def log_probabilities(self, text: str, before: str = "") -> NDArray[np.float64]:
        """Return ln p of each token of `text` given what precedes it, in nats, shape (tokens,), float64.

        It reads its own BOS, where it has one, `before` (a prompt, not scored), then the text. Where
        there is neither, the first token has nothing to be judged by and is left out. A text beyond the
        limit is read in windows that begin with the BOS and overlap by half.
        """
        head = list(self.tokenizer.bos_ids)
        context = self.tokenizer.encode_context(before) if before else []
        body = [*context, *self.tokenizer.hear(text.encode())]
        first = len(context) if head or context else 1
        room = self._room(len(head))
        found = [self._read(head, body, window) for window in windows(len(body), first, room)]
        return np.concatenate(found) if found else np.empty(0, np.float64)

    def _room(self, head: int) -> int | None:
        limits = [limit for limit in (self.limit, self.model.context_limit) if limit]
        if limits and min(limits) < head + 2:
            raise ConfigError(f"a scorer that reads {min(limits)} tokens at once cannot judge; allow more.")
        return min(limits) - head if limits else None

    def _read(self, head: Sequence[int], body: Sequence[int], window: Window) -> NDArray[np.float64]:
        tokens = [*head, *body[window.start : window.stop]]
        begin = len(head) + window.scored - window.start
        sequence = self.model.open()
        if begin > 1:
            sequence.extend(tokens[: begin - 1], rows=0)
        parts = []
        for at in range(begin - 1, len(tokens) - 1, ROWS_AT_ONCE):
            read = tokens[at : min(at + ROWS_AT_ONCE, len(tokens) - 1)]
            rows = sequence.extend(read, rows=len(read))
            parts.append(log_likelihoods(rows, tokens[at + 1 : at + 1 + len(read)]))
        return np.concatenate(parts)


def windows(length: int, first: int, room: int | None) -> Iterator[Window]:
    """Yield windows of at most `room` tokens that score each token from `first` to `length` once.

    Every token but the first scored ones has at least half a window before it.
    """
    room = length if room is None else room
    scored = first
    while scored < length:
        start = 0 if length <= room or scored < room else scored - room // 2
        stop = min(length, start + room)
        yield Window(start, scored, stop)
        scored = stop


def log_likelihoods(rows: ArrayLike, token_ids: Sequence[int]) -> NDArray[np.float64]:
    """Return ln softmax(row)[token] of each row, shape (n,), float64; `rows` has shape (n, vocab_size).

    Exponentials are taken in the precision of the rows and summed in float64: for float32 that is some
    six times as fast as float64 throughout, and differs by about 1e-7.
    """
    logits: NDArray[Any] = np.asarray(rows)
    top = logits.max(axis=1, keepdims=True)
    shifted = logits - top
    picked = shifted[np.arange(len(logits)), list(token_ids)].astype(np.float64)
    found: NDArray[np.float64] = picked - np.log(np.exp(shifted, out=shifted).sum(axis=1, dtype=np.float64))
    return found


def writers(pair: PairConfig) -> tuple[str, ...]:
    """Return both members of a pair as references, as `open_scorer` wants them."""
    if pair.bundle is not None:
        return tuple(f"{pair.bundle}:{source}" for source in Source)
    return tuple(name for name in (pair.base, pair.aligned) if name is not None)


@lru_cache(maxsize=8)
def default_scorer(pair: tuple[str, ...]) -> str | None:
    """Return the first of DEFAULT_SCORERS that is exported and is no member of the pair, if any."""
    plugins = load_plugins(only=CONFIGURED)
    for name in DEFAULT_SCORERS:
        try:
            _refuse(name, pair, plugins)
        except (BundleError, ConfigError, LookUpError) as error:  # also a folder here that has such a name
            _LOGGER.debug("no scorer: %s", error)
        else:
            return name
    return None


@lru_cache(maxsize=2)
def open_scorer(bundle: str, pair: tuple[str, ...], backend: str, limit: int) -> Scorer:
    """Return the scorer `BUNDLE[:MEMBER]`, opened once; `pair` names who wrote, in the same way.

    Raises ConfigError when it is one of these, BundleError or LookUpError when there is no such bundle.
    """
    plugins = load_plugins(only=CONFIGURED)
    reference = _refuse(bundle, pair, plugins)
    runs = plugins.backends.build(Part(backend or Config().backend.use), "backend")
    member = open_member(reference, runs)
    return Scorer(member.model, member.tokenizer, limit or None)


def identity(bundle: str, pair: tuple[str, ...]) -> str:
    """Return a scorer's name and the SHA-256 of its bundle's manifest; raises as `open_scorer`."""
    reference = _refuse(bundle, pair, load_plugins(only=CONFIGURED))
    return f"{bundle} {sha256_of(reference.bundle.folder / MANIFEST_NAME)}"


def _refuse(scorer: str, pair: tuple[str, ...], plugins: Plugins) -> MemberReference:
    """Return the scorer's reference; ConfigError when it is one of the pair."""
    reference = _located(scorer, Source.BASE, plugins, "scorer")
    for index, (name, source) in enumerate(zip(pair, _roles(pair), strict=True)):
        refuse_same(reference, _located(name, source, plugins, f"pair[{index}]"), scorer, name)
    return reference


def _roles(pair: tuple[str, ...]) -> list[Source]:
    """Return what each writer is when its reference names no member: base first, then aligned."""
    return [Source.BASE, *[Source.ALIGNED] * (len(pair) - 1)]


def refuse_same(scorer: MemberReference, writer: MemberReference, name: str, other: str) -> None:
    """Raise ConfigError when both are made of the same weights, in whatever precision.

    Known by the hash of their source or of their weights, or by the hub's name of the source.
    """
    one, two = scorer.bundle.member(scorer.member), writer.bundle.member(writer.member)
    same = _same_source(one, two) or bool(_weights(scorer) & _weights(writer))
    if same:
        raise ConfigError(
            f"scorer {name!r} is {one.source.id!r}, which is also {other!r} of the pair that wrote; a model "
            "that judges its own text is circular: name a third one."
        )


def _located(text: str, source: Source, plugins: Plugins, where: str) -> MemberReference:
    reference = reference_of(text, source, plugins.bundles, where)
    reference.bundle.member(reference.member)
    return reference


def _same_source(one: MemberRecord, two: MemberRecord) -> bool:
    if one.source.sha256 and one.source.sha256 == two.source.sha256:
        return True
    # Only a hub's name names a model: a folder may be called anything, such as 'base'.
    return "/" in one.source.id and one.source.id.lower() == two.source.id.lower()


def _weights(reference: MemberReference) -> set[str]:
    """Return the hashes of a member's weights; graphs alone are equal for all models of an architecture."""
    files, graph = reference.bundle.manifest.files, reference.bundle.member(reference.member).model
    data = {record.sha256 for name, record in files.items() if name == f"{graph}.data"}
    return data or {record.sha256 for name, record in files.items() if name == graph}
