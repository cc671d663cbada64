"""What the page shows when things go wrong, against a stand-in that fails when told to."""

from __future__ import annotations

import re
from typing import Any

import pytest
from page_standin import StandIn
from page_visits import Visiting, ready, served, until, write
from starlette.applications import Starlette

Served = tuple[StandIn, str]


def notice(page: Any) -> str:
    """Return what the page complains of."""
    return str(page.locator("#notice [role=alert]").inner_text())


def test_a_busy_server_is_tried_again_after_the_seconds_it_asked_for(
    standin: Served, visiting: Visiting
) -> None:
    visit = visiting(standin[1])
    visit.page.clock.install()
    page = visit.open()
    write(page, "!busy Tell me.")
    assert "The server is busy" in notice(page)
    again = page.locator("#notice button")
    assert again.is_disabled()
    assert re.fullmatch(r"Try again in \d+ s", again.inner_text())
    page.clock.fast_forward("01:01")
    page.get_by_role("button", name="Try again", exact=True).click()
    page.wait_for_selector(".card .word")
    ready(page)
    assert page.locator("#notice").inner_text() == ""


def test_a_refused_request_says_why_and_leaves_the_texts_before(standin: Served, visiting: Visiting) -> None:
    page = visiting(standin[1]).open()
    write(page, "Tell me.")
    before = page.locator(".card .text").all_inner_texts()
    write(page, "!refused Tell me.")
    assert "at most 1024, not 5000" in notice(page)
    assert "max_tokens" in notice(page)
    assert page.locator(".card .text").all_inner_texts() == before
    assert page.input_value("#prompt") == "!refused Tell me."


def test_a_key_is_asked_for_and_kept_in_this_tab_alone(standin: Served, visiting: Visiting) -> None:
    made, url = standin
    made.key = "s3cret"
    visit = visiting(url)
    page = visit.page
    page.goto(url)
    page.fill("#key", "wrong")
    page.keyboard.press("Enter")
    page.get_by_text("The server refused this key").wait_for()
    page.fill("#key", "s3cret")
    page.keyboard.press("Enter")
    ready(page)
    write(page, "Tell me.")
    assert page.locator(".card .word").count() > 10
    assert page.locator("#key").count() == 0
    page.evaluate("() => { window.copied = [] }")
    page.evaluate("() => { navigator.clipboard.writeText = async (text) => window.copied.push(text) }")
    for name in ("Copy link", "Copy as curl"):
        page.get_by_role("button", name=name).click()
    link, curl = page.evaluate("window.copied")
    assert "s3cret" not in link + curl + page.evaluate("location.href + JSON.stringify(localStorage)")
    assert "$BACO_API_KEY" in curl
    other = visit.tab()
    other.goto(url)
    other.wait_for_selector("#key")


@pytest.mark.parametrize(
    ("prompt", "title"), [("!cut", "The stream broke off"), ("!failed", "The server failed while it wrote")]
)
def test_what_was_written_before_a_stream_broke_is_kept(
    standin: Served, visiting: Visiting, prompt: str, title: str
) -> None:
    page = visiting(standin[1]).open()
    write(page, prompt)
    assert title in notice(page)
    assert page.locator(".card .word").count() > 5
    assert page.locator(".card footer .failed").all_inner_texts() == ["10 tokens, cut off"] * 2
    assert page.locator("#notice button").inner_text() == "Try again"


@pytest.mark.parametrize(
    ("prompt", "title"),
    [("!closing", "The server takes no requests just now"), ("!crash", "The server failed")],
)
def test_a_server_that_does_not_write_leaves_the_prompt(
    standin: Served, visiting: Visiting, prompt: str, title: str
) -> None:
    page = visiting(standin[1]).open()
    write(page, prompt)
    assert title in notice(page)
    assert page.input_value("#prompt") == prompt
    assert page.locator(".welcome").is_visible()


def test_a_server_that_is_gone_is_said_to_be(visiting: Visiting, standin: Served) -> None:
    with served(standin[0].app) as (_, address):
        page = visiting(address).open()
    write(page, "Tell me.")
    assert "No connection to the server" in notice(page)


def test_a_server_that_loads_its_models_is_waited_for(standin: Served, visiting: Visiting) -> None:
    made, url = standin
    made.loading = True
    page = visiting(url).page
    page.goto(url)
    page.get_by_text("The server is getting ready").wait_for()
    made.loading = False
    ready(page)
    assert page.locator("#notice").inner_text() == ""
    assert page.input_value("#pair") == "tiny"


