"""Measuring as a plugin of BACo. Nothing heavy is imported before it is used."""

from __future__ import annotations
