"""The page end to end: Chromium, `baco serve`, and the embedded pair."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from page_visits import Visit, Visiting, ready, write

pytestmark = pytest.mark.slow
PROMPT = "Tell me a story about a lighthouse."
NOTE_FIRST_WORD = """() => {
    const [status, stop] = ["status", "stop"].map((id) => document.getElementById(id));
    const note = () => document.querySelector(".card .word") && (
        window.first ??= { said: status.textContent, stoppable: !stop.hidden }
    );
    new MutationObserver(note).observe(document.getElementById("run"), { childList: true, subtree: true });
}"""
STOP_AT_THE_SIXTH_WORD = """() =>
    document.querySelectorAll(".card .word").length > 5 && (document.getElementById("stop").click(), true)
"""


def opened(visiting: Visiting, server: str, fragment: str = "", **context: Any) -> tuple[Visit, Any]:
    """Return a visit and its page, set to write little."""
    visit = visiting(server, **context)
    page = visit.open(fragment)
    set_little(page)
    return visit, page


def set_little(page: Any) -> None:
    """Set the page to write little, and from a seed that writes some: others may begin with the end."""
    for name, value in (("max-tokens", "24"), ("seed", "7")):
        page.locator(f"#{name}").evaluate("(field, value) => { field.value = value }", value)


def texts(page: Any) -> list[str]:
    """Return the samples as they stand there."""
    return [str(text) for text in page.locator(".card .text").all_text_contents()]


def shares(page: Any) -> list[str]:
    """Return what each sample says of its base share."""
    return [str(text) for text in page.locator(".card header > span").all_inner_texts()]


def turn(page: Any, gamma: str) -> None:
    """Turn the knob by its number."""
    page.fill("#gamma-number", gamma)
    page.keyboard.press("Tab")


def test_a_text_streams_in_with_its_authors_and_its_figures(server: str, visiting: Visiting) -> None:
    _, page = opened(visiting, server)
    page.fill("#max-tokens", "60")
    page.evaluate(NOTE_FIRST_WORD)
    write(page, PROMPT)
    first = page.evaluate("window.first")
    assert first == {"said": "Writing 2 samples.", "stoppable": True}, "words come before the end"
    assert page.locator(".card .word.base").count() > 0
    assert page.locator(".card .word.aligned").count() > 0
    lines = page.locator(".card .word.base").first.evaluate(
        "(word) => getComputedStyle(word).textDecorationLine"
    )
    assert lines == "underline", "colour is not the only sign"
    figures = page.locator(".figures dd").all_inner_texts()
    assert all(figure.strip() not in ("", "–") for figure in figures), figures
    assert figures[4] == "7"
    assert page.locator(".card footer > span").all_inner_texts() == ["60 tokens, at the token limit"] * 2


def test_the_knob_goes_from_aligned_alone_to_base_alone_with_the_same_seed(
    server: str, visiting: Visiting
) -> None:
    _, page = opened(visiting, server)
    page.select_option("#router", "p")
    write(page, PROMPT)
    first = texts(page)
    for gamma, share in (("0", "0% base"), ("1.05", "100% base")):
        turn(page, gamma)
        page.get_by_role("button", name=f"Rewrite with gamma {gamma}, same seed").click()
        page.locator(".card header > span", has_text=share).nth(1).wait_for()
        ready(page)
        assert shares(page) == [share, share]
    turn(page, "0.3")
    page.get_by_role("button", name="Rewrite with gamma 0.3, same seed").click()
    page.locator(".turned tbody tr").nth(3).wait_for()
    assert texts(page) == first
    page.locator(".turned").get_by_role("button", name="Show").nth(1).click()
    assert shares(page) == ["0% base", "0% base"]


def test_gamma_without_end_is_aligned_alone_where_entropy_decides(server: str, visiting: Visiting) -> None:
    _, page = opened(visiting, server)
    page.select_option("#router", "h")
    page.get_by_role("button", name="Set gamma to infinity").click()
    write(page, PROMPT)
    assert shares(page) == ["0% base", "0% base"]


def test_the_knob_rewrites_by_itself_where_it_is_told_to(server: str, visiting: Visiting) -> None:
    _, page = opened(visiting, server)
    page.select_option("#router", "p")
    write(page, PROMPT)
    page.check("#follow")
    page.focus("#gamma")
    page.keyboard.press("Home")
    page.locator(".card header > span", has_text="0% base").nth(1).wait_for()
    ready(page)
    assert shares(page) == ["0% base", "0% base"]
    assert page.evaluate("document.activeElement.id") == "gamma", "the next turn needs no new aim"


def test_stopping_leaves_what_is_there_and_the_next_text_is_written(server: str, visiting: Visiting) -> None:
    _, page = opened(visiting, server)
    page.fill("#n", "4")
    page.fill("#max-tokens", "800")
    page.fill("#prompt", PROMPT)
    page.click("#write")
    page.wait_for_function(STOP_AT_THE_SIXTH_WORD)
    ready(page)
    assert "stopped by you" in page.locator(".card footer").first.inner_text()
    page.fill("#max-tokens", "8")
    write(page, PROMPT)
    assert page.locator(".card footer > span").first.inner_text() == "8 tokens, at the token limit"


def test_two_tabs_write_at_the_same_time_and_mix_nothing(server: str, visiting: Visiting) -> None:
    visit, one = opened(visiting, server)
    write(one, PROMPT)
    alone = texts(one)
    other = visit.open(page=visit.tab())
    set_little(other)
    other.fill("#prompt", "Tell me a story about a cat.")
    other.click("#write")
    one.get_by_role("button", name="Write", exact=True).click()
    for page in (one, other):
        ready(page)
    assert texts(one) == alone
    assert len(set(texts(one) + texts(other))) == 4


def test_everything_can_be_done_with_the_keyboard(server: str, visiting: Visiting) -> None:
    _, page = opened(visiting, server)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the skip link
    page.keyboard.press("Tab")
    page.locator("#prompt").focus()
    page.keyboard.type(PROMPT)
    page.keyboard.press("Control+Enter")
    page.locator(".card .word").first.wait_for()
    ready(page)
    page.locator(".tools button:visible").last.focus()
    page.keyboard.press("Tab")  # one stop a text
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    focused = "document.activeElement"
    assert page.evaluate(f"{focused}.classList.contains('word')")
    assert page.evaluate(f"{focused}.getAttribute('aria-describedby')") == "inspector"
    said = page.locator("#inspector").inner_text()
    assert "base would say" in said
    assert "aligned would say" in said
    assert page.locator("#inspector li").count() == 10
    ring = page.evaluate(f"getComputedStyle({focused}).outlineStyle")
    assert ring == "solid"
    page.keyboard.press("Escape")
    assert page.locator("#inspector").is_hidden()
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    assert page.evaluate(f"{focused}.getAttribute('aria-label')") == "Copy sample 1"


def test_a_word_under_the_mouse_tells_signal_threshold_and_both_models(
    server: str, visiting: Visiting
) -> None:
    _, page = opened(visiting, server)
    page.select_option("#router", "p")
    write(page, PROMPT)
    page.locator(".card .word.base").first.hover()
    page.locator("#inspector").wait_for()
    said = page.locator("#inspector").inner_text()
    assert "by base" in said
    assert "below the threshold 0.300" in said.replace("\n", " ")
    assert page.locator("#inspector .written").count() <= 1
    page.locator("h1").hover()
    page.locator("#inspector").wait_for(state="hidden")


def test_on_a_phone_nothing_is_wider_than_the_screen(server: str, visiting: Visiting) -> None:
    _, page = opened(visiting, server, viewport={"width": 360, "height": 740}, has_touch=True)
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == 360
    write(page, PROMPT)
    assert page.evaluate(width) == 360
    page.locator(".card .word").nth(2).tap()
    page.locator("#inspector").wait_for()
    assert page.evaluate(width) == 360
    page.locator("#more summary").tap()
    assert page.evaluate(width) == 360
    shown = "[...document.querySelectorAll('button, select, summary')].filter((node) => node.offsetParent)"
    high = "map((node) => [node.textContent, node.getBoundingClientRect().height])"
    small = page.evaluate(f"{shown}.{high}.filter(([, pixels]) => pixels < 24)")
    assert small == [], "targets are large enough for a finger"


def test_dark_and_light_follow_the_system_until_somebody_chooses(server: str, visiting: Visiting) -> None:
    visit, page = opened(visiting, server, color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.get_by_role("button", name="Use light colours").click()
    light = page.evaluate(paper)
    assert dark != light
    page = visit.open()
    assert page.evaluate(paper) == light
    page.get_by_role("button", name="Use dark colours").click()
    assert page.evaluate(paper) == dark


def test_a_link_brings_the_same_text_to_somebody_else(server: str, visiting: Visiting) -> None:
    _, page = opened(visiting, server)
    page.locator("#seed").fill("")
    page.select_option("#router", "h")
    turn(page, "1.5")
    write(page, PROMPT)
    page.evaluate("() => { navigator.clipboard.writeText = async (text) => { window.copied = text } }")
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_function("() => window.copied")  # a function: the page forbids eval
    fragment = urlparse(page.evaluate("window.copied")).fragment
    assert parse_qs(fragment)["prompt"] == [PROMPT]
    theirs = visiting(server).open(f"#{fragment}")
    assert theirs.input_value("#prompt") == PROMPT
    assert theirs.locator(".card").count() == 0, "a link writes nothing by itself"
    theirs.keyboard.press("Control+Enter")
    ready(theirs)
    assert theirs.locator(".card").count() == 2
    assert texts(theirs) == texts(page)


def test_a_conversation_has_turns(server: str, visiting: Visiting) -> None:
    _, page = opened(visiting, server)
    page.check("[value=chat]")
    write(page, PROMPT)
    chosen = texts(page)[0]
    write(page, "And then?")
    assert page.locator("#turns .text").all_text_contents() == [chosen]
    assert page.locator(".card .word").count() > 5


def test_screen_readers_hear_the_beginning_and_the_end_and_no_word_between(
    server: str, visiting: Visiting
) -> None:
    _, page = opened(visiting, server)
    page.evaluate(
        """() => {
            const status = document.getElementById("status");
            window.heard = [];
            const watch = new MutationObserver(() => window.heard.push(status.textContent));
            watch.observe(status, { childList: true });
        }"""
    )
    write(page, PROMPT)
    heard = page.evaluate("window.heard")
    assert len(heard) == 2
    assert heard[0] == "Writing 2 samples."
    assert heard[1].startswith("Written: 2 samples, ")
    assert page.locator(".card [aria-live]").count() == 0


def test_printed_there_are_texts_and_no_controls(server: str, visiting: Visiting) -> None:
    _, page = opened(visiting, server)
    write(page, PROMPT)
    page.emulate_media(media="print")
    for hidden in ("#composer", "#settings", ".tools", "nav"):
        assert page.locator(hidden).is_hidden()
    assert page.locator(".asked").inner_text() == PROMPT
    assert page.locator(".card .word").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(server: str, visiting: Visiting, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    _, page = opened(visiting, server, color_scheme=scheme, bypass_csp=True)
    for state in ("empty", "written", "chat"):
        if state != "empty":
            write(page, PROMPT)
            page.locator(".card .word").first.focus()
        found = axe.Axe().run(page).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found] == [], state
        if state == "written":
            page.check("[value=chat]")
