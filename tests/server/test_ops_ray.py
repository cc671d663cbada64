"""Two replicas on a Ray cluster of this machine: one answer a seed, streams, and a killed one replaced."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from api_world import chat, wait_for

from baco_core.config import load_config
from baco_core.errors import ConfigError
from baco_core.pipeline import Pipeline
from baco_core.plugins import load_plugins

pytest.importorskip("ray.serve", reason="needs ray[serve]", exc_type=ImportError)
DRIVER = Path(__file__).with_name("ray_driver.py")
PATIENCE_S = 240.0
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"),
]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def below(ancestor: int) -> dict[int, str]:
    """Return the processes below one, with what each is called."""
    parents, names = {}, {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            process = int(folder.name)
            parents[process] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            names[process] = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")[0]
    found = {ancestor}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return {one: names[one] for one in found - {ancestor} if one in names}


def replicas(driver: int) -> set[int]:
    return {process for process, name in below(driver).items() if name.startswith("ray::ServeReplica")}


@pytest.fixture(scope="module")
def driver() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A cluster with two replicas, and where it listens; all that it began ends with it."""
    port = free_port()
    args = json.dumps({"replicas": 2, "cpus": 1, "settings": ["server.log_level=error"]})
    process = subprocess.Popen(
        [sys.executable, DRIVER, str(port), args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, map(os.path.abspath, sys.path)))},
    )
    assert process.stdout is not None
    assert process.stdin is not None
    begun: set[int] = set()
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if line.startswith("ready"):
                break
        assert said[-1].startswith("ready"), "".join(said)
        yield process, f"http://127.0.0.1:{port}"
        begun = set(below(process.pid))
    finally:
        process.stdin.close()
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
    wait_for(lambda: not any(Path(f"/proc/{one}").exists() for one in begun), 60)


@pytest.fixture
def client(driver: tuple[subprocess.Popen[str], str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=driver[1], timeout=60, trust_env=False) as found:
        yield found


def alone(**more: Any) -> str:
    config = load_config(None, [f"decode.{key}={value}" for key, value in more.items()])
    pipeline = Pipeline.from_config(config, load_plugins(()))
    return pipeline.generate(chat()["messages"][0]["content"])[0].text


def test_any_replica_writes_the_same_text_for_a_seed(client: httpx.Client) -> None:
    texts: dict[str, set[str]] = {}
    end = time.monotonic() + PATIENCE_S
    while len(texts) < 2 and time.monotonic() < end:
        answer = client.post("/v1/chat/completions", json=chat(max_tokens=16, seed=3))
        text = answer.json()["choices"][0]["message"]["content"]
        texts.setdefault(answer.headers["x-baco-replica"], set()).add(text)
    assert list(texts.values()) == [{alone(max_new_tokens=16, seed=3)}] * 2


def test_streams_come_in_pieces(client: httpx.Client) -> None:
    with client.stream("POST", "/v1/chat/completions", json=chat(max_tokens=48, stream=True)) as answer:
        data = [line[6:] for line in answer.iter_lines() if line.startswith("data: ")]
    assert data.pop() == "[DONE]"
    deltas = [json.loads(one)["choices"][0]["delta"].get("content", "") for one in data]
    assert len(deltas) > 10
    assert "".join(deltas) == alone(max_new_tokens=48, seed=1)


def test_a_client_that_hangs_up_ends_its_request(client: httpx.Client) -> None:
    body = chat(max_tokens=2000, n=8, stream=True)
    with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        next(answer.iter_lines())
        name = answer.headers["x-baco-replica"]

    def idle() -> bool:
        found = client.get("/metrics")
        return found.headers["x-baco-replica"] == name and 'baco_texts_running{pair="tiny"} 0.0' in found.text

    wait_for(idle, 30)


def test_a_killed_replica_is_replaced(
    client: httpx.Client, driver: tuple[subprocess.Popen[str], str]
) -> None:
    before = replicas(driver[0].pid)
    assert len(before) == 2
    os.kill(killed := before.pop(), signal.SIGKILL)
    wait_for(lambda: len(replicas(driver[0].pid) - {killed}) == 2, PATIENCE_S)
    names: set[str] = set()

    def both_answer() -> bool:
        with suppress(httpx.HTTPError):
            answer = client.post("/v1/chat/completions", json=chat(max_tokens=4))
            if answer.status_code == 200:
                names.add(answer.headers["x-baco-replica"])
        return len(names) == 2

    wait_for(both_answer, PATIENCE_S)


PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
CONFIG = "/etc/baco/serve.yaml"


@pytest.mark.skipif(not PAGE.is_file(), reason="docs/ does not come with the wheel")
def test_the_command_and_the_config_of_the_page_are_what_ray_and_we_take() -> None:
    from ray.serve.schema import ServeDeploySchema
    from ray.serve.scripts import convert_args_to_dict

    from baco_server import ray_app

    text = PAGE.read_text("utf-8").replace(CONFIG, str(PAGE.parents[1] / "deploy" / "serve.yaml"))
    (command,) = re.findall(r"^serve run baco_server\.ray_app:app (.*)$", text, re.M)
    (block,) = re.findall(r"^```yaml\n(proxy_location:.*?)^```", text, re.M | re.S)
    schema = ServeDeploySchema.model_validate(yaml.safe_load(block))
    assert schema.applications[0].import_path == "baco_server.ray_app:app"
    for args in (convert_args_to_dict(tuple(command.split())), schema.applications[0].args):
        built = ray_app.app(args)
        assert built._bound_deployment.num_replicas == 2


def test_unknown_arguments_are_refused_in_one_line() -> None:
    from baco_server.ray_app import app

    with pytest.raises(ConfigError, match=r"^replica: .*; there are config, settings, replicas, cpus\.$"):
        app({"replica": 2})
    with pytest.raises(ConfigError, match="Did you mean 'texts'"):
        app({"settings": ["server.text=3"]})
