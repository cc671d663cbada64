"""A `tokenizer.json` on disk: its parts, what its tokens write, and a variant that changes no text."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from baco_core.errors import BundleError

if TYPE_CHECKING:
    import tokenizers

MARK = "\u2581"
"""What SentencePiece writes for a space."""

MAX_BYTES = 256_000_000

Component = dict[str, Any]
"""A normalizer, pre-tokenizer or decoder as JSON."""

_CHANGES_TEXT = frozenset(
    {
        *("NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled", "StripAccents", "Lowercase"),
        *("BertNormalizer", "Strip", "Prepend"),
        *("Whitespace", "WhitespaceSplit", "BertPreTokenizer", "CharDelimiterSplit"),  # they drop spaces
    }
)


class _Model(msgspec.Struct):
    vocab: dict[str, int] | list[tuple[str, float]]
    type: str | None = None
    unk_token: str | None = None
    unk_id: int | None = None


class _Spec(msgspec.Struct):
    model: _Model
    normalizer: Component | None = None
    pre_tokenizer: Component | None = None
    decoder: Component | None = None


@dataclass(frozen=True)
class TokenizerFile:
    """A file that was read: its parts as JSON, and the tokenizer they make."""

    path: Path
    spec: _Spec
    tokenizer: tokenizers.Tokenizer

    @property
    def unknown_id(self) -> int | None:
        """The id that stands for text the vocabulary cannot write."""
        name = self.spec.model.unk_token
        return self.spec.model.unk_id if name is None else self.tokenizer.token_to_id(name)


def read_tokenizer_file(path: Path) -> TokenizerFile:
    """Read a `tokenizer.json`; BundleError when it is missing, too large, damaged or of an unknown kind."""
    from tokenizers import Tokenizer

    content = _read(path)
    try:
        spec = msgspec.json.decode(content, type=_Spec)
        tokenizer = Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises bare Exception for a file it cannot parse
        raise BundleError(f"{path}: not a tokenizer.json that can be read: {error}.") from error
    tokenizer.no_truncation()  # a file may ask for it; a prompt must not be cut in silence
    tokenizer.no_padding()
    if getattr(tokenizer.model, "dropout", None) is not None:
        tokenizer.model.dropout = None  # same text, same tokens
    return TokenizerFile(path, spec, tokenizer)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BundleError(f"{path}: tokenizer is larger than {MAX_BYTES} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot read the tokenizer ({error.strerror}).") from error


def token_pieces(file: TokenizerFile, vocab_size: int) -> list[bytes | None]:
    """Return what each of `vocab_size` ids writes; None for ids that the file does not name.

    Ids beyond `vocab_size` cannot be picked: BundleError unless they are special (Gemma names one).
    """
    texts, numbers = _vocabulary(file.spec.model)
    added = file.tokenizer.get_added_tokens_decoder()
    size = max(vocab_size, 1 + max(numbers, default=-1), 1 + max(added, default=-1))
    pieces: list[bytes | None] = [None] * size
    for number, piece in zip(numbers, _decoder(file)(texts), strict=True):
        pieces[number] = piece
    marks = _writes_marks(file)
    for number, token in added.items():
        pieces[number] = (token.content.replace(MARK, " ") if marks else token.content).encode()
    beyond = [number for number in range(vocab_size, size) if pieces[number] is not None]
    if any(number not in added or not added[number].special for number in beyond):
        raise BundleError(
            f"{file.path}: the tokenizer names {size} tokens, but the model's row has {vocab_size}; "
            "does the tokenizer belong to this model?"
        )
    return pieces[:vocab_size]


def _vocabulary(model: _Model) -> tuple[list[str], Sequence[int]]:
    """Return the model's tokens and their ids."""
    if isinstance(model.vocab, dict):
        return list(model.vocab), list(model.vocab.values())
    return [text for text, _ in model.vocab], range(len(model.vocab))


def _decoder(file: TokenizerFile) -> Callable[[list[str]], list[bytes]]:
    """Return what turns token texts into the bytes they write; BundleError for an unknown kind."""
    if _writes_byte_alphabet(file):
        return _from_byte_alphabet
    if _writes_marks(file):
        return _from_marks_and_bytes if "ByteFallback" in _kinds(file.spec.decoder) else _from_marks
    kinds = ", ".join(_kinds(file.spec.decoder)) or "none"
    raise BundleError(
        f"{file.path}: decoder {kinds} is not supported; byte-level and SentencePiece-like tokenizers are."
    )


def _writes_byte_alphabet(file: TokenizerFile) -> bool:
    spec = file.spec
    return "ByteLevel" in (_kinds(spec.decoder) or _kinds(spec.pre_tokenizer))


