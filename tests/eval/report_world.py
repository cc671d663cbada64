"""Scores made up for reports: five settings of two methods, whose Coverage is known by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from baco_core.cli import main
from baco_eval.records import Generation, Score, Setting
from baco_eval.report.measure import Measure
from baco_eval.report.results import Results, compute
from baco_eval.sweep.lines import write_whole
from baco_eval.sweep.manifest import Manifest, TaskRecord, write_manifest

A = {"0": (0.0, 1.0), "0.5": (0.5, 0.5), "1": (1.0, 0.0)}
B = {"0.3": (0.25, 0.75), "0.6": (0.75, 0.75)}
SETTINGS = [Setting("a", f"gamma={k}") for k in A] + [Setting("b", f"gamma={k}") for k in B]
POINTS = dict(zip([one.key for one in SETTINGS], [*A.values(), *B.values()], strict=True))
PROMPTS = ("fox", "boat", "king")
Value = Callable[[Setting, int], float | None]


def measure(
    name: str, group: str, value: Value, direction: int = 1, settings: Sequence[Setting] = SETTINGS
) -> Measure:
    """Return a metric's scores of each setting and prompt; None is not measured."""
    scores = [
        Score(name, *one.key, prompt, found, "no <model>." if found is None else "")
        for one in settings
        for i, prompt in enumerate(PROMPTS)
        for found in [value(one, i)]
    ]
    return Measure(name, direction, group, "f & g", "by hand", scores)


def diversity(one: Setting, prompt: int) -> float:
    """Return what the mean over prompts is the first coordinate of."""
    return POINTS[one.key][0] + (prompt - 1) / 8


def quality(one: Setting, prompt: int) -> float:
    return POINTS[one.key][1]


DISTINCT = measure("distinct-1", "lexical", diversity)
KINDS = measure("distinct-k", "semantic", diversity)
REWARD = measure("reward", "quality", quality)


def report(*measures: Measure, settings: Sequence[Setting] = SETTINGS, partial: bool = False) -> Results:
    return compute(settings, measures or [DISTINCT, KINDS, REWARD], resamples=20, partial=partial)


AS_B = [Setting("rand-as-b", one.id, matches=one.key) for one in SETTINGS[3:]]
"""Controls; the second has more quality than any other setting."""
POINTS.update(dict(zip([one.key for one in AS_B], [(0.5, 0.5), (0.5, 1.5)], strict=True)))


RUDE = "<script>alert(1)</script> & <img src='http://there.example/x'>"


def keep(
    folder: Path,
    settings: Sequence[Setting],
    n: int = 2,
    task: tuple[str, str, int] = ("cre<ative", "0" * 64, len(PROMPTS)),
) -> None:
    """Write the manifest of a sweep."""
    config = {"plugins": [], "n": n}
    record = TaskRecord(*task)
    manifest = Manifest(1, "0" * 64, record, {}, {}, list(settings), n, 0, "2026-01-01", config)
    write_manifest(manifest, folder)


def keep_scores(folder: Path, one: Measure) -> None:
    """Write a metric's scores."""
    (folder / "scores").mkdir(exist_ok=True)
    content = b"".join(msgspec.json.encode(score) + b"\n" for score in one.scores)
    (folder / "scores" / f"{one.name}.jsonl").write_bytes(content)


def made_folder(folder: Path) -> Path:
    """Write a sweep's folder, scored, with texts that are markup, and return it."""
    keep(folder, SETTINGS)
    for one in (
        DISTINCT,
        KINDS,
        measure("format", "other", quality),
        measure("base-share", "other", quality),
    ):
        keep_scores(folder, one)
    texts = [
        Generation(*one.key, prompt, index, RUDE, "stop", 4, 1, (("base", RUDE[:8]), ("aligned", RUDE[8:])))
        for one in SETTINGS
        for prompt in PROMPTS
        for index in range(2)
    ]
    write_whole(folder / "generations.jsonl", b"".join(msgspec.json.encode(one) + b"\n" for one in texts))
    return folder


def run(folder: Path, *more: str) -> int:
    return main(["report", str(folder), "--resamples", "20", *more])
