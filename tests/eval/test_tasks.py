"""Where prompts come from: what each task reads, and what is said of data that cannot be used."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baco_core.config import Part
from baco_core.errors import ConfigError
from baco_core.options import options_of
from baco_core.plugins import Plugins, load_plugins
from baco_eval import plugin
from baco_eval.records import Prompt
from baco_eval.tasks.task import Task, fingerprint

NAMES = ("creative", "jsonl", "narrative-discourse", "noveltybench", "wildchat")
SHARED = Path(__file__).parents[3] / "shared/data/noveltybench"


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    loaded = load_plugins()
    return loaded if "creative" in loaded.tasks else load_plugins(given={"eval": plugin})


def prompts_of(plugins: Plugins, use: str, **options: Any) -> tuple[Prompt, ...]:
    task: Task = plugins.tasks.build(Part(use, options, "sweep.yaml"), "task")
    return task.prompts()


def write(path: Path, rows: Sequence[object]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return str(path)


def message(plugins: Plugins, use: str, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        prompts_of(plugins, use, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


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


CURATED = [
    {"id": "curated-0", "category": "Creativity", "prompt": "A?", "prompt_paraphrases": ["B?", "C?"]},
    {"id": "curated-1", "category": "Facts", "prompt": "D?", "prompt_paraphrases": ["E?", "F?"]},
    {"id": "curated-2", "category": "Creativity", "prompt": "G?", "prompt_paraphrases": ["H?", "I?"]},
]


def test_noveltybench_reads_a_file_or_the_folder_of_its_repository(plugins: Plugins, tmp_path: Path) -> None:
    path = write(tmp_path / "curated.jsonl", CURATED)
    write(tmp_path / "wildchat-1k.jsonl", [{"id": "WildChat-1", "prompt": "Hi?", "safety": {}}])
    found = prompts_of(plugins, "noveltybench", path=path)
    assert found[0] == Prompt("curated-0", "A?", "Creativity", ("B?", "C?"))
    assert prompts_of(plugins, "noveltybench", path=str(tmp_path)) == found
    wildchat = prompts_of(plugins, "noveltybench", path=str(tmp_path), split="wildchat")
    assert wildchat == (Prompt("WildChat-1", "Hi?"),)
    creative = prompts_of(plugins, "noveltybench", path=path, categories=["Creativity"], limit=2)
    assert [prompt.id for prompt in creative] == ["curated-0", "curated-2"]


def test_noveltybench_needs_ids_and_knows_its_categories(plugins: Plugins, tmp_path: Path) -> None:
    path = write(tmp_path / "curated.jsonl", [*CURATED, {"prompt": "X?"}])
    assert (
        message(plugins, "noveltybench", path=path) == f"{path}:4: field 'id' is missing; there are: prompt."
    )
    path = write(tmp_path / "curated.jsonl", CURATED)
    assert message(plugins, "noveltybench", path=path, categories=["Creative"]) == (
        f"{path}: no category 'Creative'. Did you mean 'Creativity'? Available: Creativity, Facts."
    )


def chat(name: str, text: object, **more: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": text}, {"role": "assistant", "content": "Well."}]
    return {"conversation_hash": name, "conversation": turns, "language": "English", **more}


CHATS = [
    chat("1", " Tell me of the sea. "),
    chat("2", "Erzähl mir vom Meer.", language="German"),
    chat("3", "Tell me of NAME_1, please.", redacted=True),
    chat("4", "Tell me something so vile.", toxic=True),
    chat("5", "Tell me more."),
    chat("6", "word " * 151),
    chat("7", "Tell me of the sea."),
    chat("1", "Tell me of the moon."),
    chat("8", "Tell me of the stars.", redacted=False, toxic=False, openai_moderation=[]),
    chat("9", ""),
]


def test_wildchat_takes_first_turns_by_its_rules(plugins: Plugins, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", CHATS)
    expected = (Prompt("WildChat-1", "Tell me of the sea."), Prompt("WildChat-8", "Tell me of the stars."))
    assert prompts_of(plugins, "wildchat", path=path) == expected
    assert prompts_of(plugins, "wildchat", path=path, limit=1) == expected[:1]
    assert len(prompts_of(plugins, "wildchat", path=path, toxic=True, min_words=3)) == 4
    assert prompts_of(plugins, "wildchat", path=path, language="German")[0].id == "WildChat-2"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"conversation_hash": "1", "language": "English"}, "field 'conversation' must be a list of turns"),
        (chat("1", None), "field 'conversation' must be a list of turns with 'content'"),
        ({**chat("1", "A b c d e."), "language": None}, "field 'language' must be text that is not empty"),
        ({"conversation": [{"content": "x"}]}, "field 'conversation_hash' is missing"),
    ],
)
def test_wildchat_names_rows_that_are_none(
    plugins: Plugins, tmp_path: Path, row: dict[str, Any], words: str
) -> None:
    path = write(tmp_path / "rows.jsonl", [CHATS[0], row])
    assert message(plugins, "wildchat", path=path).startswith(f"{path}:2: {words}")


def test_parquet_rows_are_read_as_lines_are(plugins: Plugins, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path, unmarked = tmp_path / "rows.parquet", {"redacted": False, "toxic": False}
    parquet.write_table(pyarrow.Table.from_pylist([{**unmarked, **row} for row in CHATS]), path)
    lines = prompts_of(plugins, "wildchat", path=write(tmp_path / "rows.jsonl", CHATS))
    assert prompts_of(plugins, "wildchat", path=str(path)) == lines
    assert message(plugins, "jsonl", path=str(path)).startswith(f"{path}: row 1: field 'prompt' is missing;")
    path.write_bytes(path.read_bytes()[:-9])
    assert message(plugins, "wildchat", path=str(path)).startswith(f"{path}: no valid Parquet: ")


def test_narratives_ask_for_an_arc_and_continue_an_opening(plugins: Plugins, tmp_path: Path) -> None:
    arcs = tmp_path / "ground_truth_arc.json"
    arcs.write_text('{"11": "Icarus", "12": "Cinderella", "13": "Icarus"}')
    bare = prompts_of(plugins, "narrative-discourse", path=str(arcs), words=100)
    assert [prompt.category for prompt in bare] == ["Cinderella", "Icarus"]
    assert bare[1].text == "Write a story of about 100 words in which the hero rises, then falls."
    rows = [{"id": 13, "text": "It was dark. Very dark! Then not."}, {"id": 99, "text": "Nobody knows."}]
    told = prompts_of(
        plugins, "narrative-discourse", path=str(arcs), stories=write(tmp_path / "stories.jsonl", rows)
    )
    assert told == (
        Prompt(
            "13",
            "Write a story of about 300 words in which the hero rises, then falls. "
            "It begins like this:\n\nIt was dark. Very dark!",
            "Icarus",
        ),
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("", ": the JSON is cut off in the middle; get the file again."),
        ('{"1": "Icarus"', ": the JSON is cut off in the middle; get the file again."),
        ("{}", ": expected an object of story id to arc, got {}."),
        ('["Icarus"]', ": expected an object of story id to arc, got ['Icarus']."),
    ],
)
def test_arcs_that_are_none_are_refused(plugins: Plugins, tmp_path: Path, data: str, words: str) -> None:
    path = tmp_path / "arcs.json"
    path.write_text(data)
    assert message(plugins, "narrative-discourse", path=str(path)) == f"{path}{words}"
    path.write_text('{"1": "Icarsu"}')
    said = message(plugins, "narrative-discourse", path=str(path))
    assert said.startswith(f"{path}: story '1' has the arc 'Icarsu'. Did you mean 'Icarus'?")


def made_hub(files: dict[str, Path], asked: list[str]) -> SimpleNamespace:
    def list_repo_files(dataset: str, *, repo_type: str, revision: str | None) -> list[str]:
        assert repo_type == "dataset"
        return ["README.md", *files]

    def hf_hub_download(dataset: str, name: str, *, repo_type: str, revision: str | None) -> str:
        asked.append(f"{dataset}/{name}@{revision}")
        return str(files[name])

    api = SimpleNamespace(list_repo_files=list_repo_files)
    return SimpleNamespace(HfApi=lambda: api, hf_hub_download=hf_hub_download)


def test_the_hub_is_asked_for_the_split_and_only_as_far_as_needed(
    plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    curated = Path(write(tmp_path / "c.jsonl", CURATED))
    rows = [Path(write(tmp_path / f"{part}.jsonl", CHATS[part : part + 1])) for part in (0, 8)]
    files = {"data/curated.jsonl": curated, "train-0.jsonl": rows[0], "train-1.jsonl": rows[1]}
    monkeypatch.setitem(sys.modules, "huggingface_hub", made_hub(files, asked))
    assert len(prompts_of(plugins, "noveltybench", revision="v1")) == 3
    assert prompts_of(plugins, "wildchat", limit=1)[0].id == "WildChat-1"
    assert asked == [
        "yimingzhang/novelty-bench/data/curated.jsonl@v1",
        "allenai/WildChat-1M/train-0.jsonl@None",
    ]
    assert len(prompts_of(plugins, "wildchat")) == 2
    assert message(plugins, "noveltybench", split="wildchat") == (
        "yimingzhang/novelty-bench: the hub's data set has no .jsonl or .parquet with 'wildchat'."
    )


def test_a_hub_out_of_reach_is_one_clear_line(plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*arguments: object, **options: object) -> list[str]:
        raise OSError("no route to host.\nstack of things")

    api = SimpleNamespace(list_repo_files=unreachable)
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(HfApi=lambda: api))
    with pytest.raises(ConfigError) as caught:
        prompts_of(plugins, "noveltybench")
    assert str(caught.value) == (
        "yimingzhang/novelty-bench: could not be fetched from the hub (no route to host); "
        "set 'path' to a local file, or repeat."
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "the hub needs huggingface_hub: pip install 'baco[eval]'" in message(plugins, "noveltybench")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the sample of NoveltyBench is not here")
def test_the_sample_of_noveltybench_reads(plugins: Plugins) -> None:
    curated = prompts_of(plugins, "noveltybench", path=str(SHARED / "curated-60.jsonl"))
    assert len(curated) == 60
    assert {len(prompt.paraphrases) for prompt in curated} == {10}
    wildchat = prompts_of(plugins, "noveltybench", path=str(SHARED / "wildchat-prompts-200.jsonl"))
    assert len(wildchat) == 200
