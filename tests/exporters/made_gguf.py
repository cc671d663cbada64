"""Small GGUF files, written by the gguf package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

gguf = pytest.importorskip("gguf", reason="reading GGUF needs the extra 'export'")

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6


def write_gguf(path: Path, architecture: str = "llama", tensors: Any = None, **values: object) -> Path:
    """Write metadata (keys with `__` for `.`) and float32 tensors."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in values.items():
        _add(writer, key.replace("__", "."), value)
    for name, tensor in (tensors or {"none": np.zeros(1, np.float32)}).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: Any, key: str, value: object) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


def sentence_piece(
    path: Path, pieces: Sequence[str], scores: Sequence[float] | None = None, **values: object
) -> Path:
    """Write a SentencePiece vocabulary: <unk>, <s>, </s>, 256 bytes, `pieces` (the best first), `<user>`."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces, "<user>"]
    kinds = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * len(pieces), USER_DEFINED]
    given = [-float(index) for index in range(len(pieces))] if scores is None else list(scores)
    facts: dict[str, object] = {
        "tokenizer__ggml__model": "llama",
        "tokenizer__ggml__tokens": tokens,
        "tokenizer__ggml__scores": [0.0] * 259 + given + [-1000.0],
        "tokenizer__ggml__token_type": kinds,
        "tokenizer__ggml__unknown_token_id": 0,
        "tokenizer__ggml__bos_token_id": 1,
        "tokenizer__ggml__eos_token_id": 2,
        "tokenizer__ggml__add_space_prefix": False,
    }
    return write_gguf(path, **(facts | values))


def byte_level(path: Path, merges: Sequence[str], tensors: Any = None, **values: object) -> Path:
    """Write a byte-level vocabulary: 256 bytes, what `merges` make, `<|start|>` and `<|im_end|>`."""
    from tokenizers import pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = [merge.replace(" ", "") for merge in merges]
    facts: dict[str, object] = {
        "tokenizer__ggml__model": "gpt2",
        "tokenizer__ggml__pre": "gpt-2",
        "tokenizer__ggml__tokens": [*alphabet, *made, "<|start|>", "<|im_end|>"],
        "tokenizer__ggml__token_type": [NORMAL] * (256 + len(made)) + [CONTROL] * 2,
        "tokenizer__ggml__merges": list(merges),
        "tokenizer__ggml__bos_token_id": 256 + len(made),
        "tokenizer__ggml__eos_token_id": 257 + len(made),
    }
    return write_gguf(path, tensors=tensors, **(facts | values))
