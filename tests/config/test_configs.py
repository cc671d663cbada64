"""A config is frozen values from YAML, with nothing dropped and everything named."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.config import (
    MAX_SEED,
    Config,
    DecodeConfig,
    ExportConfig,
    PairConfig,
    Part,
    config_data,
    config_from_data,
    load_config,
)
from baco_core.config_yaml import parse_yaml, to_yaml
from baco_core.errors import BacoError, ConfigError


def written(folder: Path, text: str) -> Path:
    path = folder / "p.yaml"
    path.write_text(text, "utf-8")
    return path


def refusal(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(BacoError) as caught:
        load_config(written(folder, text), overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "")


names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=8)
values = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
)
parts = st.builds(Part, names, st.dictionaries(names, values | st.lists(values, max_size=3), max_size=3))
pairs = st.builds(lambda bundle: PairConfig(bundle=bundle), names) | st.builds(
    lambda base, aligned, verify: PairConfig(base=base, aligned=aligned, verify=verify),
    names,
    names,
    st.booleans(),
)
decodes = st.builds(
    DecodeConfig,
    max_new_tokens=st.integers(1, 10**6),
    n=st.integers(1, 1000),
    seed=st.integers(0, MAX_SEED),
    switch_at=st.sampled_from(["word", "token"]),
    schedule=st.sampled_from(["auto", "plain", "lazy"]),
    stop=st.lists(st.text(min_size=1, max_size=5), max_size=3).map(tuple),
    end=st.sampled_from(["either", "aligned"]),
    top=st.integers(1, 20),
    overflow=st.sampled_from(["refuse", "shorten"]),
)
configs = st.builds(
    Config,
    plugins=st.lists(names, max_size=3).map(tuple),
    backend=parts,
    pair=pairs,
    router=parts,
    sampler=parts,
    decode=decodes,
    export=st.none() | st.builds(ExportConfig, base=names, aligned=names),
)


@given(configs)
def test_a_config_written_as_yaml_reads_back_equal(config: Config) -> None:
    assert config_from_data(parse_yaml(to_yaml(config_data(config)), "c.yaml")) == config


def test_without_a_file_the_embedded_pair_writes_by_p_punc() -> None:
    config = load_config()
    assert config.pair == PairConfig(bundle="tiny")
    assert config.router == Part("p-punc", {"gamma": 0.3})
    assert config.sampler == Part("multinomial", {"top_p": 0.95})
    assert config.backend == Part("onnxruntime")
    assert config.decode == DecodeConfig(256, 1, 0, "word", "auto", (), "either", 8, 4, False, 5, "refuse")
    assert (config.plugins, config.export) == ((), None)


def test_the_example_of_the_design_is_read(tmp_path: Path) -> None:
    text = """