def _writes_marks(file: TokenizerFile) -> bool:
    if _writes_byte_alphabet(file):
        return False
    spec = file.spec
    parts = [*_parts(spec.decoder), *_parts(spec.normalizer), *_parts(spec.pre_tokenizer)]
    return any(
        part.get("type") == "Metaspace" or MARK in (part.get("content"), _string(part)) for part in parts
    )


def _parts(component: Component | None) -> Iterator[Component]:
    """Yield the parts of a component, sequences taken apart."""
    if component is None:
        return
    inner = _members(component)
    if inner is None:
        yield component
    else:
        for part in component[inner]:
            yield from _parts(part)


def _members(component: Component) -> str | None:
    return next((key for key in ("normalizers", "pretokenizers", "decoders") if key in component), None)


def _kinds(component: Component | None) -> list[str]:
    return [str(part.get("type")) for part in _parts(component)]


def _string(part: Component) -> str | None:
    pattern = part.get("pattern")
    return pattern.get("String") if isinstance(pattern, Mapping) else None


def _from_marks(texts: list[str]) -> list[bytes]:
    return [text.replace(MARK, " ").encode() for text in texts]


def _from_marks_and_bytes(texts: list[str]) -> list[bytes]:
    single = {f"<0x{value:02X}>": bytes([value]) for value in range(256)}
    return [single.get(text) or text.replace(MARK, " ").encode() for text in texts]


def byte_alphabet() -> str:
    """Return the 256 characters by which byte-level tokenizers show the bytes 0 to 255 (GPT-2's table).

    Bytes that are visible characters in Latin-1 show themselves; the rest get U+0100 and on, in order.
    """
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = iter(range(0x100, 0x200))
    return "".join(chr(value if value in shown else next(hidden)) for value in range(256))


def _from_byte_alphabet(texts: list[str]) -> list[bytes]:
    """Turn all texts at once; a text with a character outside the alphabet writes itself."""
    alphabet = np.array([ord(character) for character in byte_alphabet()])
    table = np.full(alphabet.max() + 2, -1, np.int16)  # the last entry is for all that lies beyond
    table[alphabet] = np.arange(256)
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), "<u4")
    values = table[np.minimum(codes, table.size - 1)]
    written = values.astype(np.uint8).tobytes()
    pieces = [written[start:end] for start, end in pairwise(accumulate(map(len, texts), initial=0))]
    for index in _owners(np.flatnonzero(values < 0), texts):
        pieces[index] = texts[index].encode()
    return pieces


def _owners(places: Any, texts: list[str]) -> set[int]:
    """Return which texts the given places of the joined text lie in."""
    if places.size == 0:
        return set()
    ends = np.cumsum([len(text) for text in texts])
    return set(np.searchsorted(ends, places, side="right").tolist())


def text_tokenizer(file: TokenizerFile, special_ids: Collection[int]) -> tokenizers.Tokenizer:
    """Return a tokenizer with the same model whose tokens write exactly the text that was read.

    What changes text is left out, and the tokens in `special_ids` are not recognised.
    """
    from tokenizers import AddedToken, Tokenizer

    spec = file.spec
    parts: Component = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": _faithful(spec.normalizer),
        "pre_tokenizer": _faithful(spec.pre_tokenizer),
        "model": {"type": "BPE", "vocab": {}, "merges": []},
    }
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    tokenizer.model = file.tokenizer.model  # shared, so a large vocabulary is in memory once
    added = file.tokenizer.get_added_tokens_decoder()
    tokenizer.add_tokens(
        [
            AddedToken(token.content, normalized=token.normalized, special=number in special_ids)
            for number, token in sorted(added.items())
        ]
    )
    tokenizer.encode_special_tokens = True  # the library's name for: read them as plain text
    return tokenizer


def _faithful(component: Component | None) -> Component | None:
    """Return a component without what changes text; None when nothing is left."""
    if component is None:
        return None
    inner = _members(component)
    if inner is not None:
        kept = [part for part in map(_faithful, component[inner]) if part is not None]
        return {**component, inner: kept} if kept else None
    return _faithful_part(component)


def _faithful_part(part: Component) -> Component | None:
    kind = part.get("type")
    if kind in _CHANGES_TEXT or part.get("behavior") == "Removed":
        return None
    if kind == "Replace":
        return part if (_string(part), part.get("content")) == (" ", MARK) else None
    if kind == "ByteLevel":
        return {**part, "add_prefix_space": False}
    if kind == "Metaspace":
        kept = {key: value for key, value in part.items() if key != "add_prefix_space"}
        return {**kept, "prepend_scheme": "never"}
    return part