def test_stopping_hangs_up_and_keeps_what_is_there(standin: Served, visiting: Visiting) -> None:
    made, url = standin
    page = visiting(url).open()
    page.fill("#prompt", "!slow Tell me.")
    page.keyboard.press("Control+Enter")
    page.locator(".card .word").nth(3).wait_for()
    assert page.locator("#stop").is_visible()
    page.keyboard.press("Escape")
    ready(page)
    assert page.locator("#stop").is_hidden()
    assert "stopped by you" in page.locator(".card footer").first.inner_text()
    assert page.locator("#status").inner_text().startswith("Stopped: 2 samples")
    assert until(lambda: made.cancelled == 1)


def test_the_page_works_below_a_folder_of_a_proxy(standin: Served, visiting: Visiting) -> None:
    outer = Starlette()
    outer.mount("/tools/baco", standin[0].app)
    with served(outer) as (_, url):
        page = visiting(f"{url}tools/baco/").open()
        write(page, "Tell me.")
        assert page.locator(".card .word").count() > 10


def test_controls_follow_the_schema_of_the_router(standin: Served, visiting: Visiting) -> None:
    made, url = standin
    page = visiting(url).open()
    page.select_option("#router", "p-punc")
    page.select_option("#option-probe", label="either")
    page.fill("#option-words", "alas, indeed")
    page.fill("#gamma-number", "1.25")
    write(page, "Tell me.")
    assert made.bodies[-1]["baco"] == {
        "router": "p-punc",
        "gamma": 1.25,
        "options": {"probe": "either", "words": ["alas", "indeed"]},
        "trace": True,
    }
    page.select_option("#router", "ensemble")
    assert page.locator("#knob").is_hidden()
    page.fill("#option-weight", "0.75")
    write(page, "Tell me.")
    assert made.bodies[-1]["baco"] == {"router": "ensemble", "options": {"weight": 0.75}, "trace": True}


def test_gamma_may_be_infinite_by_a_button_or_typed(standin: Served, visiting: Visiting) -> None:
    made, url = standin
    page = visiting(url).open()
    infinite = page.get_by_role("button", name="Set gamma to infinity")
    assert infinite.is_hidden(), "where the router has a largest gamma"
    page.select_option("#router", "h")
    infinite.click()
    write(page, "Tell me.")
    assert made.bodies[-1]["baco"]["gamma"] == ".inf"
    assert infinite.get_attribute("aria-pressed") == "true"
    page.locator(".card .word").first.focus()
    assert "below the threshold ∞" in page.locator("#inspector").inner_text()
    page.fill("#gamma-number", "1.5")
    page.press("#gamma-number", "Enter")
    page.get_by_role("button", name="Rewrite with gamma 1.5, same seed").click()
    ready(page)
    page.fill("#gamma-number", "inf")
    page.press("#gamma-number", "Enter")
    page.get_by_role("button", name="Rewrite with gamma ∞, same seed").click()
    ready(page)
    assert [body["baco"]["gamma"] for body in made.bodies] == [".inf", 1.5, ".inf"]
    assert page.locator(".turned td:nth-child(2)").all_inner_texts() == ["∞", "1.5", "∞"]


def test_gamma_that_is_no_number_or_out_of_range_is_said_at_its_field_and_not_sent(
    standin: Served, visiting: Visiting
) -> None:
    made, url = standin
    page = visiting(url).open()
    page.fill("#prompt", "Tell me.")
    said = "document.activeElement.id + ': ' + document.activeElement.validationMessage"
    for typed, why in (
        ("-1", "gamma is 0 or more."),
        ("2", "gamma is 1.5 or less."),
        ("x", "gamma is a number"),
    ):
        page.fill("#gamma-number", typed)
        page.click("#write")
        assert page.evaluate(said).startswith(f"gamma-number: {why}")
    page.select_option("#router", "base")
    write(page, "Tell me.")
    assert [body["baco"] for body in made.bodies] == [{"router": "base", "trace": True}]


def test_arrows_count_gamma_up_and_down(standin: Served, visiting: Visiting) -> None:
    page = visiting(standin[1]).open()
    for key, gamma in (("ArrowUp", "0.31"), ("ArrowDown", "0.3"), ("ArrowDown", "0.29")):
        page.press("#gamma-number", key)
        assert page.input_value("#gamma-number") == gamma
    page.fill("#gamma-number", "0")
    page.press("#gamma-number", "ArrowDown")
    assert page.input_value("#gamma-number") == "0"


