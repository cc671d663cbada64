"""Low-rank adapters: another model on the same weights, for the memory of the adapter alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from baco_core.errors import ModelError, did_you_mean
from baco_onnxruntime.session import Session


def read_adapter(session: Session, path: Path) -> dict[str, Any]:
    """Return the adapter's parameters as OrtValues, by the name of the graph's input.

    They are bound like any input: a pass with bound inputs takes no notice of an adapter that is made
    active in its run options. ModelError names a file that is no adapter, and a parameter that the graph
    lacks or shapes otherwise.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such adapter; export the model again.")
    try:
        adapter = session.runtime.AdapterFormat.read_adapter(str(path))
    except Exception as error:
        raise ModelError(f"{path}: this is no adapter ONNX Runtime can read; export it again.") from error
    parameters: dict[str, Any] = adapter.get_parameters()  # they lie in the adapter's memory
    for name, value in parameters.items():
        _check(session, path, name, value)
    copies = {name: session.value(value.numpy().copy()) for name, value in parameters.items()}
    del adapter
    return copies


def _check(session: Session, path: Path, name: str, value: Any) -> None:
    places = {node.name: node for node in session.adaptable}
    if name not in places:
        raise ModelError(f"{path}: {session.path} has no parameter {name!r}.{did_you_mean(name, places)}")
    declared, given = list(places[name].shape), list(value.shape())
    free = [at for at, size in enumerate(declared) if not isinstance(size, int)]
    if len(declared) != len(given) or any(
        size != given[at] for at, size in enumerate(declared) if at not in free
    ):
        raise ModelError(
            f"{path}: parameter {name!r} has the shape {given}, but {session.path} has {declared}."
        )
