from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tenward.reports import AuditPageView, BlindPair, render_audit

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.reports.conftest import Watched

HOSTILE = "<script>window.hit=1</script></section><img src=x onerror=window.hit=1> {{ 7*7 }} \u202eevil nul\0 '\""
SEEN = HOSTILE.replace("\u202e", "⟨U+202E⟩").replace("\0", "␀")


def sample(count: int = 8, **changes: Any) -> AuditPageView:
    """A page of so many pairs."""
    pairs = [
        BlindPair(
            token=f"{number:012x}",
            input=f"diff --git a/app.py b/app.py\n@@ -1 +1 @@\n-old {number}\n+new {number}",
            context="Read by newcomers." if number % 2 else "",
            a=f"I think the lock of request {number} is taken twice. " * (1 + 3 * number),
            b="" if number == 3 else f"Lock {number}?",
        )
        for number in range(count)
    ]
    basis = AuditPageView(
        loop="reviews",
        about="Is this comment worth the author's time?",
        criteria={"accuracy": "Is what it says true?", "clarity": "How clear is it?"},
        output="comment",
        input="diff",
        pairs=pairs,
    )
    return replace(basis, **changes)


def downloaded(page: Page) -> dict[str, Any]:
    """The file of answers that the page lets a person download."""
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download answers").click()
    assert caught.value.suggested_filename == "reviews-answers.json"
    found: dict[str, Any] = json.loads(Path(caught.value.path()).read_text(encoding="utf-8"))
    return found


def score(page: Page, side: str, points: int) -> None:
    """Click on a score of the pair that is shown."""
    page.get_by_role("group", name=f"Score of {side}").locator("label", has_text=re.compile(f"^{points}$")).click()


def test_the_page_loads_nothing_and_allows_nothing() -> None:
    """The policy forbids everything but the page's own style and script; no address of another machine is in it."""
    page = render_audit(sample())
    assert "default-src &#39;none&#39;" in page
    assert "unsafe" not in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


def test_no_text_can_become_markup() -> None:
    """Hostile texts in every field stand there escaped, with what a browser would obey made visible."""
    pair = BlindPair(token="0" * 12, input=HOSTILE, context=HOSTILE, a=HOSTILE, b=HOSTILE)
    page = render_audit(sample(loop=HOSTILE, about=HOSTILE, criteria={HOSTILE: HOSTILE}, output=HOSTILE, pairs=[pair]))
    assert "<img" not in page
    assert page.count("<script") == 2
    assert "\0" not in page
    assert "{{" in page


@pytest.mark.browser
def test_scores_leave_the_page_as_a_file(watched: Watched) -> None:
    """Clicks score A and B, a case can be passed and taken back, and the file holds what was answered."""
    page = watched.show(render_audit(sample(3)), accept_downloads=True)
    expect(page.locator("#where")).to_have_text("1 of 3, 3 to go")
    score(page, "A", 7)
    assert downloaded(page)["answers"] == {}
    score(page, "B", 10)
    page.get_by_role("button", name="Next pair").click()
    expect(page.get_by_role("heading", name="Pair 2 of 3")).to_be_focused()
    page.get_by_role("button", name="Pass this case").click()
    expect(page.get_by_role("heading", name="Pair 3 of 3")).to_be_visible()
    score(page, "A", 2)
    score(page, "B", 2)
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("button", name="Download answers")).to_be_focused()
    expect(page.locator("#count")).to_have_text("2 scored, 1 passed, 0 to go.")
    found = downloaded(page)
    assert found == {
        "human_check": 1,
        "loop": "reviews",
        "answers": {"000000000000": [7, 10], "000000000001": None, "000000000002": [2, 2]},
    }
    page.get_by_role("button", name="Previous").click()
    page.get_by_role("button", name="Pass this case").click()
    assert "000000000001" not in downloaded(page)["answers"]


@pytest.mark.browser
def test_the_keyboard_alone_is_enough(watched: Watched) -> None:
    """Digits score A and then B, 0 is ten, Enter and arrows move, Backspace clears, S passes."""
    page = watched.show(render_audit(sample(4)), accept_downloads=True)
    for key in (
        "6",
        "0",
        "Enter",
        "3",
        "Backspace",
        "4",
        "5",
        "ArrowRight",
        "s",
        "ArrowLeft",
        "ArrowLeft",
        "ArrowLeft",
    ):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="Pair 1 of 4")).to_be_focused()
    assert downloaded(page)["answers"] == {
        "000000000000": [6, 10],
        "000000000001": [4, 5],
        "000000000002": None,
    }
    page.locator("[data-side=B] input:checked").first.focus()
    page.keyboard.press("ArrowLeft")
    assert downloaded(page)["answers"]["000000000000"] == [6, 9]
    page.locator("[data-side=A] input:checked").first.focus()
    page.keyboard.press("2")
    assert downloaded(page)["answers"]["000000000000"] == [2, 9]


@pytest.mark.browser
def test_a_reload_loses_nothing(watched: Watched) -> None:
    """What was answered is there after a reload, and the first open pair is shown."""
    page = watched.show(render_audit(sample(4)), accept_downloads=True)
    for key in ("6", "7", "Enter", "s"):
        page.keyboard.press(key)
    page.reload()
    expect(page.locator("#where")).to_have_text("3 of 4, 2 to go")
    assert downloaded(page)["answers"] == {"000000000000": [6, 7], "000000000001": None}


@pytest.mark.browser
def test_hostile_texts_are_shown_and_do_nothing(watched: Watched) -> None:
    """They read as they are, and the page goes on working."""
    pair = BlindPair(token="0" * 12, input=HOSTILE, context=HOSTILE, a=HOSTILE, b=HOSTILE)
    page = watched.show(render_audit(sample(pairs=[pair])))
    assert page.get_by_role("region", name="comment A").inner_text() == SEEN
    page.keyboard.press("5")
    assert page.evaluate("window.hit") is None
    expect(page.locator("[data-side=A] input:checked")).to_have_count(1)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone(watched: Watched, scheme: str) -> None:
    """At 375 pixels nothing is wider than the screen, A stands above B, and a score is large enough for a finger."""
    page = watched.show(render_audit(sample()), viewport={"width": 375, "height": 700}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    box = page.locator("[data-side=A] label span").first.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    assert box["width"] >= 44
    tops = [page.locator(f".blind:not([hidden]) [data-side={side}]").bounding_box() for side in "AB"]
    assert tops[0] is not None
    assert tops[1] is not None
    assert tops[0]["y"] < tops[1]["y"]


@pytest.mark.browser
def test_without_javascript_every_pair_can_be_read(watched: Watched) -> None:
    """All pairs stand below one another, and the page says how to answer in a terminal."""
    page = watched.show(render_audit(sample(3)), java_script_enabled=False)
    expect(page.get_by_text("needs JavaScript")).to_be_visible()
    expect(page.locator(".blind")).to_have_count(3)
    expect(page.locator(".blind").last).to_be_visible()
