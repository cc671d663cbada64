"""Random models small enough to export in seconds, as folders in the Hugging Face layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="exporting needs the extra 'export'")
transformers = pytest.importorskip("transformers", reason="exporting needs the extra 'export'")
pytest.importorskip("optimum.exporters.onnx", reason="exporting needs the extra 'export'")

VOCABULARY = 300
_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 256,
    "eos_token_id": 257,
    "pad_token_id": 257,
}
_NO_GROUPS = {name: value for name, value in _SIZES.items() if name != "num_key_value_heads"}
_WINDOW = {"sliding_window": 8}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": _SIZES | {"tie_word_embeddings": True},
    "qwen2": _SIZES,
    "qwen3": _SIZES | {"head_dim": 16},
    "gemma3_text": _SIZES | _WINDOW | {"head_dim": 16, "query_pre_attn_scalar": 16, "num_hidden_layers": 6},
    "mistral": _SIZES | _WINDOW,
    "phi3": _SIZES | _WINDOW,
    "olmo2": _SIZES,
    "gpt2": {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "gpt_neox": _NO_GROUPS,
}
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def random_model(name: str, seed: int = 0, **changes: Any) -> Any:
    """Return a model of that architecture whose logits depend clearly on every token.

    `changes` are values of its configuration; with `head_dim=16` its attention can be fused.
    """
    torch.manual_seed(seed)
    config = transformers.AutoConfig.for_model(name, **(ARCHITECTURES[name] | changes))
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(6)
    return model


def model_folder(folder: Path, name: str = "llama", seed: int = 0, **changes: Any) -> Path:
    """Write such a model and a byte-level tokenizer into `folder`."""
    random_model(name, seed, **changes).save_pretrained(folder)
    names = {"bos_token": "<s>", "eos_token": "</s>"}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer(), chat_template=TEMPLATE, **names
    )
    tokenizer.save_pretrained(folder)
    return folder


def byte_tokenizer() -> Any:
    """Return a tokenizer with one token a byte, `<s>` (256) and `</s>` (257)."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: index for index, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<s>"), AddedToken("</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 256)])
    return tokenizer
