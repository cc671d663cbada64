"""A small finished sweep to be rated, with names that no text has, and ratings of its pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from baco_core.cli import main
from baco_eval.annotate.key import Key, letters, read_key
from baco_eval.records import Generation, Prompt, Score, Setting
from baco_eval.sweep.manifest import Manifest, TaskRecord, write_manifest
from baco_eval.tasks.task import fingerprint

RUDE = "</div><script>alert(1)</script>\n\n\tindented & <b>bold</b>"
SETTINGS = [
    Setting("zebra", "gamma=0.111,wide=[1,2]"),
    Setting("zebra", "gamma=0.222"),
    Setting("walrus", "gamma=0.333"),
    Setting("ocelot", "default"),
]
SHARES = dict(zip([one.key for one in SETTINGS], (4, 3, 9, 0), strict=True))
"""Base tokens of ten."""
PROMPTS = [Prompt(f"prompt-id-{i}", f"Tell me story {i} <of> a fox.") for i in range(6)]
SWEEP = "task: {use: jsonl, options: {path: ./prompts.jsonl}}\nmethods: [{router: {use: p}}]\n"
Marks = Callable[[tuple[str, str], str], int | None]
"""From setting and scale to a mark."""


def make_sweep(
    folder: Path, settings: Sequence[Setting] = SETTINGS, n: int = 3, prompts: Sequence[Prompt] = PROMPTS
) -> Path:
    """Write a finished sweep's folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"id": one.id, "prompt": one.text}) for one in prompts]
    (folder / "prompts.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (folder / "sweep.yaml").write_text(SWEEP)
    task = TaskRecord("jsonl", fingerprint(prompts), len(prompts))
    write_manifest(
        Manifest(1, "c" * 64, task, {}, {}, list(settings), n, 0, "2026-01-01", {"plugins": []}), folder
    )
    keep_texts(folder, texts_of(settings, n, prompts))
    return folder


def texts_of(settings: Sequence[Setting], n: int, prompts: Sequence[Prompt]) -> list[Generation]:
    """Return a text for each place; that of no two is the same."""
    return [
        Generation(
            *one.key,
            prompt.id,
            index,
            f"{RUDE} {number} {prompt.text} {index}",
            "stop",
            10,
            SHARES[one.key],
        )
        for number, one in enumerate(settings)
        for prompt in prompts
        for index in range(n)
    ]


def keep_texts(folder: Path, texts: Sequence[Generation]) -> None:
    content = b"".join(msgspec.json.encode(one) + b"\n" for one in texts)
    (folder / "generations.jsonl").write_bytes(content)


def keep_scores(folder: Path, metric: str, value: Callable[[Setting, int], float]) -> None:
    """Write a metric's scores; `value` gets the setting and the number of the prompt."""
    (folder / "scores").mkdir(exist_ok=True)
    scores = [
        Score(metric, *one.key, prompt.id, value(one, number))
        for one in SETTINGS
        for number, prompt in enumerate(PROMPTS)
    ]
    content = b"".join(msgspec.json.encode(one) + b"\n" for one in scores)
    (folder / "scores" / f"{metric}.jsonl").write_bytes(content)


def export(sweep: Path, out: Path, *more: str) -> Key:
    """Give the command and return the key it wrote."""
    assert main(["annotate", "export", str(sweep), "--out", str(out), *more]) == 0
    return read_key(out)


ALL = "zebra:gamma=0.111,wide=[1,2],zebra:gamma=0.222,walrus:gamma=0.333,ocelot:default"


def answers(key: Key, rater: str, marks: Marks, prefer: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    """Return a rater's file, as the page saves it; the first of `prefer` that an item has is preferred."""
    return {
        "format": 1,
        "export": key.export,
        "rater": rater,
        "ratings": {
            item: {
                "sets": {
                    letter: {scale: marks(one, scale) for scale in ("diversity", "quality", "creativity")}
                    for letter, one in letters(sets).items()
                },
                "preference": _preferred(letters(sets), prefer),
            }
            for item, sets in key.raters[rater].items()
        },
    }


def _preferred(sets: Mapping[str, tuple[str, str]], prefer: Sequence[tuple[str, str]]) -> str:
    for wanted in prefer:
        for letter, one in sets.items():
            if one == wanted:
                return letter
    return "none"


def keep(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data))
    return path
