"""Text to token ids: one model's `tokenizer.json`, read so that no byte is lost.

Prompts are read as the model's makers read them (`encode_context`). Generated text goes on inside a
sequence and is read without anything that changes it: no prefix space, no Unicode normalisation, no
special tokens (`encode_text`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from baco_core import vocabulary as vocabularies
from baco_core.errors import BundleError, PromptError
from baco_core.tokenizer_file import MARK, read_tokenizer_file, text_tokenizer, token_pieces
from baco_core.vocabulary import Vocabulary

if TYPE_CHECKING:
    import tokenizers

_IN_UTF8 = frozenset(range(256)) - {0xC0, 0xC1, *range(0xF5, 0x100)}
"""The bytes that occur in UTF-8."""
LONG = 10_000
"""Characters that take some 10 ms to encode."""
CHARACTERS = 8
"""More of them than tokens have on average in any language."""


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """One model's tokenizer. Immutable, and safe to use from several threads."""

    path: Path
    vocabulary: Vocabulary
    bos_ids: tuple[int, ...]
    """What a context that no chat template wrote starts with."""
    special_texts: frozenset[str]
    """The texts that `encode_context` reads as special tokens."""
    _prompts: tokenizers.Tokenizer = field(repr=False)
    _texts: tokenizers.Tokenizer = field(repr=False)

    @classmethod
    def from_file(
        cls,
        tokenizer_json: Path,
        *,
        vocab_size: int,
        bos_ids: Iterable[int] = (),
        end_ids: Iterable[int] = (),
        special_tokens: Mapping[str, str] | None = None,
    ) -> Tokenizer:
        """Read a `tokenizer.json`; `vocab_size` is the width of the model's row.

        These ids are special, so they write nothing: added tokens that the file marks so, `bos_ids`,
        `end_ids`, the tokens whose texts `special_tokens` names, the unknown token, and padding (ids
        that the file does not name).
        Raises BundleError for a file that is missing, damaged, of an unknown kind or too large for the row.
        """
        file = read_tokenizer_file(tokenizer_json)
        pieces = token_pieces(file, vocab_size)
        added = file.tokenizer.get_added_tokens_decoder()
        bos, ends = tuple(bos_ids), frozenset(end_ids)
        _check_range((*bos, *sorted(ends)), vocab_size, tokenizer_json)
        named = (file.tokenizer.token_to_id(text) for text in (special_tokens or {}).values())
        special = {number for number in (file.unknown_id, *named, *bos, *ends) if number is not None}
        special |= {number for number, token in added.items() if token.special}
        special |= {number for number, piece in enumerate(pieces) if piece is None}
        special = {number for number in special if number < vocab_size}
        return cls(
            path=tokenizer_json,
            vocabulary=Vocabulary(_silenced(pieces, special), frozenset(special), ends),
            bos_ids=bos,
            special_texts=frozenset(token.content for token in added.values() if token.special),
            _prompts=file.tokenizer,
            _texts=text_tokenizer(file, special),
        )

    def with_end_ids(self, end_ids: frozenset[int]) -> Tokenizer:
        """Return the same tokenizer with these end tokens; like all end tokens they write nothing."""
        old = self.vocabulary
        if end_ids == old.end_ids:
            return self
        pieces = _silenced(old.pieces, end_ids)
        return replace(self, vocabulary=Vocabulary(pieces, old.special_ids | end_ids, end_ids))

    def token_name(self, token_id: int) -> str:
        """Return what the file calls a token, special ones too; "" for padding."""
        return self._prompts.id_to_token(token_id) or ""

    def encode_context(self, text: str) -> list[int]:
        """Return the tokens of a prompt, as the model's makers would encode it.

        Special tokens in the text are recognised, wherever they came from: so chat templates work, and
        so a prompt can fake a turn (`PromptsConfig.special_text` can refuse that). None are added: a chat
        template writes its own BOS.
        Raises PromptError for a character the vocabulary cannot write.
        """
        token_ids = _encoded(self._prompts, _checked_text(text))
        beyond = next((number for number in token_ids if number >= self.vocabulary.size), None)
        if beyond is not None:
            name = self._prompts.id_to_token(beyond)
            raise PromptError(f"{name!r} in the prompt is a token this model does not have; take it out.")
        if not self._writes_all_text:
            self._check_characters(text)
        return token_ids

    def exceeds(self, text: str, most: int) -> bool:
        """Say whether a prompt surely has more than `most` tokens; encodes no more of it than that takes.

        Megabytes of text would be gigabytes of tokens.
        """
        size, counted = CHARACTERS * most, 0
        if len(text) <= size:
            return False
        for first in range(0, len(text), size):
            counted += len(_encoded(self._prompts, _checked_text(text[first : first + size])))
            if counted > 2 * most:  # what cutting has added to it is far less than half
                return True
        return False

    def encode_text(self, data: bytes) -> list[int]:
        """Return token ids that write exactly `data` and go on inside a sequence.

        Special tokens are not recognised: text that looks like one stays text. Bytes that are not
        UTF-8 become single-byte tokens.
        Raises PromptError, naming the bytes, when the vocabulary cannot write them; a byte-level or
        byte-fallback vocabulary can write anything.
        """
        text = data.decode("utf-8", errors="surrogateescape")
        parts = self._raw.split(text)  # plain, raw, plain, raw, ..., plain
        encoders = (self._encode_plain, self._encode_raw)
        return [token for i, part in enumerate(parts) if part for token in encoders[i % 2](part)]

    def hear(self, data: bytes) -> list[int]:
        """Return token ids of what another model wrote, as far as this vocabulary can write it.

        The same as `encode_text`, but a byte that no token writes (a control character, say) is left
        out: the text keeps it, and one model not reading it must not end a generation.
        """
        try:
            return self.encode_text(data)
        except PromptError:
            characters = data.decode("utf-8", errors="surrogateescape")
            return [token for character in characters for token in self._heard_character(character)]

    def _heard_character(self, character: str) -> list[int]:
        try:
            return self.encode_text(character.encode("utf-8", errors="surrogateescape"))
        except PromptError:
            return []

    @cached_property
    def _raw(self) -> re.Pattern[str]:
        """What has to be spelt in bytes: bytes that are not UTF-8, as surrogateescape shows them, and
        where spaces are written as marks, the mark itself."""
        mark = "" if self._write(self._texts.encode(MARK, add_special_tokens=False).ids, MARK) else MARK
        return re.compile(f"([\udc80-\udcff{mark}]+)")

    def _encode_raw(self, text: str) -> list[int]:
        """Encode text byte by byte."""
        token_ids: list[int] = []
        for value in text.encode("utf-8", errors="surrogateescape"):
            if value not in self._byte_ids:
                raise PromptError(f"{self.path}: the vocabulary cannot write {text!r} (byte 0x{value:02X}).")
            token_ids.append(self._byte_ids[value])
        return token_ids

    def _encode_plain(self, text: str) -> list[int]:
        """Encode text; where the model does not write it as it stands, character by character."""
        token_ids: list[int] = self._texts.encode(text, add_special_tokens=False).ids
        if self._write(token_ids, text):
            return token_ids
        return [token for character in text for token in self._encode_character(character)]

    def _encode_character(self, character: str) -> list[int]:
        token_ids: list[int] = self._texts.encode(character, add_special_tokens=False).ids
        return token_ids if self._write(token_ids, character) else self._encode_raw(character)

    def _write(self, token_ids: list[int], text: str) -> bool:
        size = self.vocabulary.size
        return all(i < size for i in token_ids) and self.vocabulary.bytes_of(token_ids) == text.encode()

    @cached_property
    def _byte_ids(self) -> dict[int, int]:
        """The first token that writes each single byte."""
        pieces = self.vocabulary.pieces
        single = np.flatnonzero(np.fromiter(map(len, pieces), np.int64, len(pieces)) == 1)
        return {pieces[number][0]: number for number in reversed(single.tolist())}

    @cached_property
    def _writes_all_text(self) -> bool:
        return self._byte_ids.keys() >= _IN_UTF8

    def _check_characters(self, text: str) -> None:
        """Raise PromptError for a character that the model would skip or read as unknown."""
        for special in self.special_texts:
            text = text.replace(special, "")
        for character in sorted(set(text)):
            read = self._prompts.encode(character, add_special_tokens=False).ids
            if not character.isspace() and not self.vocabulary.bytes_of(read).strip():
                raise PromptError(f"{self.path}: the vocabulary cannot write {character!r} of the prompt.")


