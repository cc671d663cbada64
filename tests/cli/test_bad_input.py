"""What a user gets wrong: one line that names it, exit 2, no traceback, nothing written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import made_bundle
import pytest
from made_plugins import GOOD, HEAD

Refused = Callable[..., str]
Install = Callable[..., Path]
PAIR = "plugins: [acme-made]\nbackend: {use: made}\npair: {bundle: ./bundle}\n"


@pytest.fixture
def made(tmp_path: Path, install: Install) -> Callable[[str], Path]:
    """Write a config of the made pair with more text at its end."""
    folder = made_bundle.write_bundle(tmp_path / "bundle")
    made_bundle.install(install("acme-none", ""), folder)

    def write(text: str = "") -> Path:
        path = tmp_path / "c.yaml"
        path.write_text(PAIR + text, "utf-8")
        return path

    return write


def test_a_missing_config(refused: Refused) -> None:
    assert refused("generate", "A cat", "-c", "nothing.yaml") == "nothing.yaml: there is no such file."


def test_an_unreadable_config(refused: Refused, tmp_path: Path) -> None:
    assert refused("generate", "A cat", "-c", str(tmp_path)).endswith("cannot read the file: Is a directory.")
    path = tmp_path / "secret.yaml"
    path.write_text("")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert refused("generate", "A cat", "-c", str(path)).endswith("cannot read the file: Permission denied.")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("router: {use: p", "line 4, column 16: expected ',' or '}', but got '<stream end>'."),
        ("a: &a [x]\n" + "b: [" + "*a, " * 40 + "]", "more than 32 aliases."),
        ("\tdecode: 3", "line 4, column 1: found character '\\t' that cannot start any token."),
        ("rooter: {use: p}", "unknown key 'rooter'. Did you mean 'router'?"),
        ("decode: {m: 3}", "decode: unknown key 'm'."),
        ("prompts: {bass: plain}", "prompts: unknown key 'bass'. Did you mean 'base'?"),
        (
            "prompts: {base: few-shot, examples: [{promt: a, answer: b}]}",
            "prompts.examples[0]: unknown key 'promt'.",
        ),
        ("router: {use: p, options: {gama: 1}}", "router.options: unknown key 'gama'. Did you mean 'gamma'?"),
        ("decode: {n: many}", "decode.n: expected int, got 'many'."),
        ("router: {use: p, options: {gamma: lots}}", "router.options.gamma: expected float, got 'lots'."),
        ("router: {use: p, options: {gamma: -1}}", "router.options.gamma: expected float >= 0.0, got -1."),
        (
            "router: {use: rand, options: {gamma: 1.5}}",
            "router.options.gamma: expected float <= 1.0, got 1.5.",
        ),
        (
            "router: {use: p, options: {gamma: .nan}}",
            "router.options.gamma: not a number (.nan) is not allowed.",
        ),
        ("router: {use: p-pnuc}", "router.use: unknown router 'p-pnuc'. Did you mean 'p-punc'? Available: "),
        (
            "sampler: {use: gready}",
            "sampler.use: unknown sampler 'gready'. Did you mean 'greedy'? Available: ",
        ),
        ("sampler: {use: greedy, options: {temperature: 1}}", "sampler.options: unknown key 'temperature'."),
    ],
)
def test_a_wrong_config(refused: Refused, made: Callable[[str], Path], text: str, complaint: str) -> None:
    path = made(text)
    line = refused("generate", "A cat", "-c", str(path))
    assert line.startswith(f"{path}: ")
    assert complaint in line
    assert refused("config", "validate", str(path)) == line


def test_an_unknown_plugin(refused: Refused, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("plugins: [router]")
    line = refused("generate", "A cat", "-c", str(path))
    assert line.startswith(f"{path}: plugins: unknown plugin 'router'. Did you mean 'routers'? Available: ")


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("import a_module_that_is_not_there", "could not be imported: No module named"),
        (GOOD.replace('"made"', '"p"'), "Router 'p' is registered twice: by baco ("),
        (GOOD.replace("register_routers", "register_router"), "Did you mean 'register_routers'?"),
        (GOOD.replace("frozenset()", "frozenset({'teacher'})"), "asks for rows that don't exist: 'teacher'."),
        (
            GOOD.replace("return Decision(Source.BASE)", "return 1 / 0"),
            "raised at position 0: ZeroDivisionError",
        ),
        (GOOD.replace("return Decision(Source.BASE)", "return 'base'"), "answered 'base' at position 0"),
        (
            GOOD + "@hookimpl\ndef on_token(event):\n    1 / 0\n",
            "raised in hook 'on_token': ZeroDivisionError",
        ),
    ],
)
def test_a_broken_plugin_is_named(
    refused: Refused, made: Callable[[str], Path], install: Install, code: str, complaint: str
) -> None:
    install("acme-bad", code)
    path = made("router: {use: made}\n")
    path.write_text(path.read_text().replace("[acme-made]", "[acme-made, acme-bad]"))
    line = refused("generate", "A cat", "-c", str(path), "--format", "json")
    assert complaint in line
    assert "acme-bad" in line


def test_a_sampler_that_raises_is_named_with_how_far_it_came(
    refused: Refused, made: Callable[[str], Path], install: Install
) -> None:
    code = """
