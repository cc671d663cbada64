"""Small tokenizers, trained here: one of each kind that real models use."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from baco_core import tokenizer as ours

CORPUS = [
    "The lighthouse stood above the sea, and the keeper said: don't go!",
    "Once upon a time there was a little girl. She had 123 apples  and a café.\n\nThe end.",
    "def light(house):\n    return house + 1\n",
    "naïve façade, übermäßig; 東京 and 🙂 emoji — “quoted”",
]
UNKNOWN = "<unk>"
SPECIAL = [UNKNOWN, "<s>", "<|end|>"]
END = 2


def byte_level() -> Tokenizer:
    """GPT-2's kind, with an added token for a run of spaces, as in GPT-NeoX."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    _train(tokenizer, pre_tokenizers.ByteLevel.alphabet())
    tokenizer.add_tokens([AddedToken("   "), AddedToken("é!", normalized=False)])
    return tokenizer


def normalising() -> Tokenizer:
    """Byte-level with everything that changes text: NFC, lower case, a prefix space, cuts, truncation."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Lowercase(), normalizers.Strip()]
    )
    cuts = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Split(Regex(r"\s+$"), "removed")]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*cuts, pre_tokenizers.ByteLevel(add_prefix_space=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    _train(tokenizer, pre_tokenizers.ByteLevel.alphabet())
    tokenizer.enable_truncation(4)
    return tokenizer


def sentence_piece() -> Tokenizer:
    """Llama-2's kind: a prefix space, spaces as marks, byte fallback."""
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    _train(tokenizer, [])
    tokenizer.model = _with_bytes(tokenizer)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def metaspace() -> Tokenizer:
    """The newer spelling of that kind: Metaspace does the spaces; added tokens hold marks, as Gemma's."""
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    _train(tokenizer, [])
    tokenizer.model = _with_bytes(tokenizer)
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="always")]
    )
    tokenizer.add_tokens([AddedToken("▁▁▁▁", normalized=False), AddedToken("\n\n", normalized=False)])
    return tokenizer


def unigram() -> Tokenizer:
    """A unigram model with byte fallback, whose byte pieces can also be spelt."""
    tokens = [
        *SPECIAL,
        *(f"<0x{value:02X}>" for value in range(256)),
        "▁",
        "▁the",
        "th",
        "e",
        "l",
        "i",
        "▁light",
    ]
    model = models.Unigram(
        [(token, -float(i) / 100) for i, token in enumerate(tokens)], unk_id=0, byte_fallback=True
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def two_letters(*, with_space: bool = False) -> Tokenizer:
    """A byte-level vocabulary that lacks nearly all bytes."""
    pieces = {"a": 0, "b": 1, "ab": 2, **({"Ġ": 3} if with_space else {})}
    tokenizer = Tokenizer(models.BPE(pieces, [("a", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


KINDS: Mapping[str, Callable[[], Tokenizer]] = {
    made.__name__: made for made in (byte_level, normalising, sentence_piece, metaspace, unigram)
}


@cache
def tokenizer(kind: str) -> ours.Tokenizer:
    """Return one of these tokenizers as the project reads it, with seven ids of padding."""
    made = KINDS[kind]()
    return opened(made, vocab_size=made.get_vocab_size() + 7)


def opened(made: Tokenizer, **options: Any) -> ours.Tokenizer:
    """Save a tokenizer and read it."""
    with tempfile.TemporaryDirectory() as folder:
        path = saved(made, Path(folder))
        return ours.Tokenizer.from_file(
            path, **{"end_ids": [END], "vocab_size": made.get_vocab_size(), **options}
        )


def saved(made: Tokenizer, folder: Path) -> Path:
    """Write a `tokenizer.json` into a folder."""
    path = folder / "tokenizer.json"
    made.save(str(path))
    return path


def _train(tokenizer: Tokenizer, alphabet: list[str]) -> None:
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS * 4, trainer)


def _with_bytes(tokenizer: Tokenizer) -> models.BPE:
    model = json.loads(tokenizer.to_str())["model"]
    pieces = {**model["vocab"]}
    for value in range(256):
        pieces.setdefault(f"<0x{value:02X}>", len(pieces))
    merges = [(left, right) for left, right in model["merges"]]
    return models.BPE(pieces, merges, unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True)
