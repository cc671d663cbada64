"""docs/serving.md names what there is: every field, route, key and metric; its nginx passes streams on."""

from __future__ import annotations

import dataclasses
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_world import Api, chat, running, wait_for

from baco_server.api.fields import BacoField
from baco_server.api.fields_chat import ChatRequest
from baco_server.api.fields_completions import CompletionRequest
from baco_server.config import ServerConfig

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
if not PAGE.is_file():
    pytest.skip("docs/ does not come with the wheel", allow_module_level=True)
TEXT = PAGE.read_text("utf-8")
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.M | re.S)
NAMED = set(re.findall(r"`([^`]+)`", PROSE))


def section(title: str) -> set[str]:
    """Return the names in a section."""
    (found,) = re.findall(rf"^#+ {re.escape(title)}$(.*?)(?=^#)", PROSE, re.M | re.S)
    return set(re.findall(r"`([^`]+)`", found))


def test_every_field_of_a_request_is_in_the_page() -> None:
    known = {*ChatRequest.model_fields, *CompletionRequest.model_fields} - {"model"}
    assert known <= section("Fields")
    assert set(BacoField.model_fields) <= section("Who writes: `baco`")


def test_every_key_of_a_server_is_in_the_page() -> None:
    keys = {field.name for field in dataclasses.fields(ServerConfig)} - {"host", "port"}
    bare = {name.partition(":")[0].removeprefix("server.") for name in NAMED}
    assert keys <= bare


def test_every_key_that_the_page_names_after_server_exists() -> None:
    keys = {field.name for field in dataclasses.fields(ServerConfig)}
    assert set(re.findall(r"\bserver\.([a-z_]+)\b(?!\.json)", TEXT)) - {"log"} <= keys


def test_every_route_is_in_the_page(api: Api) -> None:
    paths = set(api.http().get("/openapi.json").json()["paths"])
    assert {path.replace("{model}", "ID") for path in paths} <= NAMED


def test_every_metric_is_in_the_page_and_none_else(api: Api) -> None:
    api.http().get("/v1/models")
    lines = api.http().get("/metrics").text.splitlines()
    names = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    names = {name for name in names if not name.endswith("_created")}
    assert {name for name in NAMED if re.fullmatch(r"baco_[a-z_]+", name)} - {"baco_server"} == names


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def proxied(folder: Path, port: int) -> Iterator[str]:
    """Run nginx as the page has it, before a server on another port."""
    (block,) = re.findall(r"```nginx\n(.*?)```", TEXT, re.S)
    address = f"127.0.0.1:{free_port()}"
    changed = block.replace("127.0.0.1:8000", f"127.0.0.1:{port}").replace("listen 8080", f"listen {address}")
    assert changed.count(address) == 1
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    http = f"http {{\naccess_log off;\n{places}{changed}}}"
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n{http}\n"
    )
    process = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.PIPE)
    try:
        wait_for(lambda: process.poll() is not None or answers(f"http://{address}/health"), 30)
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield f"http://{address}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_passes_pieces_on_as_they_come_and_hangs_up_with_its_client(tmp_path: Path) -> None:
    slow: Any = chat(max_tokens=12, stream=True, baco={"router": "slow", "options": {"seconds": 0.2}})
    with running(pairs={"tiny": {}}) as api, proxied(tmp_path, api.port) as url:
        began = time.monotonic()
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=slow, timeout=60) as answer:
            times = [time.monotonic() - began for line in answer.iter_lines() if line.startswith("data: ")]
        assert times[-1] - times[1] > 1.0  # not all at once
        slow["max_tokens"] = 200
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=slow, timeout=60) as answer:
            next(answer.iter_lines())
        api.wait_idle(10)
