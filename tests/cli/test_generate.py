"""`baco generate`, with a pair that has no weights."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_bundle
import pytest

from baco_core.cli.render import STYLES, TextRenderer
from baco_core.events import Sample, TokenEvent, Usage
from baco_core.source import Source

Run = Callable[..., Any]
USAGE = (
    "prompt_tokens",
    "completion_tokens",
    "base_tokens",
    "aligned_tokens",
    "base_forwards",
    "aligned_forwards",
)
SUMMARY_OF_MANY = re.compile(r"\[base wrote \d+% of (\d+) tokens; ended by (?:stop|length)\]")
SUMMARY = re.compile(r"\[base wrote \d+% of \d+ tokens; \d+\.\d tokens/s; ended by (stop|length)\]")


@pytest.fixture
def config(tmp_path: Path, install: Callable[..., Path]) -> Path:
    """A config of the made pair; relative folders in it are relative to it."""
    site = install("acme-none", "")
    made_bundle.install(site, made_bundle.write_bundle(tmp_path / "bundle"))
    path = tmp_path / "made.yaml"
    path.write_text(
        "plugins: [acme-made]\nbackend: {use: made}\npair: {bundle: ./bundle}\n"
        "router: {use: p, options: {gamma: 0.5}}\ndecode: {max_new_tokens: 24}\n"
    )
    return path


@pytest.fixture
def generate(baco: Run, config: Path) -> Run:
    def run(*arguments: str, **options: Any) -> Any:
        return baco("generate", *arguments, "-c", str(config), **options)

    return run


def result(answer: Any) -> dict[str, Any]:
    assert answer.code == 0, answer.err
    loaded: dict[str, Any] = json.loads(answer.out)
    return loaded


def test_json_is_one_object_with_config_and_samples(generate: Run) -> None:
    answer = generate("A cat", "--format", "json", "-n", "2")
    data = result(answer)
    assert list(data) == ["config", "samples"]
    assert data["config"]["router"] == {"use": "p", "options": {"gamma": 0.5}}
    assert data["config"]["decode"]["n"] == 2
    assert [sample["index"] for sample in data["samples"]] == [0, 1]
    sample = data["samples"][0]
    assert list(sample) == ["index", "text", "finish_reason", "tokens", "usage"]
    assert set(sample["tokens"][0]) == {"id", "text", "source", "logprob"}
    assert list(sample["usage"]) == [*USAGE]
    assert sample["finish_reason"] in ("stop", "length")
    assert sample["text"] == "".join(token["text"] for token in sample["tokens"])
    assert sample["usage"]["completion_tokens"] == len(sample["tokens"])
    sources = [token["source"] for token in sample["tokens"]]
    assert sample["usage"]["base_tokens"] == sources.count("base")
    assert sample["usage"]["aligned_tokens"] == sources.count("aligned")
    assert data["samples"][0]["text"] != data["samples"][1]["text"]


def test_jsonl_is_one_sample_a_line_and_the_same_samples(generate: Run) -> None:
    # where models read at the same time, passes depend on which was quicker
    arguments = ("A cat", "-n", "3", "--schedule", "lazy", "--format")
    lines = generate(*arguments, "jsonl").out.splitlines()
    samples = result(generate(*arguments, "json"))["samples"]
    assert len(samples) == 3
    assert [json.loads(line) for line in lines] == samples


def test_text_is_plain_when_piped_and_the_summary_is_on_stderr(generate: Run) -> None:
    answer = generate("A cat")
    text = result(generate("A cat", "--format", "json"))["samples"][0]["text"]
    assert answer.code == 0
    assert answer.out.rstrip("\n") == text.rstrip("\n")
    assert answer.out.endswith("\n")
    assert "\x1b" not in answer.out + answer.err
    assert SUMMARY.fullmatch(answer.err.strip())


def test_several_texts_are_told_apart(generate: Run) -> None:
    answer = generate("A cat", "-n", "2")
    assert [line for line in answer.out.splitlines() if line.startswith("---")] == [
        "--- 1 of 2 ---",
        "--- 2 of 2 ---",
    ]
    one, two, both = answer.err.splitlines()
    counts = [int(found[1]) for line in (one, two) if (found := SUMMARY_OF_MANY.fullmatch(line))]
    assert len(counts) == 2
    assert re.fullmatch(rf"\[2 texts: {sum(counts)} tokens; \d+\.\d tokens/s\]", both)


def test_the_speed_of_texts_written_at_the_same_time_is_that_of_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 2.0])  # the second text is there as soon as the first has been told
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    renderer = TextRenderer(io.StringIO(), 2)
    for index in range(2):
        tokens = tuple(TokenEvent(index, at, 7, Source.ALIGNED, -1.0, "a") for at in range(10))
        renderer.show(Sample(index, "a" * 10, "length", tokens, Usage(5, 10, 0, 10, 0, 10)))
    assert capsys.readouterr().err.splitlines() == [
        *["[base wrote 0% of 10 tokens; ended by length]"] * 2,
        "[2 texts: 20 tokens; 10.0 tokens/s]",
    ]


def test_colour_shows_who_wrote_what(generate: Run) -> None:
    plain = generate("A cat", "--color", "never").out
    coloured = generate("A cat", "--color", "always").out
    assert (
        re.sub(r"\x1b\[[\d;]*m", "", coloured) == re.sub("[\x00-\x08\x0b-\x1f]", "", plain)
        or "\\x" in coloured
    )
    tokens = result(generate("A cat", "--format", "json"))["samples"][0]["tokens"]
    for source in Source:
        wrote = any(token["source"] == source.value and token["text"].strip() for token in tokens)
        assert (STYLES[source] in coloured) == wrote
    assert ";4m" in STYLES[Source.BASE]  # underlined, so that colour is not the only sign


def test_svg_draws_one_text(generate: Run) -> None:
    assert generate("A cat", "--format", "svg").out.startswith("<svg")
    answer = generate("A cat", "--format", "svg", "-n", "2")
    assert (answer.code, answer.out) == (2, "")


def test_the_same_seed_writes_the_same_text_and_another_seed_another(generate: Run) -> None:
    first = generate("A cat", "--seed", "7").out
    assert generate("A cat", "--seed", "7").out == first
    assert generate("A cat", "--seed", "8").out != first


@pytest.mark.parametrize("schedule", ["lazy", "speculative", "auto"])
def test_no_schedule_changes_the_text(generate: Run, schedule: str) -> None:
    plain = generate("A cat", "--schedule", "plain")
    assert plain.code == 0
    assert generate("A cat", "--schedule", schedule).out == plain.out


def test_inexact_rows_may_be_read_ahead_when_told_so(generate: Run) -> None:
    inexact = ("A cat", "--schedule", "speculative", "--set", "backend.options.exact=false")
    assert generate(*inexact).code == 2
    assert generate(*inexact, "--set", "decode.allow_inexact=true").code == 0


def test_a_prompt_comes_as_argument_or_on_standard_input(generate: Run, baco: Run, config: Path) -> None:
    expected = generate("A cat").out
    assert generate(stdin=b"A cat\n").out == expected
    assert generate("-", stdin=b"A cat\r\n").out == expected
    assert baco("generate", "-c", str(config), "--", "A cat").out == expected
    assert baco("generate", "-c", str(config), "--", "--help").code == 0


def test_a_conversation_comes_as_messages(generate: Run, tmp_path: Path) -> None:
    file = tmp_path / "chat.json"
    file.write_text(json.dumps([{"role": "user", "content": "A cat"}]))
    assert generate("--messages", str(file)).out == generate("A cat").out
    turns = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "A cat")]
    file.write_text(json.dumps([{"role": role, "content": content} for role, content in turns]))
    answer = generate("--messages", str(file))
    assert answer.code == 0
    assert answer.out != generate("A cat").out


def test_shorthands_set_values_of_the_config(generate: Run) -> None:
    arguments = ["--gamma", ".inf", "-n", "1", "--max-new-tokens", "5", "--seed", "3", "--temperature", "0"]
    data = result(generate("A cat", "--format", "json", "--router", "h", *arguments, "--set", "decode.top=2"))
    assert data["config"]["router"] == {"use": "h", "options": {"gamma": ".inf"}}
    assert data["config"]["sampler"]["options"]["temperature"] == 0
    assert data["config"]["decode"]["max_new_tokens"] == 5
    assert data["config"]["decode"]["seed"] == 3
    assert data["config"]["decode"]["top"] == 2
    assert data["samples"][0]["usage"]["base_tokens"] == 0  # h with gamma .inf is the aligned model alone


def test_another_router_has_its_own_default_options_and_the_same_keeps_them(generate: Run) -> None:
    assert result(generate("A", "--format", "json", "--router", "rand"))["config"]["router"]["options"] == {}
    assert result(generate("A", "--format", "json", "--router", "p"))["config"]["router"]["options"] == {
        "gamma": 0.5
    }


def test_end_points_write_with_one_model_alone(generate: Run) -> None:
    for router, share in (("base", 1.0), ("aligned", 0.0)):
        usage = result(generate("A cat", "--format", "json", "--router", router))["samples"][0]["usage"]
        assert usage["base_tokens"] / usage["completion_tokens"] == share


def test_a_trace_tells_who_why_and_what_else_was_likely(generate: Run) -> None:
    answer = generate("A cat", "--trace", "--max-new-tokens", "6", "--set", "decode.top=3")
    lines = answer.err.splitlines()
    tokens = [line for line in lines if re.match(r" +\d+ (base|aligned) ", line)]
    assert len(tokens) == 6 or "ended by stop" in lines[-1]
    assert re.match(r"   0 (base   |aligned) '.*'  max p_base: [\d.e-]+ against 0\.5$", tokens[0])
    tops = [line.split()[:2] for line in lines if line.startswith("     top")]
    assert tops[:2] == [["top", "base"], ["top", "aligned"]]
    first = next(line for line in lines if line.startswith("     top"))
    assert len(re.findall(r"' 0\.\d{3}|' 1\.000", first)) == 3
    assert answer.out == generate("A cat", "--max-new-tokens", "6").out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--schedule", "lazy"), "schedule lazy, one pass after the other: as asked for"),
        (
            ("--set", "backend.options.exact=false"),
            "schedule plain, one pass after the other: rows of the base model depend on how reading is cut",
        ),
    ],
)
def test_a_trace_begins_with_the_schedule_and_why(
    generate: Run, arguments: tuple[str, ...], line: str
) -> None:
    assert generate("A cat", "--trace", *arguments).err.splitlines()[0] == line
    assert line not in generate("A cat", *arguments).err


def test_an_observer_sees_what_is_written(
    generate: Run, install: Callable[..., Path], tmp_path: Path
) -> None:
    from made_plugins import HEAD

    log = tmp_path / "seen.txt"
    lines = ["@hookimpl", "def on_finish(sample):", f"    with open({str(log)!r}, 'a') as file:"]
    code = "\n".join([*lines, "        file.write(f'{sample.index};')", ""])
    install("acme-watch", HEAD + code)
    assert generate("A cat", "-n", "3", "--plugin", "acme-watch").code == 0
    assert log.read_text() == "0;1;2;"


def test_without_a_config_the_embedded_pair_writes_text(baco: Run) -> None:
    pytest.importorskip("onnxruntime", reason="the embedded pair runs on ONNX Runtime")
    answer = baco(
        "generate", "Tell me a story about a lighthouse.", "--max-new-tokens", "40", "--format", "json"
    )
    data = result(answer)
    assert data["config"]["pair"] == {"bundle": "tiny", "verify": True, "exchange": "auto"}
    assert data["config"]["router"] == {"use": "p-punc", "options": {"gamma": 0.3}}
    usage = data["samples"][0]["usage"]
    assert usage["completion_tokens"] > 10
    assert 0 < usage["base_tokens"] < usage["completion_tokens"]