def test_gamma_of_a_link_is_kept_to_the_last_digit(standin: Served, visiting: Visiting) -> None:
    made, url = standin
    page = visiting(url).open("#router=p&gamma=0.31718750001&prompt=Tell+me.")
    page.click("#write")
    ready(page)
    assert made.bodies[-1]["baco"]["gamma"] == 0.31718750001


def test_what_a_link_asks_for_and_the_server_has_not_is_said(standin: Served, visiting: Visiting) -> None:
    visit = visiting(standin[1])
    said = visit.open("#pair=tiny&router=new&gamma=0.7&prompt=Tell+me.").locator("#status").inner_text()
    assert (
        said == "The settings of the link are set, but this server has no router “new”. Write when you like."
    )
    assert visit.page.input_value("#gamma-number") == "0.3", "what another router's gamma means nobody knows"
    page = visit.open("#pair=big&router=base&gamma=0.7&options=%7B%22a%22:1%7D", visit.tab())
    assert "no pair “big”, no option “a”." in page.locator("#status").inner_text()


def test_a_new_beginning_while_a_text_is_written_leaves_nothing_of_it(
    standin: Served, visiting: Visiting
) -> None:
    made, url = standin
    page = visiting(url).open()
    page.fill("#prompt", "!slow Tell me.")
    page.click("#write")
    page.locator(".card .word").first.wait_for()
    again = page.get_by_role("button", name="Again, new seed")
    assert again.get_attribute("aria-disabled") == "true", "one text at a time"
    page.check("[value=chat]")
    ready(page)
    assert until(lambda: made.cancelled == 1)
    assert page.locator(".card").count() == 0
    assert page.locator(".welcome").is_visible()
    assert page.locator("#status").inner_text() == ""
    write(page, "Tell me.")
    assert again.get_attribute("aria-disabled") == "false"


def test_where_motion_is_not_wanted_nothing_moves(standin: Served, visiting: Visiting) -> None:
    for wanted in ("no-preference", "reduce"):
        page = visiting(standin[1], reduced_motion=wanted).open()
        page.fill("#prompt", "!slow Tell me.")
        page.click("#write")
        page.locator(".card .word").nth(3).wait_for()
        moves = page.evaluate("document.getAnimations().length > 0")
        assert moves == (wanted == "no-preference")
        page.click("#stop")
        ready(page)


PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def test_on_a_phone_texts_begin_at_the_top_and_a_word_is_not_below_what_is_said_of_it(
    standin: Served, visiting: Visiting
) -> None:
    page = visiting(standin[1], **PHONE).open()
    write(page, "Tell me.")
    top = "document.querySelector('.head').getBoundingClientRect().top"
    assert 0 <= page.evaluate(top) < 100
    for block in ("start", "end"):
        word = page.locator(".card .word").nth(20)
        word.evaluate("(word, block) => word.scrollIntoView({ block })", block)
        word.tap()
        page.wait_for_function(
            """() => {
                const found = document.querySelectorAll(".word.shown, #inspector:not([hidden])");
                if (found.length < 2) return false;
                const [word, sheet] = [...found].map((node) => node.getBoundingClientRect());
                return word.bottom <= sheet.top || word.top >= sheet.bottom;
            }"""
        )
        word.blur()


def test_a_text_without_words_is_said_to_be_one(standin: Served, visiting: Visiting) -> None:
    made, url = standin
    made.words = ("",)
    page = visiting(url).open()
    page.fill("#max-tokens", "1")
    write(page, "Tell me.")
    assert page.locator(".card .text").all_inner_texts() == ["No words."] * 2
    assert page.locator(".card footer > span").all_inner_texts() == ["1 token, at the token limit"] * 2


def test_a_long_gamma_can_be_read_to_its_end(standin: Served, visiting: Visiting) -> None:
    page = visiting(standin[1]).open()
    page.fill("#gamma-number", "0.31718750001")
    assert page.locator("#gamma-number").evaluate("(field) => field.scrollWidth <= field.clientWidth")


def test_what_the_figures_mean_can_be_read_without_a_mouse(standin: Served, visiting: Visiting) -> None:
    page = visiting(standin[1]).open()
    write(page, "Tell me.")
    page.get_by_text("What these figures are").press("Enter")
    told = page.locator(".meanings dd")
    assert "Li et al. 2016" in told.nth(1).inner_text()
    assert "Jaccard" in told.nth(2).inner_text()


