"""Where prompts come from: what each task reads, and what is said of data that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from baco_core.options import options_of
from baco_core.plugins import Plugins
from baco_eval.records import Prompt
from baco_eval.tasks.task import fingerprint
from tests.eval.task_world import message, prompts_of, task_plugins

NAMES = ("creative", "jsonl", "narrative-discourse", "noveltybench", "wildchat")


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return task_plugins()


def test_the_registered_tasks_are_frozen_and_their_options_described(plugins: Plugins) -> None:
    assert set(NAMES) <= set(plugins.tasks)
    for name in NAMES:
        factory: Any = plugins.tasks.get(name)
        assert factory.__dataclass_params__.frozen
        for option in options_of(factory).values():
            assert option.hint.__metadata__[0].description.endswith(".")


def test_the_creative_task_is_built_in_and_small(plugins: Plugins) -> None:
    prompts = prompts_of(plugins, "creative")
    assert len(prompts) == 20
    assert len({prompt.id for prompt in prompts}) == len({prompt.text for prompt in prompts}) == 20
    for prompt in prompts:
        assert len(set(prompt.paraphrases) - {prompt.text}) == 10
        assert all(prompt.id in text for text in (prompt.text, *prompt.paraphrases))
    assert prompts_of(plugins, "creative", limit=3) == prompts[:3]


def test_a_fingerprint_is_that_of_the_prompts(plugins: Plugins) -> None:
    prompts = prompts_of(plugins, "creative")
    assert fingerprint(prompts) == fingerprint(prompts_of(plugins, "creative"))
    assert fingerprint(prompts) != fingerprint(prompts[::-1])
    assert len(fingerprint(prompts)) == 64


def test_any_jsonl_with_a_field_for_the_prompt_is_a_task(plugins: Plugins, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"question": "Why?", "nr": 7, "kind": "a", "again": ["Wherefore?"]}\r\n'
        b'\r\n{"question": "Wo\xc3\xbc?"}\r\n'
    )
    fields = {"prompt_field": "question", "id_field": "nr", "category_field": "kind"}
    found = prompts_of(plugins, "jsonl", path=str(path), paraphrases_field="again", **fields)
    assert found == (Prompt("7", "Why?", "a", ("Wherefore?",)), Prompt("line-3", "Woü?"))


def test_one_line_is_a_task_of_one_prompt(plugins: Plugins, tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text('{"prompt": "Why?"}')
    assert prompts_of(plugins, "jsonl", path=str(path)) == (Prompt("line-1", "Why?"),)


GOOD = b'{"id": "a", "prompt": "Why?"}\n'


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ": there are no prompts in it; it needs at least one."),
        (b"\n \n\r\n", ": there are no prompts in it; it needs at least one."),
        (GOOD + b'{"id": "b"}\n', ":2: field 'prompt' is missing; there are: id."),
        (GOOD + b"{}", ":2: field 'prompt' is missing; there are: none."),
        (b'{"prompt": " "}', ":1: field 'prompt' must be text that is not empty, not ' '."),
        (b'{"prompt": 3}', ":1: field 'prompt' must be text that is not empty, not 3."),
        (b'{"prompt": null}', ":1: field 'prompt' must be text that is not empty, not nothing."),
        (b'{"id": [1], "prompt": "x"}', ":1: field 'id' must be text or a whole number, not [1]."),
        (
            b'{"prompt": "x", "paraphrases": ["y", ""]}',
            ":1: field 'paraphrases' must hold texts that are not empty, not ''.",
        ),
        (b'{"prompt": "x", "paraphrases": "y"}', ":1: field 'paraphrases' must be a list of texts, not 'y'."),
        (GOOD + b"\n" + GOOD, ":3: the id 'a' is that of {path}:1; ids must be unique."),
        (GOOD + b'{"prompt": "\xff"}', ":2: not valid UTF-8 (byte 13 of the line)."),
        (GOOD + b'{"id": "b", "pro', ":2: the JSON is cut off in the middle; get the file again."),
        (b'[{"prompt": "x"}]', "got [{'prompt': 'x'}] (a JSON list; write one object a line)."),
        (b"Why?\nWhat?\n", ":1: no valid JSON: JSON is malformed: invalid character (byte 0)."),
        (b'{"prompt": NaN}', ":1: no valid JSON: JSON is malformed: invalid character (byte 11)."),
    ],
)
def test_bad_data_is_one_clear_line(plugins: Plugins, tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(data)
    said = message(plugins, "jsonl", path=str(path))
    assert said.startswith(str(path))
    assert said.endswith(words.replace("{path}", str(path)))


def test_a_file_that_is_not_there_and_a_wrong_option_are_named(plugins: Plugins, tmp_path: Path) -> None:
    path = tmp_path / "none.jsonl"
    assert message(plugins, "jsonl", path=str(path)) == (
        f"{path}: cannot read the file: No such file or directory."
    )
    assert "cannot read the file: Is a directory." in message(plugins, "jsonl", path=str(tmp_path))
    assert message(plugins, "jsonl").startswith("sweep.yaml: task.options: key 'path' is missing.")
    assert "limit: expected int >= 1, got 0" in message(plugins, "creative", limit=0)
    assert "Did you mean 'curated'?" in message(plugins, "noveltybench", split="curatd")
    assert "min_words 9 is above max_words 8" in message(plugins, "wildchat", min_words=9, max_words=8)
