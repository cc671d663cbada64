"""BACo: one text from a base model and its aligned counterpart, routed token by token."""

import os

__version__ = "0.1.0"

os.environ.setdefault(
    "ORT_DISABLE_TELEMETRY", "1"
)  # read when a runtime is imported, which else makes a device id
