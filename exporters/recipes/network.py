"""The network: a small transformers Llama, dropout added for training only, Muon and AdamW side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from baco_exporters.compact import quantize_channels


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network; the defaults are the shipped pair's."""

    vocab_size: int = 2048
    hidden_size: int = 256
    num_hidden_layers: int = 6
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    intermediate_size: int = 704
    max_position_embeddings: int = 1024


def build_network(shape: Shape, *, seed: int) -> LlamaForCausalLM:
    """A Llama with tied embeddings and small random weights; residual outputs start at a smaller scale."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        **asdict(shape),
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
        initializer_range=0.02,
    )
    network = LlamaForCausalLM(config)
    shrink = 1 / math.sqrt(2 * shape.num_hidden_layers)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.mul_(shrink)
    return network


def add_dropout(network: LlamaForCausalLM, rate: float) -> None:
    """Drop out embeddings and the output of every attention and MLP, in training only."""

    def drop(module: nn.Module, _inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (functional.dropout(output[0], rate, module.training), *output[1:])
        return functional.dropout(output, rate, module.training)

    network.model.embed_tokens.register_forward_hook(drop)
    for layer in network.model.layers:
        layer.self_attn.register_forward_hook(drop)
        layer.mlp.register_forward_hook(drop)


class Optimizers:
    """Muon for the hidden matrices, AdamW for embeddings and norms, one learning rate for both."""

    def __init__(self, network: nn.Module, *, rate: float, decay: float) -> None:
        matrices = [w for name, w in network.named_parameters() if w.ndim == 2 and "embed" not in name]
        embeddings = [w for name, w in network.named_parameters() if w.ndim == 2 and "embed" in name]
        vectors = [w for w in network.parameters() if w.ndim < 2]
        muon = torch.optim.Muon(
            matrices,
            lr=rate,
            weight_decay=decay,
            momentum=0.95,
            nesterov=True,
            adjust_lr_fn="match_rms_adamw",
        )
        groups = [{"params": embeddings, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
        adamw = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))
        self._rate = rate
        self._both: tuple[torch.optim.Optimizer, ...] = (muon, adamw)

    def step(self, share: float) -> None:
        """One update at `share` of the full learning rate."""
        for optimizer in self._both:
            for group in optimizer.param_groups:
                group["lr"] = self._rate * share
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> list[dict[str, Any]]:
        """For a checkpoint."""
        return [optimizer.state_dict() for optimizer in self._both]

    def restore(self, states: list[dict[str, Any]]) -> None:
        """From a checkpoint."""
        for optimizer, state in zip(self._both, states, strict=True):
            optimizer.load_state_dict(state)


def next_token_loss(network: LlamaForCausalLM, rows: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean cross-entropy in nats of rows[:, 1:] given what precedes, where `mask[:, 1:]` holds."""
    with torch.autocast("cpu", torch.bfloat16, enabled=network.training):
        logits = network(input_ids=rows[:, :-1], use_cache=False).logits
    targets = rows[:, 1:]
    if mask is not None:
        targets = targets.masked_fill(~mask[:, 1:], -100)
    return functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=-100)


def weighted_loss(network: LlamaForCausalLM, rows: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean cross-entropy in nats of rows[:, 1:], with float32 `weights` [rows, tokens]."""
    with torch.autocast("cpu", torch.bfloat16, enabled=network.training):
        logits = network(input_ids=rows[:, :-1], use_cache=False).logits
    losses = functional.cross_entropy(logits.float().transpose(1, 2), rows[:, 1:], reduction="none")
    return (losses * weights[:, 1:]).sum() / weights[:, 1:].sum()


def warm_stable_decay(step: int, steps: int, *, warm: int = 40, decay: float = 0.45) -> float:
    """Share of the full rate at `step`: linear warm-up, plateau, linear decay over the last `decay`."""
    return min((step + 1) / warm, 1.0, max((steps - step) / (decay * steps), 0.02))


@torch.no_grad()
def bits_per_byte(
    network: LlamaForCausalLM,
    encode: Callable[[str], list[int]],
    text: str,
    *,
    window: int = 512,
    batch: int = 16,
) -> float:
    """Total cross-entropy of `text` in bits over its UTF-8 bytes, by a sliding window that moves by its half.

    Every token is scored once; all but the first half window have at least `window // 2` tokens before them.
    The text follows one end-of-text token, whose own probability is not counted.
    """
    network.train(False)
    ids = torch.tensor([0, *encode(text)])
    starts = list(range(0, max(len(ids) - window // 2, 1), window // 2))
    nats = 0.0
    for group in (starts[i : i + batch] for i in range(0, len(starts), batch)):
        for start, losses in zip(group, _window_losses(network, ids, group, window), strict=True):
            skip = 0 if start == 0 else window // 2 - 1
            nats += float(losses[skip : len(ids) - start - 1].double().sum())
    return nats / math.log(2) / len(text.encode("utf-8"))


def _window_losses(
    network: LlamaForCausalLM, ids: Tensor, starts: list[int], window: int
) -> Iterator[Tensor]:
    rows = torch.stack(
        [functional.pad(ids[s : s + window], (0, max(0, window - len(ids[s : s + window])))) for s in starts]
    )
    logits = network(input_ids=rows[:, :-1], use_cache=False).logits.float()
    return iter(functional.cross_entropy(logits.transpose(1, 2), rows[:, 1:], reduction="none"))


@torch.no_grad()
def snap_weights(network: LlamaForCausalLM) -> None:
    """Round each matrix to what its compact form (int8 codes, one scale a row) gives back.

    Saved so, the weights survive the bundle's compact storage to the bit, and every figure measured with
    them is a figure of the shipped files.
    """
    for weight in {id(weight): weight for weight in network.parameters() if weight.ndim == 2}.values():
        codes, scales = quantize_channels(weight.numpy(force=True), axis=0)
        weight.copy_(torch.from_numpy(codes * scales))
