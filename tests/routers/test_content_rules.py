from __future__ import annotations

import pytest

from baco_core.router import Decision
from baco_routers.content import ContentRule, Fc, Punc
from tests.routers.made import ALIGNED, BASE, decided, generation, point, row_for, vocabulary_of

WORDS = vocabulary_of(" cat", ",", " the", "\n")
CAT, COMMA, THE, LINE = range(4)
SIZE = 6  # two ids more than the tokenizer knows


def decide(rule: ContentRule, base: int, aligned: int = CAT, text: str = "So") -> Decision:
    rows = {BASE: row_for(base, SIZE), ALIGNED: row_for(aligned, SIZE)}
    seen = {source: rows[source] for source in rule.needs}
    return decided(rule.start(generation(WORDS)), point(seen, text))


def test_punc_is_aligned_on_punctuation_and_base_elsewhere() -> None:
    assert [decide(Punc(), top).source for top in (CAT, COMMA, THE, LINE)] == [BASE, ALIGNED, BASE, ALIGNED]


def test_fc_is_aligned_on_function_words_and_base_elsewhere() -> None:
    assert [decide(Fc(), top).source for top in (CAT, COMMA, THE, LINE)] == [BASE, BASE, ALIGNED, BASE]


def test_the_probe_says_whose_top_token_counts() -> None:
    for probe, needs in (("base", {BASE}), ("aligned", {ALIGNED}), ("either", {BASE, ALIGNED})):
        rule = Punc(probe=probe)  # type: ignore[arg-type]
        assert rule.needs == needs
        assert decide(rule, COMMA, CAT).source is (BASE if probe == "aligned" else ALIGNED)
        assert decide(rule, CAT, COMMA).source is (BASE if probe == "base" else ALIGNED)
        assert decide(rule, CAT, CAT).source is BASE


def test_the_reason_shows_the_token() -> None:
    assert decide(Punc(), COMMA).reason == 'top-1 "," is punctuation or formatting'
    assert decide(Punc(), LINE).reason == r'top-1 "\n" is punctuation or formatting'
    assert decide(Fc(), THE).reason == 'top-1 " the" is a function word'
    assert decide(Punc(probe="either"), CAT, THE).reason == (
        'top-1 " cat" and " the": not punctuation or formatting'
    )
    assert decide(Fc(), 5).reason == "top-1 token 5: not a function word"


def test_tied_tops_go_to_the_lowest_token() -> None:
    row = row_for(COMMA, SIZE)
    row[THE] = row[COMMA]
    decider = Punc().start(generation(WORDS))
    assert decided(decider, point({BASE: row})).reason.startswith('top-1 ","')


def test_each_source_is_judged_by_its_own_vocabulary() -> None:
    turned = vocabulary_of(",", " cat")
    decider = Punc(probe="either").start(generation(WORDS, turned))
    rows = {BASE: row_for(CAT, SIZE), ALIGNED: row_for(0, SIZE)}
    assert decided(decider, point(rows)).source is ALIGNED


@pytest.mark.parametrize("rule", [Punc, Fc])
def test_end_points_fire_always_or_never_without_a_look_at_the_rows(rule: type[Punc] | type[Fc]) -> None:
    everything, nothing = rule(fires_on="all"), rule(fires_on="none")
    assert everything.needs == nothing.needs == frozenset()
    assert {decide(everything, top).source for top in range(SIZE)} == {ALIGNED}
    assert {decide(nothing, top).source for top in range(SIZE)} == {BASE}


def test_as_an_opinion_a_rule_passes_where_it_does_not_fire() -> None:
    decider = Punc().opinion(generation(WORDS))
    assert decider.decide(point({BASE: row_for(CAT, SIZE)})) is None
    assert decided(decider, point({BASE: row_for(COMMA, SIZE)})).source is ALIGNED
    assert Punc(fires_on="none").opinion(generation(WORDS)).decide(point()) is None


def test_an_unknown_language_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"language 'fn'\..* Available: de, en, es, fr"):
        Fc(language="fn")
    with pytest.raises(ValueError, match="no list of function words"):
        Fc(language="../words-en")


def test_unknown_choices_are_refused() -> None:
    with pytest.raises(ValueError, match="probe must be one of base, aligned, either, not 'both'"):
        Punc(probe="both")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fires_on must be one of class, all, none"):
        Fc(fires_on="some")  # type: ignore[arg-type]
