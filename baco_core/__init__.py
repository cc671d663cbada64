"""BACo: one text from a base model and its aligned counterpart, routed token by token."""

__version__ = "0.1.0"
