"""Random classifiers small enough to export in seconds, in the Hugging Face layout."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

from made_encoder import PAD, TOKENS, UNKNOWN, tokenizer, torch, transformers

_SIZES: dict[str, Any] = {
    "vocab_size": len(TOKENS),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
_DEBERTA = {
    "relative_attention": True,
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "max_relative_positions": -1,
    "type_vocab_size": 0,
}
_HEADS = {"num_key_value_heads": 2, "head_dim": 8}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "bert": _SIZES,
    "roberta": _SIZES | {"pad_token_id": 1, "type_vocab_size": 1},
    "deberta-v2": _SIZES | _DEBERTA,
    "llama": _SIZES | {"num_key_value_heads": 2, "pad_token_id": None},
    "gemma2": _SIZES | _HEADS | {"query_pre_attn_scalar": 8, "sliding_window": 8},
    "qwen3": _SIZES | _HEADS,
}
TEMPLATE = (
    "[CLS]{% for message in messages %}{{ message['role'] }} {{ message['content'] }} [SEP]{% endfor %}"
)


def classifier_folder(
    folder: Path, name: str, labels: tuple[str, ...], template: str | None = None, **changes: Any
) -> Path:
    """Write a random classifier whose logits depend clearly on every token."""
    torch.manual_seed(0)
    named = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    config = transformers.AutoConfig.for_model(name, **(ARCHITECTURES[name] | named | changes))
    with warnings.catch_warnings():  # DeBERTa's own code uses what torch will drop
        warnings.simplefilter("ignore", DeprecationWarning)
        model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(6)
        _centre(model, labels)
    model.save_pretrained(folder)
    loaded(tokenizer(), template).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n", "utf-8")
    return folder


def _centre(model: Any, labels: tuple[str, ...]) -> None:
    """Let no label win on every text: logits are 0 on average over random ones."""
    head = getattr(model, "classifier", None)
    if len(labels) < 2 or not isinstance(head, torch.nn.Linear):
        return
    head.weight.mul_(20)
    head.bias.sub_(model(input_ids=torch.randint(4, len(TOKENS), (32, 12))).logits.mean(0))


def loaded(made: Any, template: str | None = None) -> Any:
    names = {"pad_token": PAD, "unk_token": UNKNOWN, "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, chat_template=template, **names)


def theirs(folder: Path, text: str, second: str | None = None, most: int = 64) -> Any:
    """Return the logits as a model's card gets them with transformers."""
    reader = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return their_logits(folder, reader(text, second, truncation=True, max_length=most, return_tensors="pt"))


def their_reply(folder: Path, prompt: str, answer: str) -> Any:
    """Return the logits of a conversation through transformers' own chat templates."""
    reader = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return their_logits(
        folder, reader.apply_chat_template(messages, tokenize=True, return_tensors="pt", return_dict=True)
    )


def their_logits(folder: Path, read: Any) -> Any:
    """Return PyTorch's logits of one text, shape (labels,)."""
    auto = transformers.AutoModelForSequenceClassification
    model = auto.from_pretrained(folder, local_files_only=True).eval()
    wanted = set(inspect.signature(model.forward).parameters)
    if getattr(model.config, "type_vocab_size", 2) < 2:  # such models' tokenizers know one type
        wanted.discard("token_type_ids")
    with torch.no_grad():
        return model(**{name: rows for name, rows in read.items() if name in wanted}).logits[0].numpy()
