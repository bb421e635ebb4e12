from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tenward.reports import render_comparison

if TYPE_CHECKING:
    from tests.reports.conftest import Samples, Watched

pytestmark = pytest.mark.browser


def test_a_pair_opens_with_both_texts_side_by_side(samples: Samples, watched: Watched) -> None:
    """Both outputs stand at the same height with their own marks, then both scores and reasons per criterion."""
    view = samples.comparison(12)
    page = watched.show(render_comparison(view))
    page.locator("#h-moved ~ ol a").first.click()
    case = page.locator("#case h2").inner_text()
    pair = next(pair for pair in view.pairs if pair.case.id == case)
    boxes = [page.get_by_role("region", name=f"comment {run}", exact=True) for run in "AB"]
    assert [box.evaluate("node => node.textContent") for box in boxes] == [
        pair.result_a.case.output,
        pair.result_b.case.output,
    ]
    left, right = (box.bounding_box() for box in boxes)
    assert left is not None
    assert right is not None
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    assert page.locator("mark[data-in=A]").count() > 0
    assert page.locator("mark[data-in=B]").count() > 0
    text = page.locator("#case").inner_text()
    assert "B better" in text
    assert "+0.5" in text


def test_outcomes_filter_and_differences_sort(samples: Samples, watched: Watched) -> None:
    """The losses alone, the largest first."""
    page = watched.show(render_comparison(samples.comparison(12)))
    page.get_by_label("Show").select_option("A better")
    rows = page.locator("#table tbody tr:not([hidden])")
    assert set(rows.locator("td:nth-child(2)").all_inner_texts()) == {"A better"}
    page.locator("#table thead button").nth(4).click()
    told = [float(text.replace("−", "-")) for text in rows.locator("td:nth-child(5)").all_inner_texts()]
    assert told == sorted(told)
    assert max(told) < 0


def test_a_comparison_fits_a_phone(samples: Samples, watched: Watched) -> None:
    """At 375 pixels neither the overview nor a pair is wider than the screen."""
    page = watched.show(render_comparison(samples.comparison(12)), viewport={"width": 375, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    page.locator("#table tbody a").first.click()
    expect(page.locator("#case")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 375
