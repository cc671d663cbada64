"""YAML from anywhere: plain data or one line that says what is wrong and where."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.config_yaml import MAX_ALIASES, MAX_BYTES, parse_yaml, read_yaml, to_yaml
from baco_core.errors import ConfigError

LAUGHS = "a: &a [x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
)

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "c.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(st.dictionaries(st.text(max_size=8), trees, max_size=4))
def test_what_is_written_is_read_back(data: dict[str, object]) -> None:
    assert parse_yaml(to_yaml(data), "c.yaml") == data


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("router: {use: p", "c.yaml: line 1, column 16: expected ',' or '}', but got '<stream end>'."),
        ("a: 1\n b: 2", "c.yaml: line 2, column 3: mapping values are not allowed here."),
        ("a: [\n", "c.yaml: line 2, column 1:"),
        ("a: *nobody", "c.yaml: line 1, column 4: found undefined alias 'nobody'."),
        ("a: !!python/object/apply:os.system [x]", "could not determine a constructor for the tag"),
        ("a: !thing 3", "could not determine a constructor for the tag '!thing'"),
        ("a: 1\nb: 2\na: 3", "c.yaml: line 3, column 1: key 'a' is given twice."),
        ("o: {x: 1, x: 2}", "c.yaml: line 1, column 11: key 'x' is given twice."),
        ("a: &a [*a]", "c.yaml: line 1, column 8: alias 'a' stands inside itself."),
        ("a: &a {b: *a}", "alias 'a' stands inside itself."),
        ("a: " + "[" * 40 + "]" * 40, "nested more than 32 deep."),
        ("a: " + "[" * 5000, "nested more than 32 deep."),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("a: \x01", "character U+0001 is not allowed in YAML."),
        ("a: '\ud800'", "character U+D800 is not allowed in YAML."),
        ("a: 2024-99-99", "not valid YAML: month must be in 1..12."),
        ("a: " + "9" * 5000, "not valid YAML: Exceeds the limit"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(text: str, complaint: str) -> None:
    assert complaint in refusal(text)


def test_an_alias_bomb_is_refused_before_it_is_expanded() -> None:
    assert f"more than {MAX_ALIASES} aliases" in refusal(LAUGHS)


def test_a_few_aliases_and_merges_are_fine() -> None:
    text = "base: &base {use: p, options: {gamma: 1}}\nrouter: {<<: *base, use: q}\nother: *base"
    data = parse_yaml(text, "c.yaml")
    assert data["router"] == {"use": "q", "options": {"gamma": 1}}
    assert data["other"] == data["base"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("2E5", 2e5),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("1.5", 1.5),
        ("3", 3),
        ("1e", "1e"),
    ],
)
def test_numbers_are_numbers_as_people_write_them(text: str, value: object) -> None:
    assert parse_yaml(text, "c.yaml") == value


def test_a_missing_file_a_folder_and_an_unreadable_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml: there is no such file\.$"):
        read_yaml(tmp_path / "nothing.yaml")
    with pytest.raises(ConfigError, match=r"cannot read the file: Is a directory\.$"):
        read_yaml(tmp_path)


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ConfigError, match=r"c\.yaml: line 2: the file is not UTF-8; save it as UTF-8\.$"):
        read_yaml(path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(path) == {"a": 1}


def test_a_huge_file_is_refused_without_being_parsed(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than"):
        read_yaml(path)


@given(st.text(max_size=40))
def test_any_text_is_data_or_a_config_error(text: str) -> None:
    try:
        parse_yaml(text, "c.yaml")
    except ConfigError as error:
        assert str(error).startswith("c.yaml:")  # noqa: PT017 - both ways are right
