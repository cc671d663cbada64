"""The text layer costs nothing until it is used: the command line loads it for --help."""

from __future__ import annotations

import subprocess
import sys


def test_reading_a_config_loads_neither_tokenizers_nor_jinja() -> None:
    code = (
        "import sys, baco_core.prompts, baco_core.stream, baco_core.tokenizer, baco_core.chat\n"
        "print({'tokenizers', 'jinja2', 'transformers', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
