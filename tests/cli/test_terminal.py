"""What needs a process of its own: terminals, interruptions, and how soon the command line answers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import made_bundle
import made_plugins
import pytest

from baco_core.cli.render import STYLES, wants_color
from baco_core.source import Source

SLOW = """
from baco_core.hookspecs import hookimpl
import sys, time

@hookimpl
def on_token(event):
    time.sleep(30)
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config of the made pair; its plugins are in the folder `site` beside it."""
    made_bundle.install(tmp_path / "site", made_bundle.write_bundle(tmp_path / "bundle"))
    path = tmp_path / "c.yaml"
    path.write_text(
        "plugins: [acme-made]\nbackend: {use: made}\npair: {bundle: made}\n"
        "router: {use: rand, options: {gamma: 0.5}}\ndecode: {max_new_tokens: 30}\n"
    )
    return path


def environment(folder: Path, **more: str) -> dict[str, str]:
    search = os.pathsep.join([str(folder / "site"), *filter(None, sys.path)])
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    return {**kept, "PYTHONPATH": search, "TERM": "xterm-256color", **more}


def on_terminal(command: list[str], env: dict[str, str]) -> str:
    """Run a command whose stdout is a terminal and return what it shows."""
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    shown, terminal = pty.openpty()
    with subprocess.Popen(command, stdout=terminal, stderr=subprocess.DEVNULL, env=env) as running:
        os.close(terminal)
        chunks = []
        while chunk := read_some(shown):
            chunks.append(chunk)
        assert running.wait() == 0
    os.close(shown)
    return b"".join(chunks).decode().replace("\r\n", "\n")


def read_some(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # how Linux says that the other side has closed
        return b""


def test_on_a_terminal_words_are_coloured_and_base_is_underlined(config: Path) -> None:
    command = [sys.executable, "-m", "baco_core.cli", "generate", "A cat", "-c", str(config)]
    shown = on_terminal(command, environment(config.parent))
    assert all(style in shown for style in STYLES.values())
    assert "\x1b[38;5;208;4m" in shown
    plain = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment(config.parent)
    )
    assert "\x1b" not in plain.stdout
    visible = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert visible.replace("\\x", "")[:5] == plain.stdout[:5]


@pytest.mark.parametrize("more", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_can_be_refused(config: Path, more: dict[str, str]) -> None:
    command = [sys.executable, "-m", "baco_core.cli", "generate", "A cat", "-c", str(config)]
    assert "\x1b" not in on_terminal(command, environment(config.parent, **more))


def test_every_source_has_its_style() -> None:
    assert set(STYLES) == set(Source)
    assert not wants_color("never", sys.stdout)
    assert wants_color("always", sys.stdout)


def test_an_interruption_ends_with_130_and_one_line(config: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit "ignore"
    made_plugins.install(config.parent / "site", "acme-slow", SLOW)
    command = [sys.executable, "-m", "baco_core.cli", "generate", "A cat", "-c", str(config)]
    with subprocess.Popen(
        [*command, "--plugin", "acme-slow", "--trace"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(config.parent),
        text=True,
    ) as running:
        time.sleep(3)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=20)
    assert running.returncode == 130
    assert err.splitlines()[-1] == "baco: interrupted."
    assert "Traceback" not in err
    assert out == ""


def test_help_answers_at_once() -> None:
    """Counted in processor time, the best of three: other work on this machine says nothing about ours."""
    command = [sys.executable, "-m", "baco_core.cli", "--help"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert min(processor_seconds(command, env) for _ in range(3)) < 0.3


def processor_seconds(command: list[str], env: dict[str, str]) -> float:
    resource = pytest.importorskip("resource", reason="this system does not count processor time")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used: float = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used


def test_text_streams_as_it_is_written(config: Path) -> None:
    made_plugins.install(config.parent / "site", "acme-slow", SLOW)
    command = [
        sys.executable,
        "-m",
        "baco_core.cli",
        "generate",
        "A cat",
        "-c",
        str(config),
        "--format",
        "text",
    ]
    count = config.parent / "site" / "acme_slow.py"
    count.write_text(SLOW.replace("time.sleep(30)", "event.position < 8 or time.sleep(30)"))
    with subprocess.Popen(
        [*command, "--plugin", "acme-slow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(config.parent),
    ) as running:
        assert running.stdout is not None
        first = running.stdout.read(4)
        running.kill()
    assert len(first) == 4
