"""A LoRA adapter as PEFT writes it: `adapter_config.json` and `adapter_model.safetensors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baco_core.errors import ExportError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
_UNKNOWN = {
    "use_dora": "DoRA",
    "modules_to_save": "whole modules (modules_to_save)",
    "rank_pattern": "ranks by module (rank_pattern)",
    "alpha_pattern": "scales by module (alpha_pattern)",
    "lora_bias": "biases (lora_bias)",
    "fan_in_fan_out": "transposed weights (fan_in_fan_out)",
    "layer_replication": "replicated layers (layer_replication)",
    "trainable_token_indices": "new tokens (trainable_token_indices)",
    "target_parameters": "parameters that are no module (target_parameters)",
    "alora_invocation_tokens": "invocation tokens (aLoRA)",
    "use_qalora": "QALoRA",
}
"""Keys of the configuration that change what an adapter computes, and what they stand for."""


@dataclass(frozen=True, slots=True)
class LowRank:
    """What is added to a module's weight [out, in]: `up @ down`, [out, r] and [r, in], scale included."""

    down: NDArray[np.float32]
    up: NDArray[np.float32]


def read_adapter(folder: Path) -> dict[str, LowRank]:
    """Return an adapter's matrices by the name of their module, such as `model.layers.0.self_attn.q_proj`.

    Raises ExportError for a folder that is no LoRA adapter, or one with something besides LoRA in it.
    """
    config = _config(folder)
    scale = _scale(config, folder)
    pairs: dict[str, dict[str, NDArray[np.float32]]] = {}
    for name, weight in _weights(folder).items():
        module, _, part = name.removesuffix(".weight").rpartition(".")
        if not name.startswith(_PREFIX) or part not in ("lora_A", "lora_B") or weight.ndim != 2:
            raise ExportError(
                f"{folder / _WEIGHTS}: tensor {name!r} is not a LoRA matrix; nothing else is read."
            )
        pairs.setdefault(module.removeprefix(_PREFIX), {})[part] = weight
    return {module: _low_rank(module, pair, scale, folder) for module, pair in sorted(pairs.items())}


def _config(folder: Path) -> Mapping[str, Any]:
    path = folder / _CONFIG
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path}: cannot be read ({error}); give the folder of a PEFT adapter.") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        kind = config.get("peft_type") if isinstance(config, dict) else None
        raise ExportError(f"{path}: the adapter is {kind or 'not stated'}, not LORA; only LoRA is known.")
    if config.get("bias", "none") != "none":
        raise ExportError(f"{path}: the adapter trains biases; train it with bias='none', or merge it.")
    for key, meaning in _UNKNOWN.items():
        if config.get(key):
            raise ExportError(
                f"{path}: the adapter has {meaning}, which is not known here; merge it, or leave it out."
            )
    return config


def _scale(config: Mapping[str, Any], folder: Path) -> float:
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not (isinstance(rank, int) and rank > 0 and isinstance(alpha, int | float)):
        raise ExportError(
            f"{folder / _CONFIG}: 'r' and 'lora_alpha' must be numbers, not {rank!r} and {alpha!r}."
        )
    return float(alpha) / (rank**0.5 if config.get("use_rslora") else rank)


def _weights(folder: Path) -> dict[str, NDArray[np.float32]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / _WEIGHTS
    try:
        return {name: tensor.float().numpy() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise ExportError(f"{path}: cannot be read ({error}); pickled adapters are never loaded.") from error


def _low_rank(module: str, pair: Mapping[str, NDArray[np.float32]], scale: float, folder: Path) -> LowRank:
    down, up = pair.get("lora_A"), pair.get("lora_B")
    if down is None or up is None or len(down) != up.shape[1]:
        raise ExportError(f"{folder / _WEIGHTS}: the matrices of {module!r} do not fit each other.")
    return LowRank(down, (up * np.float32(scale)).astype(np.float32))
