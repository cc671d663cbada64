"""The text side of a model: its tokenizer, its template, and the tokens that begin and end a text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baco_core.errors import ExportError
from baco_exporters.fetch import Fetched
from baco_exporters.gguf_file import GgufFile, read_gguf
from baco_exporters.gguf_tokenizer import TokenType, build_tokenizer
from baco_exporters.pretokenizers import PRE_TOKENIZERS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END_TEXTS = frozenset(
    (
        *("</s>", "<eos>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>"),
        *("<|end|>", "<end_of_turn>", "<|end_of_turn|>", "<|END_OF_TURN_TOKEN|>", "<|return|>", "<EOT>"),
    )
)
"""Control tokens that end a text or a turn. A GGUF names one end token; models write the others too."""


@dataclass(frozen=True, slots=True)
class TextSide:
    """What is written beside the weights. `tokenizer` is a whole `tokenizer.json` as text."""

    tokenizer: str
    special_tokens: dict[str, str]
    bos_ids: tuple[int, ...]
    end_ids: tuple[int, ...]
    chat_template: str | None

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without a BOS token."""
        from tokenizers import Tokenizer

        ids: list[int] = Tokenizer.from_str(self.tokenizer).encode(text, add_special_tokens=False).ids
        return ids


def vocabulary_of(text: TextSide) -> dict[str, int]:
    """Return the tokens and their ids."""
    from tokenizers import Tokenizer

    tokens: dict[str, int] = Tokenizer.from_str(text.tokenizer).get_vocab()
    return tokens


def text_side(fetched: Fetched) -> TextSide:
    """Read the text side of a fetched model; ExportError when it has no tokenizer we can write down."""
    return _gguf_side(read_gguf(fetched.path)) if fetched.kind == "gguf" else _folder_side(fetched.path)


def _gguf_side(file: GgufFile) -> TextSide:
    tokens = file.texts("tokenizer.ggml.tokens")
    names = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    ids = {name: file.integer(f"tokenizer.ggml.{key}_token_id") for name, key in names.items()}
    present = {name: index for name, index in ids.items() if index is not None and index < len(tokens)}
    bos = present.get("bos_token")
    return TextSide(
        tokenizer=build_tokenizer(file).to_str(),
        special_tokens={name: tokens[index] for name, index in present.items()},
        bos_ids=(bos,) if bos is not None and _adds_bos(file) else (),
        end_ids=_gguf_ends(file, tokens),
        chat_template=file.text("tokenizer.chat_template"),
    )


def _adds_bos(file: GgufFile) -> bool:
    rule = PRE_TOKENIZERS.get(file.text("tokenizer.ggml.pre") or "default")
    usual = file.text("tokenizer.ggml.model") == "llama" or bool(rule and rule.add_bos)
    return file.flag("tokenizer.ggml.add_bos_token", default=usual)


def _gguf_ends(file: GgufFile, tokens: list[str]) -> tuple[int, ...]:
    named = [file.integer(f"tokenizer.ggml.{key}_token_id") for key in ("eos", "eot", "eom")]
    types = file.integers("tokenizer.ggml.token_type")
    known = [
        index
        for index, (token, kind) in enumerate(zip(tokens, types, strict=True))
        if token in END_TEXTS and kind in (TokenType.CONTROL, TokenType.USER_DEFINED)
    ]
    return _unique([*named, *known])


def _folder_side(folder: Path) -> TextSide:
    import transformers

    auto: Any = transformers.AutoTokenizer
    try:
        loaded = auto.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers and tokenizers raise whatever they like
        raise ExportError(f"{folder.name}: transformers cannot load the tokenizer: {error}") from error
    if not loaded.is_fast:
        raise ExportError(f"{folder.name}: the tokenizer {type(loaded).__name__} has no tokenizer.json form.")
    backend: Tokenizer = loaded.backend_tokenizer
    texts = {name: text for name, text in loaded.special_tokens_map.items() if isinstance(text, str)}
    return TextSide(
        tokenizer=backend.to_str(),
        special_tokens=texts,
        bos_ids=_leading(loaded("")["input_ids"], loaded.bos_token_id),
        end_ids=_unique([*_stated_ends(folder), loaded.eos_token_id, *_known_ends(backend)]),
        chat_template=_template(loaded.chat_template, folder),
    )


def _leading(ids: Sequence[int], bos: int | None) -> tuple[int, ...]:
    """Return what the tokenizer puts before a text: the ids it gives an empty one, up to BOS."""
    return tuple(ids[: ids.index(bos) + 1]) if bos is not None and bos in ids else ()


def _stated_ends(folder: Path) -> Iterable[int | None]:
    """Yield the end ids of generation_config.json and config.json; each states one or a list."""
    for name in ("generation_config.json", "config.json"):
        path = folder / name
        stated = _json(path).get("eos_token_id") if path.is_file() else None
        yield from stated if isinstance(stated, list) else [stated]


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path}: cannot be read as JSON ({error}).") from error
    if not isinstance(content, dict):
        raise ExportError(f"{path}: is not a JSON object.")
    return content


def _known_ends(tokenizer: Tokenizer) -> Iterable[int]:
    added = tokenizer.get_added_tokens_decoder()
    return (index for index, token in added.items() if token.special and token.content in END_TEXTS)


def _template(template: str | dict[str, str] | None, folder: Path) -> str | None:
    """Return the template; of several named ones the one named `default`."""
    if not isinstance(template, dict):
        return template
    if "default" not in template:
        raise ExportError(f"{folder.name}: chat templates {sorted(template)}, but none is named 'default'.")
    return template["default"]


def _unique(ids: Iterable[int | None]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(index for index in ids if index is not None))
