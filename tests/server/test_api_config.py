"""A server's config: an ordinary one, or a section for the server and a config for each pair."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from baco_core.config import config_data, load_config
from baco_core.config_yaml import read_yaml
from baco_core.errors import BacoError, ConfigError
from baco_core.plugins import load_plugins
from baco_server.config import ServerConfig
from baco_server.config_file import load_serve_config, name_of
from baco_server.config_schema import serve_schema
from baco_server.edge.keys import load_keys

ROOT = Path(__file__).parents[2]
SERVE = ROOT / "configs" / "serve.yaml"


def written(folder: Path, text: str) -> Path:
    path = folder / "s.yaml"
    path.write_text(text, "utf-8")
    return path


def refusal(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(BacoError) as caught:
        load_serve_config(written(folder, text), overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "")


def test_without_a_file_the_embedded_pair_is_served() -> None:
    config = load_serve_config(None)
    assert list(config.pairs) == ["tiny"]
    assert config.pairs["tiny"] == load_config(None)
    assert config.server == ServerConfig()


def test_an_ordinary_config_is_one_pair_with_the_name_of_its_bundle() -> None:
    config = load_serve_config(ROOT / "configs" / "tiny.yaml")
    assert list(config.pairs) == ["tiny"]
    assert config.pairs["tiny"] == load_config(ROOT / "configs" / "tiny.yaml")


@pytest.mark.parametrize(
    ("pair", "name"),
    [
        ("{bundle: ./my-bundle}", "my-bundle"),
        ("{bundle: some/where/else/}", "else"),
        ("{base: one:base, aligned: one:aligned}", "one"),
        ("{base: one, aligned: ./other/two:aligned}", "one+two"),
        ("{bundle: './a b@c'}", "a-b-c"),
    ],
)
def test_a_pair_is_named_after_its_bundles(tmp_path: Path, pair: str, name: str) -> None:
    assert list(load_serve_config(written(tmp_path, f"pair: {pair}")).pairs) == [name]


def test_the_shipped_file_loads_and_shows_the_defaults() -> None:
    config = load_serve_config(SERVE)
    assert config.server == ServerConfig()
    assert list(config.pairs) == ["tiny", "tiny-wild"]
    plugins = load_plugins(config.plugins)
    for pair in config.pairs.values():
        plugins.routers.build(pair.router, "router")
        plugins.samplers.build(pair.sampler, "sampler")


def test_the_shipped_file_explains_every_key() -> None:
    text = SERVE.read_text("utf-8")
    assert text.startswith("# ")
    keys = [field.name for field in dataclasses.fields(ServerConfig)]
    assert [key for key in keys if not re.search(rf"\b{key}:", text)] == []


def test_the_schema_takes_what_the_loader_takes_and_refuses_what_it_refuses(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(json.dumps(serve_schema(load_plugins()), allow_nan=False))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    right: list[Any] = [{}, {"pair": {"bundle": "tiny"}}, {"pairs": {"a": {}}}, read_yaml(SERVE)]
    right += [{"server": {"port": 0, "cors_origins": ["x"]}, "pairs": {"a": {"router": {"use": "h"}}}}]
    wrong: list[Any] = [{"pairs": {}}, {"server": {}}, {"server": {"prt": 1}, "pairs": {"a": {}}}]
    wrong += [
        {"pairs": {"a": {"rooter": {}}}},
        {"pairs": {"a": {}}, "decode": {}},
        {"server": {"port": -1}, "pairs": {"a": {}}},
    ]
    for data in [*right, *wrong]:
        path = written(tmp_path, json.dumps(data))
        assert validator.is_valid(data) == (data in right)
        if data in right:
            load_serve_config(path)
        else:
            with pytest.raises(ConfigError):
                load_serve_config(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "sever: {}\npairs: {a: {}}",
            "s.yaml: unknown key 'sever'. Did you mean 'server'? Allowed: ['pairs', 'server'].",
        ),
        (
            "server: {prt: 1}\npairs: {a: {}}",
            "s.yaml: server: unknown key 'prt'. Did you mean 'port'? Allowed: [",
        ),
        ("server: {port: 70000}\npairs: {a: {}}", "s.yaml: server.port: expected int <= 65535, got 70000."),
        (
            "server: {log_format: xml}\npairs: {a: {}}",
            "s.yaml: server.log_format: 'xml' is not allowed. Allowed: [",
        ),
        ("server: {}", "s.yaml: key 'pairs' is missing. Allowed: ['pairs', 'server']."),
        ("pairs: {}", "s.yaml: pairs: there is none; name one."),
        ("pairs: [a]", "s.yaml: pairs: expected a mapping, got ['a']."),
        ("pairs: {'a:b': {}}", "s.yaml: pairs.a:b: 'a:b' is no name for a pair;"),
        ("pairs: {a: {rooter: {}}}", "s.yaml: pairs.a: unknown key 'rooter'. Did you mean 'router'?"),
        ("pairs: {a: {decode: {n: 0}}}", "s.yaml: pairs.a.decode.n: expected int >= 1, got 0."),
        ("pairs: {a: {pair: {}}}", "s.yaml: pairs.a.pair: give either 'bundle', or both"),
        ("rooter: {}", "s.yaml: unknown key 'rooter'. Did you mean 'router'?"),
    ],
)
def test_whatever_is_wrong_is_one_line_with_file_and_path(tmp_path: Path, text: str, complaint: str) -> None:
    assert refusal(tmp_path, text).startswith(complaint)


def test_overrides_reach_the_server_and_every_pair(tmp_path: Path) -> None:
    path = written(tmp_path, "pairs: {a.b: {}, c: {decode: {n: 2}}}")
    config = load_serve_config(
        path, ["server.port=9000", "pairs.a.b.decode.seed=4", "pairs.c.router.options.gamma=0.7"]
    )
    assert config.server.port == 9000
    assert config.pairs["a.b"].decode.seed == 4
    assert config.pairs["c"].router.options == {"gamma": 0.7}
    assert config.pairs["c"].decode.n == 2


def test_with_one_pair_its_keys_stand_alone_as_for_generate() -> None:
    config = load_serve_config(ROOT / "configs" / "tiny.yaml", ["decode.max_new_tokens=9", "server.texts=2"])
    assert config.pairs["tiny"].decode.max_new_tokens == 9
    assert config.server.texts == 2


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("server.prt=1", "--set server.prt=1: unknown key 'prt'. Did you mean 'port'?"),
        ("server.port=x", "--set server.port=x: server.port: expected int, got 'x'."),
        ("server=1", "--set server=1: set one key of it, such as server.port=9000."),
        ("pairs.b.decode.n=1", "--set pairs.b.decode.n=1: pairs: unknown key 'b'."),
        ("decode.m=1", "--set decode.m=1: unknown key 'm'."),
        ("decode.n=0", "--set decode.n=0: pairs.a.decode.n: expected int >= 1, got 0."),
    ],
)
def test_a_wrong_override_is_named(tmp_path: Path, override: str, complaint: str) -> None:
    assert refusal(tmp_path, "pairs: {a: {}}", override).startswith(complaint)


def test_folders_are_relative_to_the_file(tmp_path: Path) -> None:
    text = "server: {api_keys_file: keys.txt}\npairs: {a: {pair: {bundle: ./mine}}}"
    config = load_serve_config(written(tmp_path, text))
    assert config.server.api_keys_file == f"{tmp_path}/keys.txt"
    assert config.pairs["a"].pair.bundle == f"{tmp_path}/mine"


def test_a_pair_of_the_file_is_the_config_that_it_would_be_alone(tmp_path: Path) -> None:
    alone = load_config(ROOT / "configs" / "penalties.yaml")
    data = json.dumps({"pairs": {"a": config_data(alone)}})
    assert load_serve_config(written(tmp_path, data)).pairs["a"] == alone
    assert name_of(alone) == "tiny"


def test_keys_come_from_the_file_and_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    path.write_text("# of the team\nkey-number-1\n\n  key-number-2  \n")
    config = ServerConfig(api_keys_file=str(path), api_keys_env="MINE")
    keys = load_keys(config, {"MINE": "key-number-3, key-number-4"})
    assert all(keys.allow(f"key-number-{number}".encode()) for number in (1, 2, 3, 4))
    assert not keys.allow(b"key-number-5")
    assert not keys.allow(b"# of the team")
    assert not keys.allow(None)
    assert "key-number" not in repr(keys)
    assert not load_keys(ServerConfig(), {})


def test_a_key_file_may_be_written_on_any_system(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    path.write_bytes(b"\xef\xbb\xbfkey-number-1\r\nkey-number-2 \r\n\r\n")
    keys = load_keys(ServerConfig(api_keys_file=str(path)), {"BACO_API_KEYS": "key-number-3\n"})
    assert all(keys.allow(f"key-number-{number}".encode()) for number in (1, 2, 3))
    assert not keys.allow(b"key-number-1\r")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "there is no API key in it"),
        (b"# none\n", "there is no API key in it"),
        (b"short\n", "8 or more ASCII characters"),
        (b"with spaces in it\n", "8 or more ASCII characters"),
        ("schlüsselchen\n".encode(), "8 or more ASCII characters"),
        (b"\xff\xfe\n", "it is not UTF-8"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_key_file_that_protects_nothing_is_refused_without_showing_it(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "keys.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(complaint)) as caught:
        load_keys(ServerConfig(api_keys_file=str(path)), {})
    assert "schl" not in str(caught.value)
