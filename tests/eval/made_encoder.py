"""A random BERT small enough to export in seconds, in the Hugging Face layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="exporting needs the extra 'export'")
transformers = pytest.importorskip("transformers", reason="exporting needs the extra 'export'")
pytest.importorskip("optimum.exporters.onnx", reason="exporting needs the extra 'export'")

PAD, UNKNOWN = "[PAD]", "[UNK]"
WORDS = ("a", "the", "cat", "dog", "boat", "sea", "red", "big", "sat", "ran", "saw", "in", "to", "and", ".")
TOKENS = {token: number for number, token in enumerate([PAD, UNKNOWN, "[CLS]", "[SEP]", *WORDS])}
MOST = 16


def encoder_folder(folder: Path, seed: int = 0) -> Path:
    """Write a random encoder that reads at most 16 tokens; every weight matters to its vectors."""
    folder.mkdir()
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=len(TOKENS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=MOST,
    )
    model = transformers.BertModel(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(10)
    model.save_pretrained(folder)
    tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n", "utf-8")
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": MOST}), "utf-8")
    return folder


def tokenizer() -> Any:
    """Return a tokenizer of words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.WordPiece(TOKENS, unk_token=UNKNOWN))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.enable_padding(length=MOST)  # as published files have it; it must not reach the mean
    return made


def theirs(folder: Path, texts: list[str], most: int) -> Any:
    """Return vectors as the model's card makes them with transformers: one padded batch, masked mean."""
    reader = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token=PAD
    )
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    batch = reader(texts, padding=True, truncation=True, max_length=most, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch)[0]
    mask = batch["attention_mask"].unsqueeze(-1).float()
    mean = (hidden * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(mean, p=2, dim=1).numpy()