@dataclass(frozen=True)
class Odd:
    temperature: float = 1.0
    def filter(self, logits, history):
        return logits if len(history) < 3 else 1 / 0
@hookimpl
def register_samplers(register):
    register("odd", Odd)
"""
    install("acme-bad", HEAD + code)
    path = made("sampler: {use: odd}\n")
    line = refused("generate", "A cat", "-c", str(path), "--plugin", "acme-bad", "--format", "json")
    assert line.startswith(
        "Sampler 'odd' of plugin 'acme-bad' (distribution acme-bad 1.2.3, acme_bad) raised after "
    )
    assert re.search(r"after \d+ tokens: ZeroDivisionError", line)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--gamma", "lots"), "argument --gamma: 'lots' is not a number. See 'baco generate --help'."),
        (("--gamma", "nan"), "argument --gamma: 'nan' is not a number."),
        (("--gamma", "-1"), "router.options.gamma: expected float >= 0.0, got -1.0."),
        (("--router", "fc", "--gamma", "1"), "--gamma: router 'fc' has no gamma. Its options: ["),
        (
            ("--set", "sampler={use: greedy}", "--temperature", "1"),
            "--temperature: sampler 'greedy' has no temperat",
        ),
        (("--temperature", "-1"), "sampler.options.temperature: expected float >= 0.0, got -1.0."),
        (("-n", "0"), "-n 0: decode.n: expected int >= 1, got 0."),
        (("-n", "two"), "argument -n: 'two' is not a whole number."),
        (("--max-new-tokens", "0"), "--max-new-tokens 0: decode.max_new_tokens: expected int >= 1, got 0."),
        (("--seed", "-1"), "--seed -1: decode.seed: expected int >= 0, got -1."),
        (("--schedule", "fast"), "argument --schedule: invalid choice: 'fast'"),
        (
            ("--schedule", "speculative", "--set", "backend.options.exact=false"),
            "decode.schedule: 'speculative' must not change the text, but rows of the base model depend on",
        ),
        (("--router", "nobody"), "router.use: unknown router 'nobody'."),
        (("--set", "decod.n=3"), "--set decod.n=3: unknown key 'decod'. Did you mean 'decode'?"),
        (("--set", "n"), "--set n: write it as key.key=value"),
        (("--format", "xml"), "argument --format: invalid choice: 'xml'"),
        (("--temp", "1"), "unrecognized arguments: --temp 1"),
        (("more",), "unrecognized arguments: more"),
        (("--messages", "chat.json"), "give either PROMPT or --messages, not both."),
    ],
)
def test_a_wrong_argument(
    refused: Refused, made: Callable[[str], Path], arguments: tuple[str, ...], complaint: str
) -> None:
    assert complaint in refused("generate", "A cat", "-c", str(made("")), *arguments)


@pytest.mark.parametrize("prompt", ["", " \n\t "])
def test_an_empty_prompt(refused: Refused, prompt: str) -> None:
    assert refused("generate", prompt) == "the prompt is empty; say what to write about."
    assert refused("generate", stdin=prompt.encode()) == "the prompt is empty; say what to write about."


def test_standard_input_that_is_not_utf8(refused: Refused) -> None:
    assert refused("generate", stdin=b"A c\xe9t") == "standard input is not valid UTF-8 (byte 3)."


def test_an_argument_that_is_not_utf8(refused: Refused) -> None:
    assert refused("generate", os.fsdecode(b"A c\xe9t")) == "the prompt is not valid UTF-8."


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[", "Input data was truncated. Write a JSON list of {role, content}."),
        (b'{"role": "user"}', "Expected array, got object."),
        (b'[{"role": "user"}]', "Object missing required field content"),
        (b'[{"role": "owner", "content": "x"}]', "Invalid enum value 'owner'"),
        (b'[{"role": "user", "content": "\xff"}]', "the file is not valid UTF-8."),
    ],
)
def test_messages_that_cannot_be_read(
    refused: Refused, tmp_path: Path, content: bytes, complaint: str
) -> None:
    file = tmp_path / "chat.json"
    file.write_bytes(content)
    line = refused("generate", "--messages", str(file))
    assert line.startswith(f"--messages: {file}: ")
    assert complaint in line


def test_messages_that_are_not_there(refused: Refused) -> None:
    line = refused("generate", "--messages", "chat.json")
    assert line == "--messages: chat.json: cannot read the file: No such file or directory."


@pytest.mark.parametrize(
    ("turns", "complaint"),
    [
        ([], "the conversation is empty"),
        ([("user", " ")], "the prompt is empty"),
        ([("user", "a"), ("assistant", "b")], "the last must be the user's"),
        ([("user", "a"), ("user", "b")], "message 1 is from 'user' where 'assistant' is due"),
    ],
)
def test_a_conversation_that_makes_no_sense(
    refused: Refused,
    made: Callable[[str], Path],
    tmp_path: Path,
    turns: list[tuple[str, str]],
    complaint: str,
) -> None:
    file = tmp_path / "chat.json"
    file.write_text(json.dumps([{"role": role, "content": content} for role, content in turns]))
    assert complaint in refused("generate", "--messages", str(file), "-c", str(made("")))


def test_an_unknown_bundle(refused: Refused, made: Callable[[str], Path]) -> None:
    path = made("")
    line = refused("generate", "A cat", "-c", str(path), "--set", "pair.bundle=mede")
    assert line.startswith(
        f"{path}: pair.bundle: unknown bundle 'mede'. Did you mean 'made'? Available: made"
    )


@pytest.mark.parametrize("name", ["''", "x" * 5000, "/" + "x" * 5000, '"a\\0b"'])
def test_a_bundle_with_a_strange_name(refused: Refused, made: Callable[[str], Path], name: str) -> None:
    line = refused("generate", "A cat", "-c", str(made("")), "--set", f"pair.bundle={name}")
    assert "pair.bundle: unknown bundle " in line


def test_a_closed_standard_input(process: Callable[..., subprocess.CompletedProcess[bytes]]) -> None:
    done = process(shell=f"{sys.executable} -m baco_core.cli generate <&-")  # noqa: S604  (our own line)
    assert done.returncode == 2
    assert done.stderr.decode() == (
        "baco: error: there is no prompt and standard input is closed; give a PROMPT.\n"
    )


def test_a_closed_standard_output_is_no_failure(
    process: Callable[..., subprocess.CompletedProcess[bytes]],
) -> None:
    done = process(shell=f"{sys.executable} -m baco_core.cli config show >&-")  # noqa: S604  (our own line)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_bundle_that_has_not_been_exported_yet(refused: Refused, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("pair: {bundle: mine}\nexport: {base: a, aligned: b}\n")
    line = refused("generate", "A cat", "-c", str(path))
    assert line == f"{path}: there is no bundle 'mine' yet; make it with: baco export -c {path}"


def test_a_folder_that_is_no_bundle(refused: Refused, made: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    line = refused("generate", "A cat", "-c", str(made("")), "--set", f"pair.bundle={tmp_path}/other")
    assert f"{tmp_path}/other" in line
    assert "is it a bundle?" in line


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda folder: (folder / "base/tokenizer.json").unlink(), "file 'base/tokenizer.json' is missing"),
        (
            lambda folder: (folder / "base/model.onnx").write_text("x"),
            "file 'base/model.onnx' has 1 bytes, not 0",
        ),
        (
            lambda folder: (folder / "aligned/chat_template.jinja").write_text(
                "x" * len(made_bundle.TEMPLATE)
            ),
            "file 'aligned/chat_template.jinja' does not match its SHA-256",
        ),
        (lambda folder: (folder / "baco.json").write_text("{"), "malformed manifest"),
        (
            lambda folder: replace_in(folder / "baco.json", "base/model.onnx", "../model.onnx"),
            "leaves the bundle",
        ),
        (
            lambda folder: replace_in(folder / "baco.json", "base/model.onnx", "/etc/passwd"),
            "leaves the bundle",
        ),
    ],
)
def test_a_damaged_bundle(
    refused: Refused,
    made: Callable[[str], Path],
    tmp_path: Path,
    damage: Callable[[Path], object],
    complaint: str,
) -> None:
    path = made("")
    damage(tmp_path / "bundle")
    assert complaint in refused("generate", "A cat", "-c", str(path))


def replace_in(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")


def test_a_prompt_that_is_too_long_for_the_context(
    refused: Refused, made: Callable[[str], Path], tmp_path: Path
) -> None:
    path = made("")
    shutil.rmtree(tmp_path / "bundle")
    made_bundle.write_bundle(tmp_path / "bundle", context_limit=64)
    line = refused("generate", "A cat " * 20, "-c", str(path), "--max-new-tokens", "8")
    assert "64" in line


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{{ raise_exception('no') }}", "no"),
        ("{% for i in range(10**9) %}x{% endfor %}", "chat template"),
        ("{{ messages", "chat template"),
    ],
)
def test_a_chat_template_that_fails(
    refused: Refused, made: Callable[[str], Path], tmp_path: Path, template: str, complaint: str
) -> None:
    path = made("")
    shutil.rmtree(tmp_path / "bundle")
    made_bundle.write_bundle(tmp_path / "bundle", template=template)
    assert complaint in refused("generate", "A cat", "-c", str(path))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "the following arguments are required: COMMAND. See 'baco --help'."),
        (
            ("generat",),
            "unknown command 'generat'. Did you mean 'generate'? Available: annotate, bench, ",
        ),
        (("config",), "the following arguments are required: ACTION. See 'baco config --help'."),
        (("config", "shew"), "invalid choice: 'shew'"),
        (("config", "validate", "nothing.yaml"), "nothing.yaml: there is no such file."),
        (("plugins", "new", "Acme"), "NAME 'Acme' must be lower-case words joined by '-'"),
        (("plugins", "new", "numpy"), "NAME 'numpy' is taken by an installed package"),
        (("plugins", "new", "acme", "--kind", "thing"), "argument --kind: invalid choice: 'thing'"),
        (("generate", "A cat", "--plugin", "nobody"), "plugins: unknown plugin 'nobody'."),
        (("generate", "A cat", "--plugin"), "argument --plugin: expected one argument."),
    ],
)
def test_wrong_commands(refused: Refused, arguments: tuple[str, ...], complaint: str) -> None:
    assert complaint in refused(*arguments)
