"""Tasks of public data sets: formats, filters, the hub, and what is said of rows that are none."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baco_core.errors import ConfigError
from baco_core.plugins import Plugins
from baco_eval.records import Prompt
from tests.eval.task_world import message, prompts_of, task_plugins, write

SHARED = Path(__file__).parents[3] / "shared/data/noveltybench"


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return task_plugins()


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
    path.write_text('{"1": ["Icarus"]}')
    said = message(plugins, "narrative-discourse", path=str(path))
    assert said.startswith(f"{path}: story '1' has the arc ['Icarus'].")


def test_files_of_which_no_row_is_taken_say_why(plugins: Plugins, tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", CHATS[1:5])
    assert message(plugins, "wildchat", path=rows, max_words=9) == (
        f"{rows}: no row passes: language English, 4 to 9 words, not redacted, not toxic."
    )
    arcs = tmp_path / "arcs.json"
    arcs.write_text('{"1": "Icarus"}')
    stories = write(tmp_path / "stories.jsonl", [{"id": 2, "text": "It was dark."}])
    assert message(plugins, "narrative-discourse", path=str(arcs), stories=stories) == (
        f"{stories}: no story in it has an id that {arcs} gives an arc."
    )


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