plugins: [onnxruntime, routers, samplers]
pair: {bundle: tiny}
router: {use: p-punc, options: {gamma: 0.3}}
sampler: {use: multinomial, options: {temperature: 1.0, top_p: 0.95}}
decode: {max_new_tokens: 256, n: 1, seed: 0, switch_at: word, schedule: auto}
prompts: {base: question-answer}
"""
    config = load_config(written(tmp_path, text))
    assert config.plugins == ("onnxruntime", "routers", "samplers")
    assert config.sampler.options == {"temperature": 1.0, "top_p": 0.95}


def test_sections_left_out_and_an_empty_file_have_the_defaults(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, "")) == Config()
    assert load_config(written(tmp_path, "decode: {n: 3}")) == Config(decode=DecodeConfig(n=3))


def test_a_config_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_config().decode.n = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- a", "p.yaml: expected a mapping, got ['a']."),
        ("just text", "p.yaml: expected a mapping, got 'just text'."),
        (
            "rooter: {use: p}",
            "p.yaml: unknown key 'rooter'. Did you mean 'router'? Allowed: ['backend', 'decode',",
        ),
        (
            "decode: {max_tokens: 3}",
            "p.yaml: decode: unknown key 'max_tokens'. Did you mean 'max_new_tokens'? All",
        ),
        (
            "router: {use: p, option: {}}",
            "p.yaml: router: unknown key 'option'. Did you mean 'options'? Allowed: [",
        ),
        ("router: {options: {}}", "p.yaml: router: key 'use' is missing. Allowed: ['options', 'use']."),
        ("router: p", "p.yaml: router: expected a mapping, got 'p'."),
        ("router:", "p.yaml: router: expected a mapping, got nothing."),
        ("router: {use: 3}", "p.yaml: router.use: expected str, got 3."),
        ("router: {use: p, options: [1]}", "p.yaml: router.options: expected a mapping, got [1]."),
        (
            "router: {use: p, options: {1: 2}}",
            "p.yaml: router.options: key 1 is not text; put quotes around it.",
        ),
        ("decode: {on: 1}", "p.yaml: decode: key True is not text; put quotes around it. Allowed: ["),
        ("decode: {n: '3'}", "p.yaml: decode.n: expected int, got '3'."),
        ("decode: {n: 3.0}", "p.yaml: decode.n: expected int, got 3.0."),
        ("decode: {n: true}", "p.yaml: decode.n: expected int, got True."),
        ("decode: {n: 0}", "p.yaml: decode.n: expected int >= 1, got 0."),
        ("decode: {max_new_tokens: -1}", "p.yaml: decode.max_new_tokens: expected int >= 1, got -1."),
        ("decode: {seed: -1}", "p.yaml: decode.seed: expected int >= 0, got -1."),
        (
            f"decode: {{seed: {2**64}}}",
            "p.yaml: decode: seed must be from 0 to 2**64 - 1, not 18446744073709551616.",
        ),
        ("decode: {stop: 'x'}", "p.yaml: decode.stop: expected list, got 'x'."),
        ("decode: {stop: [a, 3]}", "p.yaml: decode.stop[1]: expected str, got int."),
        ("decode: {stop: ['']}", "p.yaml: decode.stop[0]: expected str of length >= 1."),
        (
            "decode: {switch_at: words}",
            "'words' is not allowed. Did you mean 'word'? Allowed: ['word', 'token'].",
        ),
        (
            "decode: {schedule: fast}",
            "p.yaml: decode.schedule: 'fast' is not allowed. Allowed: ['auto', 'plain',",
        ),
        ("pair: {}", "p.yaml: pair: give either 'bundle', or both 'base' and 'aligned'."),
        ("pair: {base: a}", "p.yaml: pair: give either 'bundle', or both 'base' and 'aligned'."),
        ("pair: {bundle: a, base: b, aligned: c}", "p.yaml: pair: give either 'bundle', or both"),
        ("pair: {bundle: a, verify: maybe}", "p.yaml: pair.verify: expected bool, got 'maybe'."),
        ("export: {base: a}", "p.yaml: export: give either 'model', or both 'base' and 'aligned'."),
        ("export: {base: a, aligned: b, precision: int3}", "export.precision: 'int3' is not allowed."),
        ("plugins: routers", "p.yaml: plugins: expected list, got 'routers'."),
        (
            "router: {use: p, options: {gamma: .nan}}",
            "p.yaml: router.options.gamma: not a number (.nan) is not all",
        ),
        (
            "sampler: {use: s, options: {a: [{b: .nan}]}}",
            "p.yaml: sampler.options.a[0].b: not a number (.nan)",
        ),
    ],
)
def test_whatever_is_wrong_is_one_line_with_file_and_path(tmp_path: Path, text: str, complaint: str) -> None:
    assert complaint in refusal(tmp_path, text)


def test_infinity_is_a_number(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, "router: {use: h, options: {gamma: .inf}}"))
    assert config.router.options == {"gamma": math.inf}


def test_folders_of_a_file_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, "pair: {base: ./one:base, aligned: two}\n"))
    assert config.pair.base == f"{tmp_path}/one:base"
    assert config.pair.aligned == "two"


def test_export_sources_that_look_like_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, "export: {base: ./models/base, aligned: someone/model}"))
    assert config.export is not None
    assert config.export.base == f"{tmp_path}/models/base"
    assert config.export.aligned == "someone/model"


def test_folders_of_an_override_are_relative_to_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    config = load_config(written(tmp_path, ""), ["pair.bundle=./mine"])
    assert config.pair.bundle == f"{tmp_path}/here/mine"


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("decode.n=3", lambda config: config.decode.n == 3),
        ("router.options.gamma=1e-3", lambda config: config.router.options == {"gamma": 0.001}),
        ("router.options.gamma=.inf", lambda config: config.router.options == {"gamma": math.inf}),
        ("router.use=h", lambda config: config.router == Part("h", {"gamma": 0.3})),
        ("router={use: h}", lambda config: config.router == Part("h")),
        ("sampler.options.new=[1, 2]", lambda config: config.sampler.options["new"] == [1, 2]),
        ("decode.stop=['=', '.']", lambda config: config.decode.stop == ("=", ".")),
        ("plugins=[acme]", lambda config: config.plugins == ("acme",)),
        ("export={base: a, aligned: b}", lambda config: config.export == ExportConfig("a", "b")),
        ("pair={base: a, aligned: b}", lambda config: config.pair == PairConfig(base="a", aligned="b")),
    ],
)
def test_an_override_sets_one_value(override: str, read: object) -> None:
    assert callable(read)
    assert read(load_config(None, [override]))


def test_an_override_reaches_into_lists() -> None:
    chain = "router={use: chain, options: {routers: [{use: punc}, {use: p, options: {gamma: 0.1}}]}}"
    config = load_config(None, [chain, "router.options.routers.1.options.gamma=0.7"])
    assert config.router.options["routers"][1] == {"use": "p", "options": {"gamma": 0.7}}


def test_later_overrides_win_and_may_mend_earlier_ones() -> None:
    assert load_config(None, ["decode.n=2", "decode.n=3"]).decode.n == 3
    assert load_config(None, ["decode.n=wrong", "decode.n=3"]).decode.n == 3


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("decode.n", "--set decode.n: write it as key.key=value, such as router.options.gamma=0.3."),
        ("=3", "--set =3: write it as key.key=value"),
        ("decode..n=3", "--set decode..n=3: write it as key.key=value"),
        ("decod.n=3", "--set decod.n=3: unknown key 'decod'. Did you mean 'decode'? Allowed: ["),
        ("decode.m=3", "--set decode.m=3: unknown key 'm'."),
        ("decode.n=x", "--set decode.n=x: decode.n: expected int, got 'x'."),
        ("decode.n=[", "--set decode.n=[: line 1, column 2: "),
        ("router.options.gamma.deep=1", "there is nothing below 0.3 to set."),
        ("decode.stop.0=x", "'0' is no index into a list of 0."),
    ],
)
def test_a_wrong_override_is_named(override: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, [override])
    assert complaint in str(caught.value)


def test_a_fault_of_the_file_is_not_blamed_on_an_override(tmp_path: Path) -> None:
    text = refusal(tmp_path, "decode: {n: 0}", "decode.seed=3")
    assert text == "p.yaml: decode.n: expected int >= 1, got 0."


def test_values_made_in_python_are_checked_too() -> None:
    with pytest.raises(ConfigError, match=r"^n: expected int >= 1, got 0\.$"):
        DecodeConfig(n=0)
    with pytest.raises(ConfigError, match="switch_at: 'never' is not allowed"):
        DecodeConfig(switch_at="never")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="give either 'bundle'"):
        PairConfig()
