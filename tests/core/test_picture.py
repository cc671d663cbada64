"""The picture: well-formed, whole, wrapped, and readable without colour."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from baco_core.events import Sample, TokenEvent, Usage
from baco_core.picture import COLUMNS, draw, lay_out
from baco_core.source import Source

words = st.tuples(
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12), st.sampled_from(list(Source))
)


def sample_of(parts: list[tuple[str, Source]]) -> Sample:
    tokens = tuple(
        TokenEvent(0, position, position, source, -1.0, text) for position, (text, source) in enumerate(parts)
    )
    base = sum(source is Source.BASE for _, source in parts)
    usage = Usage(3, len(parts), base, len(parts) - base, base, len(parts) - base)
    return Sample(0, "".join(text for text, _ in parts), "stop", tokens, usage)


@given(st.lists(words, max_size=60))
def test_the_layout_loses_nothing_but_spaces_at_line_breaks(parts: list[tuple[str, Source]]) -> None:
    sample = sample_of(parts)
    drawn = "".join(piece.text for piece in lay_out(sample.tokens))
    assert drawn.replace(" ", "") == sample.text.replace(" ", "")


@given(st.lists(words, max_size=60))
def test_no_line_is_wider_than_the_picture(parts: list[tuple[str, Source]]) -> None:
    for piece in lay_out(sample_of(parts).tokens):
        assert piece.column + len(piece.text.rstrip(" ")) <= COLUMNS


def test_the_picture_is_well_formed_and_marks_base_by_more_than_colour() -> None:
    sample = sample_of(
        [("A <b> & c\n", Source.ALIGNED), (" strange", Source.BASE), (" end.", Source.ALIGNED)]
    )
    root = ElementTree.fromstring(draw(sample, title='"quoted" & <cut>'))  # noqa: S314  (made right here)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == '"quoted" & <cut>'
    assert " strange" in texts
    assert "base 33%" in texts
    underlines = [rect for rect in root.iter("{http://www.w3.org/2000/svg}rect") if rect.get("height") == "2"]
    assert len(underlines) == 1 + 2  # the base word, and the two of the legend