def test_in_a_conversation_the_word_with_the_focus_is_not_below_the_composer(
    standin: Served, visiting: Visiting
) -> None:
    made, url = standin
    made.words = ("long",) + (" long\nlong",) * 39
    page = visiting(url).open()
    page.check("[value=chat]")
    page.fill("#n", "1")
    write(page, "Tell me.")
    page.locator(".card .word").first.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
        page.wait_for_function(
            """() => {
                const [word, composer] = [document.activeElement, document.getElementById("composer")];
                return word.getBoundingClientRect().bottom <= composer.getBoundingClientRect().top;
            }"""
        )


def test_a_setting_out_of_range_is_said_at_its_field_and_not_sent(
    standin: Served, visiting: Visiting
) -> None:
    made, url = standin
    page = visiting(url).open()
    page.fill("#n", "9")
    page.fill("#prompt", "Tell me.")
    page.click("#write")
    assert page.evaluate("document.activeElement.id") == "n"
    assert made.bodies == []


def test_an_empty_prompt_is_asked_for(standin: Served, visiting: Visiting) -> None:
    page = visiting(standin[1]).open()
    page.click("#write")
    assert page.locator("#status").inner_text() == "Write a prompt first."
    assert page.evaluate("document.activeElement.id") == "prompt"


def test_markup_in_prompt_link_and_text_stays_text(standin: Served, visiting: Visiting) -> None:
    made, url = standin
    evil = "<img src=x onerror=alert(1)>"
    made.words = (evil, f" {evil}")
    page = visiting(url).open(f"#mode=chat&prompt={evil}&router={evil}&messages=%5B%7B%22role%22%3A1%7D%5D")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".card .word")
    ready(page)
    assert page.locator("main img").count() == 0
    assert evil in page.locator(".card .text").first.inner_text()


def test_where_the_clipboard_is_closed_the_text_is_shown(standin: Served, visiting: Visiting) -> None:
    page = visiting(standin[1]).open()
    write(page, "Tell me.")
    page.evaluate("() => { navigator.clipboard.writeText = async () => { throw new Error('no') } }")
    page.get_by_role("button", name="Copy as curl").click()
    assert page.locator("#copying-text").input_value().startswith("curl -N 'http://127.0.0.1")
    page.keyboard.press("Escape")
    assert page.locator("#copying").is_hidden()


def test_a_conversation_goes_on_with_the_chosen_sample(standin: Served, visiting: Visiting) -> None:
    made, url = standin
    page = visiting(url).open()
    page.check("[value=chat]")
    page.fill("#n", "3")
    write(page, "Tell me.")
    page.get_by_label("Go on with this one").nth(1).check()
    chosen = page.locator(".card .text").nth(1).inner_text()
    assert page.input_value("#prompt") == ""
    write(page, "And then?")
    assert made.bodies[-1]["messages"] == [
        {"role": "user", "content": "Tell me."},
        {"role": "assistant", "content": chosen},
        {"role": "user", "content": "And then?"},
    ]
    assert page.locator("#turns .word.base").count() > 0
    page.get_by_role("button", name="Again, new seed").click()
    ready(page)
    assert made.bodies[-1]["messages"] == made.bodies[-2]["messages"]
    assert made.bodies[-1]["seed"] != made.bodies[-2]["seed"]
    page.get_by_role("button", name="New conversation").click()
    assert page.locator("#turns > *").count() == 0


def test_a_message_whose_answer_was_stopped_before_its_first_word_is_given_back(
    standin: Served, visiting: Visiting
) -> None:
    made, url = standin
    page = visiting(url).open()
    page.check("[value=chat]")
    write(page, "Tell me.")
    page.fill("#prompt", "!mute And then?")
    page.click("#write")
    page.click("#stop")
    ready(page)
    assert page.input_value("#prompt") == "!mute And then?"
    assert page.locator(".card").count() == 0
    write(page, "And then?")
    assert [turn["content"] for turn in made.bodies[-1]["messages"]][::2] == ["Tell me.", "And then?"]


def test_a_message_that_was_not_answered_is_given_back(standin: Served, visiting: Visiting) -> None:
    page = visiting(standin[1]).open()
    page.check("[value=chat]")
    write(page, "Tell me.")
    write(page, "!closing And then?")
    assert page.input_value("#prompt") == "!closing And then?"
    assert page.locator("#turns .turn").count() == 1
