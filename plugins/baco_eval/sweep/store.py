"""The texts of a sweep: `generations.jsonl`, read back to go on where it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from baco_eval.records import Generation, Prompt, Setting
from baco_eval.sweep.errors import SweepError
from baco_eval.sweep.lines import Lines, content_of, whole_lines

GENERATIONS_NAME = "generations.jsonl"
TIMES_NAME = "times.jsonl"
Key = tuple[str, str, str, int]


class Seconds(msgspec.Struct, frozen=True):
    """How long one text took, from its beginning; texts that are written together share that time."""

    method: str
    setting: str
    prompt: str
    index: int
    seconds: float


class Store:
    """What is there, and where more goes."""

    def __init__(self, lines: Lines, times: Lines, there: dict[Key, Generation]) -> None:
        self.there = there
        """Every finished text by its key."""
        self._lines = lines
        self._times = times

    def add(self, generation: Generation, seconds: float) -> None:
        """Keep a finished text; when this returns, it is on the disk."""
        self._lines.append(generation)
        self.there[generation.key] = generation
        self._times.append(Seconds(*generation.key, round(seconds, 3)))


@contextmanager
def opened_store(folder: Path, tell: Callable[[str], None]) -> Iterator[Store]:
    """Open a folder's texts to go on; a last line that a crash cut is dropped, which `tell` is told.

    Raises SweepError naming file and line for any other line that is no generation.
    """
    path, times = folder / GENERATIONS_NAME, folder / TIMES_NAME
    whole = whole_lines(path)
    there = {found.key: found for found in read_generations(path, whole)}
    lines, seconds = Lines(path), Lines(times, durable=False)
    try:
        cut = path.stat().st_size - whole
        if cut:
            lines.cut(whole)
            tell(f"{path}:{len(there) + 1}: dropped {cut} bytes of a line that was cut by a crash.")
        seconds.cut(whole_lines(times))
        yield Store(lines, seconds, there)
    finally:
        lines.close()
        seconds.close()


def read_generations(path: Path, size: int | None = None) -> list[Generation]:
    """Return the generations in the whole lines of a file, or in its first `size` bytes; [] without a file.

    Raises SweepError naming file and line for a line that is no generation, or whose key was there before.
    """
    content = content_of(path)[: whole_lines(path) if size is None else size]
    decoder = msgspec.json.Decoder(Generation)
    seen: dict[Key, int] = {}
    found = []
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        generation = _decoded(decoder, line, f"{path}:{number}")
        first = seen.setdefault(generation.key, number)
        if first != number:
            raise SweepError(f"{path}:{number}: line {first} has this text already; remove one of them.")
        found.append(generation)
    return found


def _decoded(decoder: msgspec.json.Decoder[Generation], line: bytes, where: str) -> Generation:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SweepError(f"{where}: this line is no generation: {error}; mend or remove it.") from error


def check_keys(
    folder: Path, there: Sequence[Key], settings: Sequence[Setting], prompts: Sequence[Prompt], n: int
) -> None:
    """Raise SweepError naming the line of a text that this sweep does not ask for."""
    known, ids = {setting.key for setting in settings}, {prompt.id for prompt in prompts}
    for number, (method, setting, prompt, index) in enumerate(there, 1):
        if (method, setting) not in known or prompt not in ids or not 0 <= index < n:
            raise SweepError(
                f"{folder / GENERATIONS_NAME}:{number}: this sweep has no text {index} of prompt {prompt!r} "
                f"by {method!r} with {setting!r}; remove the line."
            )