def _encoded(tokenizer: tokenizers.Tokenizer, text: str) -> list[int]:
    """Return token ids. A long text as a batch of one: unlike `encode` that lets other threads go on."""
    if len(text) > LONG:
        (found,) = tokenizer.encode_batch_fast([text], add_special_tokens=False)
    else:
        found = tokenizer.encode(text, add_special_tokens=False)
    token_ids: list[int] = found.ids
    return token_ids


def same_vocabulary(base: Tokenizer, aligned: Tokenizer) -> bool:
    """Say whether two members may exchange token ids."""
    return vocabulary_difference(base, aligned) == ""


def vocabulary_difference(base: Tokenizer, aligned: Tokenizer) -> str:
    """Return why two members cannot exchange token ids, or nothing: see `baco_core.vocabulary`."""
    return vocabularies.vocabulary_difference(base.vocabulary, aligned.vocabulary)


def _silenced(pieces: Sequence[bytes | None], token_ids: Collection[int]) -> tuple[bytes, ...]:
    """Return pieces of which these tokens, all that are None among them, write nothing."""
    written = list(pieces)
    for token_id in token_ids:
        written[token_id] = b""
    return cast(tuple[bytes, ...], tuple(written))


def _check_range(token_ids: Iterable[int], vocab_size: int, path: Path) -> None:
    for number in token_ids:
        if not 0 <= number < vocab_size:
            raise BundleError(
                f"{path}: BOS or end token {number} is outside the model's {vocab_size} tokens; "
                "export the bundle again."
            )


def _checked_text(text: str) -> str:
    """Return `text`; PromptError when it holds half a surrogate pair, which no UTF-8 can say."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PromptError(
            f"the prompt is not valid UTF-8 at character {error.start} ({text[error.start]!r})."
        ) from None
    return text
