"""The tokenizer of a GGUF file, built from its own vocabulary.

Two kinds are known. `gpt2` is byte-level BPE with a merge list. `llama` is SentencePiece's BPE: there is
no merge list, the pair whose joined piece has the highest score is joined first (Kudo and Richardson
2018), so the list is every split of every piece, best piece first.
transformers converts Gemma's GGUF as if it were Llama's and gets other ids; this module is checked
against llama.cpp's ids text by text.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import TYPE_CHECKING

from baco_core.errors import ExportError
from baco_exporters.gguf_file import GgufFile
from baco_exporters.pretokenizers import pre_tokenizer

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer

SPACE = "\u2581"
"""What SentencePiece writes for a space."""


class TokenType(IntEnum):
    """GGUF's token types."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


def build_tokenizer(file: GgufFile) -> Tokenizer:
    """Return the tokenizer of a GGUF file; it adds no BOS by itself (the bundle's manifest says).

    Control tokens are special: they are read as such, or as plain text with `encode_special_tokens`.
    Raises ExportError for a tokenizer model that is not known.
    """
    kind = file.text("tokenizer.ggml.model")
    if kind == "gpt2":
        tokenizer = _byte_level(file)
    elif kind == "llama":
        tokenizer = _sentence_piece(file)
    else:
        raise ExportError(f"{file.path}: tokenizer.ggml.model {kind!r} is not known; known: gpt2, llama.")
    tokenizer.add_tokens(_added(file))
    return tokenizer


def scored_merges(pieces: dict[str, float]) -> list[tuple[str, str]]:
    """Return every way to join two pieces into a third, the highest-scored result first.

    Pieces with equal scores keep the order of `pieces`, which is the order of their ids.
    """
    best_first = sorted(pieces, key=lambda piece: -pieces[piece])
    return [split for piece in best_first for split in _splits(piece, pieces)]


def _splits(piece: str, pieces: dict[str, float]) -> Iterator[tuple[str, str]]:
    for cut in range(1, len(piece)):
        left, right = piece[:cut], piece[cut:]
        if left in pieces and right in pieces:
            yield left, right


def _byte_level(file: GgufFile) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    rule = pre_tokenizer(file.text("tokenizer.ggml.pre") or "default", str(file.path))
    merges = [_pair(merge, file) for merge in file.texts("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(_vocabulary(file), merges, ignore_merges=rule.ignore_merges))
    cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in rule.patterns]
    bytes_to_text = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*cuts, bytes_to_text])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _pair(merge: str, file: GgufFile) -> tuple[str, str]:
    left, space, right = merge.partition(" ")
    if not (left and space and right):
        raise ExportError(f"{file.path}: GGUF merge {merge!r} is not two pieces; the file is damaged.")
    return left, right


def _sentence_piece(file: GgufFile) -> Tokenizer:
    from tokenizers import Tokenizer, models

    tokens, types = file.texts("tokenizer.ggml.tokens"), _types(file)
    scores = file.numbers("tokenizer.ggml.scores")
    normal = {t: s for t, s, k in zip(tokens, scores, types, strict=True) if k == TokenType.NORMAL}
    unknown = file.integer("tokenizer.ggml.unknown_token_id")
    model = models.BPE(
        _vocabulary(file),
        scored_merges(normal),
        unk_token=None if unknown is None else tokens[unknown],
        fuse_unk=True,
        byte_fallback=TokenType.BYTE in types,
    )
    tokenizer = Tokenizer(model)
    _space_rules(tokenizer, prefix=file.flag("tokenizer.ggml.add_space_prefix", default=True))
    return tokenizer


def _space_rules(tokenizer: Tokenizer, *, prefix: bool) -> None:
    """Write spaces as SentencePiece does; `prefix` puts one before each stretch of plain text."""
    from tokenizers import decoders, normalizers

    replace = normalizers.Replace(" ", SPACE)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), replace]) if prefix else replace
    strip = [decoders.Strip(" ", 1, 0)] if prefix else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )


def _vocabulary(file: GgufFile) -> dict[str, int]:
    tokens = file.texts("tokenizer.ggml.tokens")
    vocabulary = {token: index for index, token in enumerate(tokens)}
    if len(vocabulary) != len(tokens):
        raise ExportError(f"{file.path}: the GGUF vocabulary holds a token twice; the file is damaged.")
    return vocabulary


def _types(file: GgufFile) -> list[int]:
    types = file.integers("tokenizer.ggml.token_type")
    if len(types) != len(file.texts("tokenizer.ggml.tokens")):
        raise ExportError(f"{file.path}: GGUF tokens and token types differ in number; the file is damaged.")
    return types


def _added(file: GgufFile) -> list[AddedToken]:
    """Return the tokens that are cut out of a text before anything else."""
    from tokenizers import AddedToken

    special = {TokenType.CONTROL, TokenType.UNKNOWN}
    return [
        AddedToken(token, special=kind in special, normalized=False)
        for token, kind in zip(file.texts("tokenizer.ggml.tokens"), _types(file), strict=True)
        if kind in special or kind == TokenType.USER_DEFINED
    ]
