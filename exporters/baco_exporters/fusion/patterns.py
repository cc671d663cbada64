"""Fusions that onnxruntime.transformers brings and the runtime's own optimiser does not do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto


def fuse_patterns(bare: ModelProto) -> None:
    """Fuse, in place, Gelu by tanh, and each residual sum with the norm after it.

    The library's check of the sums' shapes needs its symbolic shape inference, which stops at
    GroupQueryAttention; here every tensor that is summed before a norm is a hidden state.
    """
    import onnxruntime.transformers  # noqa: F401 - puts its modules where the next lines find them
    from onnxruntime.transformers.fusion_fastgelu import FusionFastGelu
    from onnxruntime.transformers.fusion_skiplayernorm import FusionSkipLayerNormalization
    from onnxruntime.transformers.onnx_model import OnnxModel

    model = OnnxModel(bare)
    FusionFastGelu(model).apply()
    sums = ("SkipSimplifiedLayerNormalization", "SimplifiedLayerNormalization")
    FusionSkipLayerNormalization(model, *sums, shape_infer=False).apply()
    model.topological_sort()
