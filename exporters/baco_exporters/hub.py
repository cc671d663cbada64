"""Models of the Hugging Face hub: the files that are data, never those that could run code."""

from __future__ import annotations

from pathlib import Path

from baco_core.errors import ExportError
from baco_exporters.progress import Progress
from baco_exporters.sources import HubSource

WANTED = [
    *("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"),
    *("README.md", "LICENSE*", "NOTICE*", "USE_POLICY*"),
]
"""No pickles (.bin, .pt, .pth) and no Python. `*.model` is a SentencePiece vocabulary."""
UNWANTED = ["*/*", "consolidated*"]
"""Folders and `consolidated*` hold second copies of the weights in other layouts."""


def fetch_snapshot(source: HubSource, progress: Progress) -> tuple[Path, str]:
    """Return the folder of a hub model in the hub's own cache, and its commit.

    Raises ExportError when the hub refuses, cannot be reached, or has no safetensors.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    from requests.exceptions import RequestException

    try:
        with progress.phase(f"fetch {source} from the hub"):
            folder = Path(
                snapshot_download(
                    source.name, revision=source.revision, allow_patterns=WANTED, ignore_patterns=UNWANTED
                )
            )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RequestException, OSError) as error:
        raise ExportError(f"{source}: {_reason(error)}") from error
    if not any(folder.glob("*.safetensors")):
        raise ExportError(f"{source}: the repository has no safetensors; pickled weights are never loaded.")
    return folder, folder.name


def _reason(error: Exception) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, GatedRepoError):
        return "the hub asks you to accept the model's licence; do so on its page, then set HF_TOKEN."
    if isinstance(error, RepositoryNotFoundError):
        return "the hub has no such public repository; check the name, or set HF_TOKEN if it is private."
    if isinstance(error, RevisionNotFoundError):
        return "the repository has no such revision; name a branch, a tag or a commit."
    return f"could not be fetched from the hub ({error}); check the network and repeat."
