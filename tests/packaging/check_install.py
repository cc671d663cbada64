"""Check an environment that holds only `baco[cpu]`: it writes text and has neither torch nor transformers."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

HEAVY = ("torch", "transformers", "optimum", "onnx")


def main() -> int:
    """Return 0 when the embedded pair writes text; say what is wrong otherwise."""
    present = [name for name in HEAVY if importlib.util.find_spec(name)]
    if present:
        print(f"the cpu extra pulls {present}", file=sys.stderr)
        return 1
    command = [str(Path(sys.executable).with_name("baco")), "generate", "Tell me a story about a lighthouse."]
    answer = subprocess.run([*command, "--format", "json"], capture_output=True, check=True)
    sample = json.loads(answer.stdout)["samples"][0]
    print(sample["text"])
    return 0 if sample["usage"]["completion_tokens"] > 5 else 1


if __name__ == "__main__":
    sys.exit(main())
