"""The JSON schema says the same as the loader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_plugins
import pytest

from baco_core.cli.config_command import filled
from baco_core.config import config_from_data, load_config
from baco_core.config_yaml import read_yaml
from baco_core.errors import BacoError
from baco_core.plugins import Plugins, load_plugins
from baco_core.schema import config_schema
from baco_eval.metrics.named import metrics_in
from baco_eval.scoring.choice import choose
from baco_eval.sweep.config import load_sweep
from baco_eval.sweep.grid import cells_of

jsonschema = pytest.importorskip("jsonschema", reason="validates the schema; part of baco[dev]")

ROOT = Path(__file__).parents[2]
SWEEPS = sorted((ROOT / "configs").glob("sweep-*.yaml"))
METRICS = sorted((ROOT / "configs").glob("metrics-*.yaml"))
SERVERS = sorted((ROOT / "configs").glob("serve*.yaml"))  # see tests/server/test_api_config.py
OTHERS = {*SWEEPS, *METRICS, *SERVERS}
CONFIGS = [path for path in sorted((ROOT / "configs").glob("*.yaml")) if path not in OTHERS]
TINY = ROOT / "configs" / "tiny.yaml"
ACME = ROOT / "tests" / "third_party" / "acme_routers" / "src"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return config_schema(load_plugins())


def errors(schema: dict[str, Any], data: object) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(data)]


def loads(data: object) -> bool:
    """Whether the loader takes the data, options of all parts included."""
    plugins = load_plugins()
    try:
        config = config_from_data(data)
        plugins.routers.build(config.router, "router")
        plugins.samplers.build(config.sampler, "sampler")
    except BacoError:
        return False
    return True


def test_the_schema_is_a_valid_schema_and_strict_json(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema, allow_nan=False)) == schema


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"router": {"use": "p"}},
        {"router": {"use": "p", "options": {"gamma": 1}}},
        {"pair": {"base": "a", "aligned": "b", "verify": False}},
        {"decode": {"stop": ["x"], "seed": 2**64 - 1, "n": 2}},
        {"router": {"use": "chain", "options": {"routers": [{"use": "punc"}, {"use": "p"}]}}},
        {"sampler": {"use": "greedy"}},
        {"export": {"base": "a", "aligned": "b", "precision": "fp16"}},
        {"rooter": {}},
        {"router": {"use": "p", "option": {}}},
        {"router": {"use": "p-pnuc"}},
        {"router": {"use": "p", "options": {"gama": 1}}},
        {"router": {"use": "p", "options": {"gamma": "1"}}},
        {"router": {"use": "p", "options": {"gamma": -1}}},
        {"router": {"use": "chain"}},
        {"router": {"use": "chain", "options": {"routers": [{"use": "p", "options": {"gama": 1}}]}}},
        {"router": {"options": {}}},
        {"pair": {}},
        {"pair": {"base": "a"}},
        {"pair": {"bundle": "a", "base": "b", "aligned": "c"}},
        {"decode": {"n": 0}},
        {"decode": {"n": 1.5}},
        {"decode": {"seed": 2**64}},
        {"decode": {"stop": [""]}},
        {"decode": {"switch_at": "words"}},
        {"decode": 3},
        {"plugins": "routers"},
        {"export": {"base": "a"}},
        [],
    ],
    ids=str,
)
def test_schema_and_loader_agree(schema: dict[str, Any], data: object) -> None:
    assert (not errors(schema, data)) == loads(data), errors(schema, data)


def test_every_registered_part_is_a_choice_with_described_options(schema: dict[str, Any]) -> None:
    plugins = load_plugins()
    for kind, registry in plugins.factories.items():
        choices = {choice["title"]: choice for choice in schema["$defs"][kind]["oneOf"]}
        assert sorted(choices) == registry.names()
        for choice in choices.values():
            assert choice["description"]
            options = choice["properties"]["options"]["properties"]
            assert all(option.get("description") for option in options.values())


def test_every_key_of_the_config_is_described(schema: dict[str, Any]) -> None:
    assert all(section["description"] for section in schema["properties"].values())
    for name in ("DecodeConfig", "PairConfig", "PromptsConfig", "ExportConfig"):
        for key, option in schema["$defs"][name]["properties"].items():
            assert option.get("description"), f"{name}.{key}"


def test_defaults_stand_in_the_schema(schema: dict[str, Any]) -> None:
    assert schema["$defs"]["DecodeConfig"]["properties"]["max_new_tokens"]["default"] == 256
    assert schema["properties"]["router"]["default"] == {"use": "p-punc", "options": {"gamma": 0.3}}


def test_a_third_partys_options_are_in_the_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(made_plugins.install(tmp_path, "acme-made", made_plugins.GOOD))
    with made_plugins.forgotten(tmp_path):
        schema = config_schema(load_plugins(["acme-made"]))
    assert errors(schema, {"router": {"use": "made", "options": {"gamma": 0.5}}}) == []
    assert errors(schema, {"router": {"use": "made", "options": {"gamma": "x"}}})


@pytest.fixture
def everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugins]:
    """The plugins with the example package of the tests, which one config names."""
    info = tmp_path / "acme_routers-0.3.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-routers\nVersion: 0.3.1\n")
    (info / "entry_points.txt").write_text("[baco]\nacme-routers = acme_routers.plugin\n")
    monkeypatch.syspath_prepend(ACME)
    monkeypatch.syspath_prepend(tmp_path)
    with made_plugins.forgotten(ACME):
        yield load_plugins(["acme-routers"])


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_shipped_sweep_builds_its_settings_and_its_metrics(path: Path) -> None:
    sweep, plugins = load_sweep(path), load_plugins()
    assert cells_of(sweep, plugins)
    assert choose(sweep.metrics, (), plugins, {}, str(path))


@pytest.mark.parametrize("path", METRICS, ids=lambda path: path.stem)
def test_every_shipped_list_of_metrics_names_all_there_are(path: Path) -> None:
    plugins = load_plugins()
    named = choose(metrics_in(path), (), plugins, {"pair": ("tiny:base", "tiny:aligned")}, str(path))
    assert {one.use for one in metrics_in(path)} == set(plugins.metrics)
    assert len(named) == len(plugins.metrics)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_loads_builds_and_fits_the_schema(path: Path, everybody: Plugins) -> None:
    config = load_config(path)
    load_plugins(config.plugins)
    for kind, registry in everybody.factories.items():
        registry.build(getattr(config, kind), kind)
    assert errors(config_schema(everybody), read_yaml(path)) == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_begins_with_what_it_is_for(path: Path) -> None:
    assert path.read_text("utf-8").startswith("# ")


def test_the_shipped_configs_are_there() -> None:
    names = {path.stem for path in CONFIGS}
    assert {"tiny", "gemma3-smollm2", "smollm2-two-views", "llama3-8b", "olmo2-7b", "judge", "chain"} <= names


def test_tiny_yaml_shows_the_defaults(everybody: Plugins) -> None:
    shown, default = (load_config(path) for path in (TINY, None))
    assert filled(shown, everybody) == filled(default, everybody)


def test_tiny_yaml_explains_every_key(schema: dict[str, Any], everybody: Plugins) -> None:
    text = TINY.read_text("utf-8")
    names = ["PairConfig", "DecodeConfig", "PromptsConfig", "ExportConfig"]
    keys = [key for name in names for key in schema["$defs"][name]["properties"]]
    keys += everybody.backends.options("onnxruntime")
    missing = [key for key in [*schema["properties"], *keys] if not re.search(rf"\b{key}:", text)]
    assert missing == []
