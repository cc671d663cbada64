"""The metadata of a GGUF file, read without its tensors.

The format is llama.cpp's (versions 2 and 3, little-endian): a magic word, two counts and typed key-value
pairs, then tensors. The `gguf` package reads tensors well but takes ten seconds for a vocabulary of
262,144 entries; reading the pairs alone takes one.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baco_core.errors import ExportError

Scalar = int | float | bool | str
Value = Scalar | list[str] | list[int] | list[float] | list[bool]

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_INTEGERS = {0: "<u1", 1: "<i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 10: "<u8", 11: "<i8"}
_SCALARS = _INTEGERS | {6: "<f4", 7: "<?", 12: "<f8"}
"""Numpy's name for each number that GGUF gives a type."""
_UINT32, _UINT64 = 4, 10
_STRING = 8
_ARRAY = 9


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A GGUF file's path and metadata, with typed access that names file and key when it fails."""

    path: Path
    values: dict[str, Value]

    def text(self, key: str, default: str | None = None) -> str | None:
        """Return a string, or `default` when the key is absent."""
        value = self.values.get(key, default)
        if value is None or isinstance(value, str):
            return value
        raise self._mistyped(key, "a string")

    def integer(self, key: str) -> int | None:
        """Return a whole number, or None when the key is absent."""
        value = self.values.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise self._mistyped(key, "a whole number")

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a truth value, or `default` when the key is absent."""
        value = self.values.get(key, default)
        if isinstance(value, bool):
            return value
        raise self._mistyped(key, "true or false")

    def texts(self, key: str) -> list[str]:
        """Return a list of strings; ExportError when the key is absent."""
        return [item for item in self._array(key) if isinstance(item, str)]

    def integers(self, key: str) -> list[int]:
        """Return a list of whole numbers; ExportError when the key is absent."""
        return [int(item) for item in self._array(key)]

    def numbers(self, key: str) -> list[float]:
        """Return a list of numbers; ExportError when the key is absent."""
        return [float(item) for item in self._array(key)]

    @property
    def architecture(self) -> str:
        """The name llama.cpp gives the architecture, such as `llama` or `gemma3`."""
        name = self.text("general.architecture")
        if not name:
            raise ExportError(
                f"{self.path}: GGUF metadata has no general.architecture; the file is not a model."
            )
        return name

    def _array(self, key: str) -> list[str] | list[int] | list[float] | list[bool]:
        value = self.values.get(key)
        if value is None:
            raise ExportError(f"{self.path}: GGUF metadata has no {key!r}; the file is not a whole model.")
        if not isinstance(value, list):
            raise self._mistyped(key, "a list")
        return value

    def _mistyped(self, key: str, wanted: str) -> ExportError:
        return ExportError(f"{self.path}: GGUF metadata {key!r} is not {wanted}; the file is damaged.")


def read_gguf(path: Path) -> GgufFile:
    """Read the metadata of a GGUF file; ExportError when it is missing, damaged or of another format."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return GgufFile(path, _Reader(path, content).read())
    except OSError as error:
        raise ExportError(f"{path}: cannot read the GGUF file ({error.strerror}).") from error
    except (ValueError, struct.error, MemoryError) as error:
        raise ExportError(
            f"{path}: the GGUF file is damaged or cut short ({error}); fetch it again."
        ) from error


class _Reader:
    """A cursor over the bytes of one file."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self._path = path
        self._content = content
        self._at = 0

    def read(self) -> dict[str, Value]:
        if self._take(4) != _MAGIC:
            raise ExportError(f"{self._path}: not a GGUF file (its first bytes are not 'GGUF').")
        version = int(self._scalar(_UINT32))
        if version not in _VERSIONS:
            raise ExportError(f"{self._path}: GGUF version {version} is unknown; known: {list(_VERSIONS)}.")
        self._scalar(_UINT64)  # number of tensors
        count = int(self._scalar(_UINT64))
        return {self._string(): self._value(int(self._scalar(_UINT32))) for _ in range(count)}

    def _value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._list(int(self._scalar(_UINT32)), int(self._scalar(_UINT64)))
        return self._scalar(kind)

    def _list(self, kind: int, count: int) -> list[str] | list[int] | list[float] | list[bool]:
        if kind == _STRING:
            return [self._string() for _ in range(count)]
        dtype = np.dtype(self._format(kind))
        values = np.frombuffer(self._take(count * dtype.itemsize), dtype)
        numbers: list[int] | list[float] | list[bool] = values.tolist()
        return numbers

    def _scalar(self, kind: int) -> int | float | bool:
        dtype = np.dtype(self._format(kind))
        value: int | float | bool = np.frombuffer(self._take(dtype.itemsize), dtype)[0].item()
        return value

    def _format(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise ValueError(f"value type {kind} at byte {self._at}")
        return _SCALARS[kind]

    def _string(self) -> str:
        (length,) = struct.unpack("<Q", self._take(8))
        return self._take(length).decode("utf-8", errors="replace")

    def _take(self, count: int) -> bytes:
        data = self._content[self._at : self._at + count]
        if len(data) != count:
            raise ValueError(f"it ends at byte {len(self._content)}, inside the metadata")
        self._at += count
        return data
