"""A fetched model as a PyTorch module in float32, every weight accounted for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from baco_core.errors import ExportError
from baco_exporters.fetch import Fetched

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from baco_exporters.peft_folder import LowRank

TorchModel: TypeAlias = Any
"""A transformers PreTrainedModel; its methods are not typed."""
TASK = "text-generation-with-past"


def load_model(fetched: Fetched) -> TorchModel:
    """Return the model in float32, in evaluation mode, on the CPU.

    Raises ExportError when Optimum does not export the architecture (before any weight is read), when a
    weight is missing, or when only code from the source could build the model: such code is never run.
    """
    name = fetched.path.name
    try:
        model = _from_gguf(fetched.path) if fetched.kind == "gguf" else _from_folder(fetched.path)
    except ExportError:
        raise
    except Exception as error:  # transformers, torch and safetensors raise whatever they like
        raise ExportError(f"{name}: transformers cannot load the model: {error}") from error
    model.config._name_or_path = fetched.record.id  # it is written into config.json: no local paths
    return model.eval()


def _from_folder(folder: Path) -> TorchModel:
    import torch
    import transformers

    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    config = transformers.AutoConfig.from_pretrained(folder, **options)
    check_architecture(config, folder.name)
    if not any(folder.glob("*.safetensors")):
        raise ExportError(f"{folder.name}: the folder has no safetensors; pickled weights are never loaded.")
    auto: Any = transformers.AutoModelForCausalLM
    options |= {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
    model, report = auto.from_pretrained(folder, config=config, **options)
    check_missing(report["missing_keys"], folder.name)
    return model


def _from_gguf(path: Path) -> TorchModel:
    """Dequantise the tensors through transformers, which also undoes llama.cpp's changes to them."""
    import torch
    import transformers
    from transformers import modeling_gguf_pytorch_utils as gguf_loading
    from transformers.modeling_utils import no_init_weights

    load: Any = gguf_loading.load_gguf_checkpoint
    auto: Any = transformers.AutoModelForCausalLM
    config = transformers.AutoConfig.for_model(**load(str(path))["config"])
    check_architecture(config, path.name)
    with no_init_weights():
        model = auto.from_config(config, dtype=torch.float32, trust_remote_code=False)
    tensors = load(str(path), return_tensors=True, model_to_load=model)["tensors"]
    missing, _ = model.load_state_dict(tensors, strict=False)
    tied = model._tied_weights_keys or () if config.tie_word_embeddings else ()
    check_missing(set(missing) - set(tied), path.name)
    model.tie_weights()
    return model


def weights_of(model: TorchModel, matrices: Mapping[str, LowRank]) -> dict[str, NDArray[np.float32]]:
    """Return the weights [out, in] that an adapter changes; ExportError when it is another model's."""
    import torch

    known = dict(model.named_modules())
    for name, low in matrices.items():
        module, shape = known.get(name), (len(low.up), low.down.shape[1])
        if not isinstance(module, torch.nn.Linear) or tuple(module.weight.shape) != shape:
            there = (
                f"is {tuple(module.weight.shape)}" if isinstance(module, torch.nn.Linear) else "is not there"
            )
            raise ExportError(
                f"the adapter changes {name!r} of shape {shape}; in the base model it {there}. Name the base "
                "that the adapter was trained on."
            )
    return {name: known[name].weight.detach().numpy() for name in matrices}


@contextmanager
def adapted(model: TorchModel, matrices: Mapping[str, LowRank]) -> Iterator[None]:
    """Merge an adapter into the model's weights for a while."""
    import torch

    known = dict(model.named_modules())
    kept = {name: known[name].weight.data for name in matrices}
    for name, low in matrices.items():
        known[name].weight.data = kept[name] + torch.from_numpy(low.up) @ torch.from_numpy(low.down)
    try:
        yield
    finally:
        for name, weight in kept.items():
            known[name].weight.data = weight


def check_architecture(config: Any, name: str) -> None:
    """Raise ExportError, with Optimum's list, when Optimum has no export with a KV cache for this type."""
    check_task(config, name, TASK)
    if getattr(config, "is_encoder_decoder", False):
        raise ExportError(f"{name}: {config.model_type!r} has an encoder; only decoders can be paired.")


def check_task(config: Any, name: str, task: str) -> None:
    """Raise ExportError, with Optimum's list, when Optimum does not export this type for a task."""
    import optimum.exporters.onnx.model_configs  # noqa: F401  (it fills the manager's table)
    from optimum.exporters.tasks import TasksManager

    supported = TasksManager.get_supported_model_type_for_task(task, exporter="onnx")
    if config.model_type not in supported:
        known = ", ".join(sorted(supported))
        raise ExportError(
            f"{name}: Optimum does not export {config.model_type!r} models for {task}. It exports: {known}."
        )


def check_missing(missing: Collection[str], name: str) -> None:
    """Raise ExportError naming some of the weights that the source does not have, if any."""
    if missing:
        names = ", ".join(sorted(missing)[:5])
        raise ExportError(f"{name}: {len(missing)} weights are missing from the source, such as {names}.")
