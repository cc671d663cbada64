"""`baco bench` and `baco doctor --memory` as a user runs them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_bundle
import pytest

from baco_core.bench import bench as bench_module
from baco_core.bench.run import Run, measure

Refused = Callable[..., str]
PAIR = "plugins: [acme-made]\nbackend: {use: made}\npair: {bundle: ./bundle}\ndecode: {max_new_tokens: 6}\n"
QUICK = ("--repeats", "2", "--schedules", "plain,lazy", "--alone", "aligned")


@pytest.fixture
def config(tmp_path: Path, install: Callable[..., Path]) -> str:
    """Write a config of the made pair."""
    made_bundle.install(install("acme-none", ""), made_bundle.write_bundle(tmp_path / "bundle"))
    path = tmp_path / "c.yaml"
    path.write_text(PAIR, "utf-8")
    return str(path)


def test_a_bench_is_a_table(baco: Callable[..., Any], config: str) -> None:
    answer = baco("bench", "-c", config, *QUICK)
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("machine ")
    assert [line.split("  ")[0] for line in lines if line.startswith(("plain ", "lazy ", "aligned "))]
    assert "lazy: 0 tokens differ from plain's." in lines
    assert answer.err.count("ms a token") == 6


def test_a_bench_is_one_json_object(baco: Callable[..., Any], config: str, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    answer = baco("bench", "-c", config, *QUICK, "--format", "json", "--out", str(out))
    found = json.loads(answer.out)
    assert found == json.loads(out.read_text("utf-8"))
    assert found["format"] == 1
    assert found["complete"] is True
    assert list(found["variants"]) == ["plain", "lazy", "aligned alone"]
    assert found["variants"]["lazy"]["figures"]["ms_per_token"]["count"] == 2
    assert found["variants"]["lazy"]["mismatches"] == 0
    assert found["machine"]["cores"] > 0
    assert found["pair"]["members"]["base"]["precision"] == "fp32"
    assert len(found["runs"]) == 6
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_prompts_come_from_a_file(baco: Callable[..., Any], config: str, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("A cat.\n\nA boat.\n", "utf-8")
    answer = baco("bench", "-c", config, *QUICK, "--prompts", str(prompts), "--format", "json")
    assert json.loads(answer.out)["prompts"] == ["A cat.", "A boat."]


def test_an_interrupted_bench_keeps_what_was_finished(
    baco: Callable[..., Any], config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))

    def interrupted(*arguments: Any) -> Run:
        if next(calls) == 5:  # three of them warm up
            raise KeyboardInterrupt
        return measure(*arguments)

    monkeypatch.setattr(bench_module, "measure", interrupted)
    out = tmp_path / "out.json"
    answer = baco("bench", "-c", config, *QUICK, "--format", "json", "--out", str(out))
    assert answer.code == 130
    assert answer.err.endswith("baco: interrupted.\n")
    for found in (json.loads(answer.out), json.loads(out.read_text("utf-8"))):
        assert found["complete"] is False
        assert len(found["runs"]) == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--schedules", "plian"), "--schedules: unknown schedule 'plian'. Did you mean 'plain'?"),
        (("--schedules", ","), "--schedules: unknown schedule ','. Available: auto, lazy"),
        (("--alone", "bass"), "--alone: unknown model 'bass'. Did you mean 'base'?"),
        (("--repeats", "0"), "argument --repeats: 0 is not from 1 to 10000. See 'baco bench --help'."),
        (("--repeats", "many"), "'many' is not a whole number"),
        (("--prompts", "none.txt"), "--prompts: none.txt: cannot read the file: No such file or directory."),
        (("--prompts", "/"), "--prompts: /: cannot read the file: Is a directory."),
        (("--prompts", "/dev/null"), "--prompts: /dev/null: the file has no prompts; write one a line."),
        (("--out", "/nowhere/at/all.json"), "--out: there is no folder /nowhere/at; make it first."),
        (("--out", "/"), "--out: / is a folder; name a file."),
        (("--max-new-tokens", "0"), "--max-new-tokens 0: decode.max_new_tokens"),
        (("-c", "none.yaml"), "none.yaml: there is no such file."),
        (("--set", "pair.bundle=nothing"), "unknown bundle 'nothing'."),
        (("--set", "router.use=q"), "unknown router 'q'."),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(
    refused: Refused, arguments: tuple[str, ...], complaint: str
) -> None:
    assert complaint in refused("bench", *arguments)


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_the_memory_of_a_pair_is_told_by_part(baco: Callable[..., Any], config: str) -> None:
    answer = baco("doctor", "--memory", config)
    assert answer.code == 0
    parts = [line[:28].strip() for line in answer.out.splitlines()]
    assert parts[:6] == [
        "part",
        "interpreter and libraries",
        "base model",
        "aligned model",
        "tokenizers and vocabularies",
        "cache and working memory",
    ]
    assert "base by part: not measured: the backend does not tell" in answer.out


def test_the_memory_of_nothing_is_one_line(refused: Refused) -> None:
    assert refused("doctor", "--memory", "none.yaml") == "none.yaml: there is no such file."
