"""How byte-level tokenizers cut a text before merging, by the name in GGUF's `tokenizer.ggml.pre`.

Each entry is a run of regular expressions; a text is cut by the first, each piece by the next. They are
facts about the models' own tokenizers, under the names that llama.cpp's converter gives them.
"""

from __future__ import annotations

from dataclasses import dataclass

from baco_core.errors import ExportError, did_you_mean

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def _cl100k(digits: str) -> str:
    """Return the pattern that GPT-4 began: contractions of any case, words, `digits`, runs of punctuation."""
    rest = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    return rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}|{rest}"


def _cased(digits: str, suffix: str) -> str:
    """Return the pattern that also cuts where lower case turns into upper case."""
    lead = r"[^\r\n\p{L}\p{N}]?"
    rest = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    return f"{lead}{_UPPER}*{_LOWER}+{suffix}|{lead}{_UPPER}+{_LOWER}*{suffix}|{digits}|{rest}"


@dataclass(frozen=True, slots=True)
class PreTokenizer:
    """The cuts, whether a whole piece in the vocabulary is taken unmerged, and whether BOS is the default."""

    patterns: tuple[str, ...]
    ignore_merges: bool = False
    add_bos: bool = False


_PLAIN = PreTokenizer((_GPT2,))
_DIGIT_BY_DIGIT = PreTokenizer((r"\p{N}", _GPT2))
_QWEN = PreTokenizer((_cl100k(r"\p{N}"),))
_THREE_DIGITS = PreTokenizer((_cl100k(r"\p{N}{1,3}"),))

PRE_TOKENIZERS: dict[str, PreTokenizer] = {
    "default": PreTokenizer((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")),
    "gpt-2": _PLAIN,
    "mpt": _PLAIN,
    "olmo": _PLAIN,
    "phi-2": _PLAIN,
    "jais": _PLAIN,
    "smollm": _DIGIT_BY_DIGIT,
    "starcoder": _DIGIT_BY_DIGIT,
    "refact": _DIGIT_BY_DIGIT,
    "command-r": _DIGIT_BY_DIGIT,
    "codeshell": _DIGIT_BY_DIGIT,
    "exaone": _DIGIT_BY_DIGIT,
    "minerva-7b": _DIGIT_BY_DIGIT,
    "qwen2": _QWEN,
    "deepseek-r1-qwen": _QWEN,
    "stablelm2": _QWEN,
    "llama-bpe": PreTokenizer(_THREE_DIGITS.patterns, ignore_merges=True, add_bos=True),
    "falcon3": PreTokenizer(_THREE_DIGITS.patterns, ignore_merges=True, add_bos=True),
    "dbrx": _THREE_DIGITS,
    "smaug-bpe": _THREE_DIGITS,
    "chatglm-bpe": _THREE_DIGITS,
    "tekken": PreTokenizer((_cased(r"\p{N}", ""),), ignore_merges=True, add_bos=True),
    "gpt-4o": PreTokenizer((_cased(r"\p{N}{1,3}", f"{_CONTRACTIONS}?"),)),
}


def pre_tokenizer(name: str, where: str) -> PreTokenizer:
    """Return the entry of that name; ExportError suggests the nearest one and lists all."""
    try:
        return PRE_TOKENIZERS[name]
    except KeyError:
        hint = did_you_mean(name, PRE_TOKENIZERS, "Known")
        raise ExportError(f"{where}: tokenizer.ggml.pre {name!r} is not known.{hint}") from None
