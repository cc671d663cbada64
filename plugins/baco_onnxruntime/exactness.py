"""Finds out whether rows are equal to the bit however reading is cut, and remembers the verdict.

It depends on the kernels, and so on the processor, the runtime, the threads and the weights' precision:
nobody can know it before. So the first time, a short text is read in every way a schedule might read it.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from baco_core.paths import cache_folder
from baco_core.rows import Rows
from baco_onnxruntime.files import files_of
from baco_onnxruntime.processor import processor
from baco_onnxruntime.rounding import level_2_bytes

if TYPE_CHECKING:
    from baco_onnxruntime.model import OnnxModel
    from baco_onnxruntime.sequence import OnnxSequence

PROBE = 3
"""Counted up when the probe asks other questions, so that old verdicts are forgotten."""

CONTEXT = 7
"""How many of them are a context where contexts are read unlike what follows (`ModelFiles.singly`)."""
SHORT = 12
"""Tokens that are read in every way."""
LONG = 160
"""Tokens that are read in large chunks and in small: beyond the first lengths where kernels change."""
LAST = 16
"""Rows of them that are compared."""

_LOGGER = logging.getLogger(__name__)


class Verdict(msgspec.Struct, frozen=True):
    """What was found, and of what."""

    fewest: int
    """Rows that kernels outside of attention must be given for rows to be exact; 0: nothing helps."""
    about: dict[str, Any]


def known(model: OnnxModel) -> Verdict | None:
    """Return the verdict of an earlier time, if there is one."""
    about = _facts(model)
    return _read(_place(about), about)


def probed(model: OnnxModel) -> Verdict:
    """Probe, and keep the verdict in the cache folder."""
    _LOGGER.info("%s: trying whether rows are exact, once for this graph and processor", model.session.path)
    about = _facts(model)
    verdict = Verdict(probe(model), about)
    _write(_place(about), verdict)
    return verdict


def probe(model: OnnxModel) -> int:
    """Return the fewest rows, of `model.ways`, with which rows are exact; 0 when they never are.

    Reads a short text in many ways and compares all rows to the bit. Counts no pass of `model`.
    """
    return next((fewest for fewest in model.ways if _is_exact(model.twin(), fewest)), 0)


def _is_exact(twin: OnnxModel, fewest: int) -> bool:
    twin.fewest = fewest
    limit = twin.context_limit or LONG
    tokens = [(17 + 7919 * at) % twin.vocab_size for at in range(min(LONG, limit))]
    short = tokens[:SHORT]
    if twin.files.singly and len(tokens) > SHORT + LAST:
        return _behind_contexts_is_exact(twin, short, CONTEXT) and _behind_contexts_is_exact(
            twin, tokens, len(tokens) - LAST
        )
    whole = twin.open().extend(short, len(short))
    return all(np.array_equal(rows, whole) for rows in _ways(twin, short)) and _long_is_exact(twin, tokens)


def _behind_contexts_is_exact(model: OnnxModel, tokens: list[int], context: int) -> bool:
    """Read a context in pieces, and what follows together, one by one, after a rewind, in company."""
    begun = [
        _context_in_pieces(model, tokens[:context], sizes)
        for sizes in ([256], [33, 2, 1], [1], [64, 1, 3], [3], [7, 1, 4])
    ]
    first, sequence = begun[0]
    if not all(np.array_equal(row, first) for row, _ in begun):
        return False
    text = tokens[context:]
    whole = sequence.extend(text, len(text))
    ways = [_in_pieces(one, text, [1]) for _, one in begun[1:4]]
    ways += [_again(sequence, text, context), _beside(model, begun[4][1], text)]
    ways += [_beside(model, begun[5][1], text, pieces=2)]
    return all(np.array_equal(rows, whole) for rows in ways)


def _context_in_pieces(
    model: OnnxModel, tokens: list[int], sizes: Sequence[int]
) -> tuple[Rows, OnnxSequence]:
    sequence, at, turn = model.open(), 0, 0
    while at < len(tokens):
        stop = at + sizes[turn % len(sizes)]
        row = sequence.prefill(tokens[at:stop])
        at, turn = stop, turn + 1
    return row, sequence


def _again(sequence: OnnxSequence, text: list[int], context: int) -> Rows:
    """Read other tokens behind the context, go back, and read the text."""
    for others in (text[::-1], text):
        sequence.rewind(context)
        rows = sequence.extend(others, len(others))
    return rows


def _beside(model: OnnxModel, one: OnnxSequence, text: list[int], pieces: int = 1) -> Rows:
    """Read a text beside sequences with other contexts."""
    others = [_context_in_pieces(model, text[: 2 + which], [5])[1] for which in range(3)]
    rows: list[Rows] = []
    for at in range(0, len(text), pieces):
        piece = text[at : at + pieces]
        company = others[: at % (len(others) + 1)]
        calls = [[text[-1 - at]]] * len(company)
        counts = [len(piece), *[1] * len(company)]
        rows.append(model.extend_many([one, *company], [piece, *calls], counts)[0])
    return np.concatenate(rows)


def _ways(model: OnnxModel, tokens: list[int]) -> Iterator[Rows]:
    """Yield the rows of the tokens, read in twos, in fives, one by one, after a rewind, in company."""
    for sizes in ([2], [3], [5], [1], [7, 1, 4, 1, 1]):
        yield _in_pieces(model.open(), tokens, sizes)
    yield _rewound(model, tokens)
    yield _in_company(model, tokens)


def _in_pieces(sequence: OnnxSequence, tokens: Sequence[int], sizes: Sequence[int]) -> Rows:
    rows: list[Rows] = []
    at = 0
    while at < len(tokens):
        piece = tokens[at : at + sizes[len(rows) % len(sizes)]]
        rows.append(sequence.extend(piece, len(piece)))
        at += len(piece)
    return np.concatenate(rows)


def _rewound(model: OnnxModel, tokens: list[int]) -> Rows:
    """Read, go back behind the fifth token, read others, go back again, and read the rest."""
    sequence, kept = model.open(), min(5, len(tokens) - 1)
    first = sequence.extend(tokens, len(tokens))[:kept]
    for others in (tokens[::-1][kept:], tokens[kept:]):
        sequence.rewind(kept)
        rest = sequence.extend(others, len(others))
    return np.concatenate([first, rest])


def _in_company(model: OnnxModel, tokens: list[int]) -> Rows:
    """Read beside sequences that read other tokens in other pieces."""
    one, others, rows = model.open(), [model.open() for _ in range(3)], []
    for at, token in enumerate(tokens):
        calls = [(one, [token])]
        for index, other in enumerate(others):
            ids = [tokens[-1 - at]] * (at % (index + 2))
            if ids and other.length + len(ids) <= (model.context_limit or LONG):
                calls.append((other, ids))
        answers = model.extend_many([who for who, _ in calls], [ids for _, ids in calls], [1] * len(calls))
        rows.append(answers[0])
    return np.concatenate(rows)


def _long_is_exact(model: OnnxModel, tokens: list[int]) -> bool:
    last = min(LAST, len(tokens))
    wanted = model.open().extend(tokens, last)
    for sizes in ([33, 2, 1], [64, 1, 3]):
        sequence, at, turn = model.open(), 0, 0
        while at < len(tokens) - last:
            stop = min(at + sizes[turn % len(sizes)], len(tokens) - last)
            sequence.extend(tokens[at:stop], 0)
            at, turn = stop, turn + 1
        if not np.array_equal(_in_pieces(sequence, tokens[at:], (1, 2, 1, 4)), wanted):
            return False
    return True


def _place(about: dict[str, Any]) -> Path:
    name = hashlib.sha256(msgspec.json.encode(about, order="deterministic")).hexdigest()[:24]
    return cache_folder() / "exactness" / f"{name}.json"


def _facts(model: OnnxModel) -> dict[str, Any]:
    """Return all that the verdict may depend on."""
    placement, files = model.session.placement, files_of(model.session.path)
    files += [model.files.adapter] if model.files.adapter else []
    return {
        "probe": PROBE,
        "runtime": model.session.runtime.__version__,
        "processor": processor(),
        "level 2": level_2_bytes(),
        "processors": os.cpu_count(),
        "provider": placement.provider,
        "device": placement.device_id,
        "threads": placement.intra_op_threads,
        "chunk": model.chunk,
        "singly": model.files.singly,
        "files": [_fingerprint(path) for path in files],
    }


def _fingerprint(path: Path) -> list[str | int]:
    found = path.stat()
    return [str(path.resolve()), found.st_size, found.st_mtime_ns]


def _read(path: Path, about: dict[str, Any]) -> Verdict | None:
    """Return the verdict kept in `path`; None when there is none, or none that can be read."""
    try:
        verdict = msgspec.json.decode(path.read_bytes(), type=Verdict)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return verdict if verdict.about == about else None


def _write(path: Path, verdict: Verdict) -> None:
    """Keep the verdict. Where that is not possible it will be found anew: no reason to fail."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(verdict)))
        partial.replace(path)
    except OSError as error:
        _LOGGER.debug("%s: cannot keep the verdict: %s", path, error)
