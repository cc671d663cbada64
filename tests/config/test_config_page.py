"""The config reference is what the schema says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not part of an installed wheel")
def test_the_config_reference_is_up_to_date() -> None:
    page = runpy.run_path(str(DOCS / "generate_config.py"))["page"]()
    assert (DOCS / "config.md").read_text("utf-8") == page, "run: python docs/generate_config.py"
