"""Length, sources, endings, repetition and faults of form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_eval.metrics.behaviour import BaseShare, Ended, Format, Length, Repetition, Switches
from baco_eval.metrics.faults import FAULTS, faults
from baco_eval.metrics.metric import NotMeasured
from baco_eval.records import Generation, Prompt

PROMPT = Prompt("p", "Tell me a story.")


def written(text: str, tokens: int, base: int, *pieces: str, finish: str = "stop") -> Generation:
    """Return a generation; `pieces` are sources in order."""
    runs = tuple((source, "x") for source in pieces)
    return Generation("m", "s", "p", 0, text, finish, tokens, base, runs)


TWO = [
    written("One two three.", 10, 5, "aligned", "base", "aligned"),
    written("One.", 30, 5, "base", "aligned", finish="length"),
]


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (Length(), 2.0),
        (Length(unit="tokens"), 20.0),
        (BaseShare(), 0.25),  # 10 of 40, where the mean of shares would be 1/3
        (Switches(), 7.5),  # 3 in 40
        (Ended(), 0.5),
        (Repetition(n=1), 0.0),
        (Format(), 1.0),
    ],
)
def test_values_are_those_computed_by_hand(metric: Any, value: float) -> None:
    assert metric.measure(TWO, PROMPT) == pytest.approx(value)


def test_a_text_by_one_source_never_switches() -> None:
    assert Switches().measure([written("a b", 2, 2, "base"), written("a b", 2, 0)], PROMPT) == 0


def test_switches_are_not_measured_where_pieces_are_unknown() -> None:
    with pytest.raises(NotMeasured, match="text 0 does not say where its source changes"):
        Switches().measure([written("a b", 2, 1)], PROMPT)


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        (["a b c d"], 0.0),
        (["a a a a a a"], 2 / 3),  # one n-gram three times
        (["a b c d a b c d"], 1 / 5),
        (["a b c d", "a b c d"], 0.0),  # between texts it is no repetition
        (["a a a a a", "a b c d", "short"], 0.25),
    ],
)
def test_repetition_is_counted_within_a_text(texts: list[str], value: float) -> None:
    assert Repetition().measure(texts, PROMPT) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A story.\n\n```python\nx = 1\n```\nDone.", ()),
        ("Blue", ()),
        ("He said: the user: nobody.", ()),
        ("1 < 2 | 3 > 2, <b>bold</b>", ()),
        (" \n", ("empty",)),
        ("caf\ufffd", ("broken-character",)),
        ("a\x00b", ("control-character",)),
        ("a\tb\r\n", ()),
        ("Done.<|im_end|>", ("template-mark",)),
        ("Done.</s>", ("template-mark",)),
        ("<end_of_turn>", ("template-mark",)),
        ("[INST] more [/INST]", ("template-mark",)),
        ("Done.\nUser: and now?", ("role-mark",)),
        ("### Response: x", ("role-mark",)),
        ("**Assistant**: x", ("role-mark",)),
        ("```\nx = 1", ("open-fence",)),
        ("\ufffd<eos>", ("broken-character", "template-mark")),
    ],
)
def test_faults_are_found_and_sound_texts_have_none(text: str, found: tuple[str, ...]) -> None:
    assert faults(text) == found
    assert Format().measure([text, "sound"], PROMPT) == (0.5 if found else 1.0)


@given(st.text(max_size=40))
def test_any_text_can_be_looked_at(text: str) -> None:
    assert set(faults(text)) <= set(FAULTS)
    assert ("empty" in faults(text)) == (not text.strip())


@pytest.mark.parametrize("metric", [BaseShare(), Switches(), Ended(), Length(unit="tokens")])
def test_bare_texts_have_no_sources(metric: Any) -> None:
    with pytest.raises(NotMeasured, match="a bare text does not say"):
        metric.measure(["a b"], PROMPT)


@pytest.mark.parametrize("metric", [BaseShare(), Switches(), Ended(), Length(), Format()])
def test_no_texts_are_not_measured(metric: Any) -> None:
    with pytest.raises(NotMeasured, match="there is no text"):
        metric.measure([], PROMPT)


def test_reasons_are_told() -> None:
    for metric in (BaseShare(), Switches()):
        with pytest.raises(NotMeasured, match="no text has a token"):
            metric.measure([written("", 0, 0)], PROMPT)
    with pytest.raises(NotMeasured, match="no text has 4 words"):
        Repetition().measure(["a b c"], PROMPT)
    assert Length().measure(["", "a b"], PROMPT) == 1, "an empty text has a length"
