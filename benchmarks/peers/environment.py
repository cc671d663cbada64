"""Sets up the peers: an environment of their own in the cache folder, and the same weights for each.

    python benchmarks/peers/environment.py          (needs baco[export], some 2 GB and, once, ten minutes)

Prints one JSON object: where the peers' Python and each peer's model lie, and why a peer is missing.
What is there already is not made again.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from baco_core.paths import cache_folder

HERE = Path(__file__).parent
SOURCE = "smollm2-135m-instruct"
BLOCK_SIZE = 32
ACCURACY_LEVEL = 4


@dataclass
class Peers:
    """Where everything is. A peer that could not be set up is in `missing` with the reason."""

    python: str
    hf: str
    genai: str
    gguf: str
    missing: dict[str, str] = field(default_factory=dict)


def set_up(root: Path | None = None) -> Peers:
    """Install and build whatever is not there; raises RuntimeError where even the environment fails."""
    root = root or cache_folder() / "peers"
    python = _environment(root / "venv")
    hf = root / f"{SOURCE}-fp32"
    gguf = _run([sys.executable, str(HERE / "weights.py"), SOURCE, str(hf)])
    peers = Peers(python, str(hf), str(root / f"{SOURCE}-genai-int4"), gguf.splitlines()[-1])
    _optional(peers, "llama.cpp", lambda: _llama(python))
    _optional(peers, "onnxruntime-genai", lambda: _genai(peers))
    return peers


def _environment(folder: Path) -> str:
    python = folder / "bin" / "python"
    if not python.exists():
        _tell(f"making the environment {folder}")
        venv.create(folder, with_pip=True)
    if not _has(str(python), "onnxruntime_genai", "torch", "transformers"):
        _tell("installing onnxruntime-genai, torch and transformers")
        _run([*_pip(str(python)), "-r", str(HERE / "requirements.txt")])
    return str(python)


def _llama(python: str) -> None:
    if not _has(python, "llama_cpp"):
        _tell("building llama-cpp-python, for which there is no wheel: about ten minutes on two cores")
        _run([*_pip(python), "-r", str(HERE / "requirements-llama.txt")])


def _genai(peers: Peers) -> None:
    target = Path(peers.genai)
    if target.exists():
        return
    _tell("building onnxruntime-genai's own int4 model")
    partial, cache = target.with_name(f"{target.name}.partial"), target.with_name("genai-cache")
    shutil.rmtree(partial, ignore_errors=True)
    options = [f"int4_block_size={BLOCK_SIZE}", f"int4_accuracy_level={ACCURACY_LEVEL}"]
    where = ["-i", peers.hf, "-o", str(partial), "-c", str(cache)]
    builder = [peers.python, "-m", "onnxruntime_genai.models.builder"]
    _run([*builder, *where, "-p", "int4", "-e", "cpu", "--extra_options", *options])
    shutil.rmtree(cache, ignore_errors=True)
    partial.rename(target)


def _optional(peers: Peers, name: str, make: Callable[[], None]) -> None:
    try:
        make()
    except RuntimeError as error:
        peers.missing[name] = str(error)


def _has(python: str, *modules: str) -> bool:
    tests = " and ".join(f"importlib.util.find_spec({name!r})" for name in modules)
    code = f"import importlib.util, sys; sys.exit(not ({tests}))"
    return subprocess.run([python, "-c", code], check=False).returncode == 0  # noqa: S603


def _pip(python: str) -> list[str]:
    return [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]


def _run(command: Sequence[str]) -> str:
    """Return what a command prints; RuntimeError with its last line when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise RuntimeError(f"{' '.join(command[:4])} … failed: {lines[-1] if lines else 'it said nothing'}")
    return done.stdout


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(json.dumps(asdict(set_up()), indent=2))
