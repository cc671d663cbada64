"""What the tests of the exporters share."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # these libraries warn of each other while they are imported
    try:  # the tests that need them are skipped where they are not installed
        import optimum.exporters.onnx.model_configs
        import torch
        import transformers
    except ImportError:
        EXPORTS = False
    else:
        EXPORTS = all((optimum.exporters.onnx.model_configs, torch, transformers))
