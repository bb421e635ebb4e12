from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tenward.datasets import Case
from tenward.judges import Failure, Step
from tenward.reports import render_comparison, render_run
from tenward.rubrics import Rubric

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.reports.conftest import Samples, Watched

pytestmark = pytest.mark.browser

HOSTILE = (
    "<script>window.hit=1</script></script></template></style><!-- ]]> <img src=x onerror=window.hit=1> &lt; {{ 7*7 }} "
    "{% raw %} javascript:window.hit=1 \u202eevil\u2066 nul\0 \ud800 العربية שלום 😀 \u2028 'quoted\" `${1}`"
)
SEEN = (
    HOSTILE.replace("\u202e", "⟨U+202E⟩").replace("\u2066", "⟨U+2066⟩").replace("\0", "␀").replace("\ud800", "\ufffd")
)

# Per visible text: its contrast with the nearest opaque background, by the formula of WCAG 2.2.
CONTRASTS = """() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => numbers(color).slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = getComputedStyle(node).backgroundColor;
      if ((numbers(color)[3] ?? 1) === 1) return color;
    }
    return getComputedStyle(document.body).backgroundColor;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = {};
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest("script, style, title")) continue;
    const style = getComputedStyle(node);
    const pair = [node instanceof SVGElement ? style.fill : style.color, behind(node)];
    const [a, b] = pair.map(light).sort((x, y) => y - x);
    found[`${pair} ${walker.currentNode.data.slice(0, 30)}`] = (a + 0.05) / (b + 0.05);
  }
  return found;
}"""


def column(page: Page, number: int) -> list[str]:
    """The visible texts of a column of the case table, from the top."""
    return page.locator(f"#table tbody tr:not([hidden]) > :nth-child({number})").all_inner_texts()


def shown(page: Page) -> str:
    """What the page says about how many cases are shown."""
    return page.locator("#shown").inner_text()


def heading(page: Page) -> Locator:
    """The heading of the case that is open."""
    return page.locator("#case h2")


def too_faint(page: Page) -> dict[str, float]:
    """Texts whose contrast is below 4.5."""
    contrasts: dict[str, float] = page.evaluate(CONTRASTS)
    assert len(contrasts) > 20
    return {text: contrast for text, contrast in contrasts.items() if contrast < 4.5}


def test_every_column_sorts_both_ways_with_the_mouse(samples: Samples, watched: Watched) -> None:
    """A click sorts upwards, a second one downwards; cases without a number come last either way."""
    page = watched.show(samples.page(30))
    header = page.locator("#table thead th").nth(3)
    for direction, sign in (("ascending", 1), ("descending", -1)):
        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == direction
        values = column(page, 4)
        numbers = [float(value) for value in values if value != "–"]
        assert numbers == sorted(numbers, key=lambda number: sign * number)
        assert values[len(numbers) :] == ["–"] * (30 - len(numbers))
    for other in range(page.locator("#table thead th").count()):
        page.locator("#table thead button").nth(other).click()
        assert page.locator("#table thead [aria-sort]").count() == 1


def test_the_table_sorts_and_opens_with_the_keyboard_alone(samples: Samples, watched: Watched) -> None:
    """Headers and cases are reached with Tab; Enter sorts and opens, the arrows walk, Escape leads back."""
    page = watched.show(samples.page(12))
    page.locator("#filter-clear").focus()
    for _ in range(2):  # the scrolling region, then the first header
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert column(page, 1)[0] == "comment-012"
    page.locator("#table thead button").last.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text("comment-012")
    page.keyboard.press("ArrowRight")
    expect(heading(page)).to_have_text("comment-011")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(heading(page)).to_have_text("comment-012")
    page.keyboard.press("Escape")
    expect(page.locator("#case")).to_be_hidden()
    expect(page.get_by_role("link", name="comment-012")).to_be_focused()


def test_filters_narrow_the_table_and_clear_again(samples: Samples, watched: Watched) -> None:
    """Text, result and a number below x must all hold; the page says how many cases are left."""
    page = watched.show(samples.page(30))
    assert shown(page) == "30 cases"
    page.get_by_label("Show").select_option("unscored")
    assert set(column(page, 2)) == {"unscored"}
    page.locator("#filter-clear").click()
    page.get_by_label("Only where").select_option(label="clarity")
    page.get_by_label("is below").fill("3")
    scores = [float(score) for score in column(page, 6)]
    assert scores
    assert max(scores) <= 3
    assert shown(page) == f"{len(scores)} of 30 cases"
    page.get_by_label("Search").fill("NOWHERE to be found")
    assert column(page, 1) == []
    page.locator("#filter-clear").click()
    page.get_by_label("Search").fill("comment-017")
    assert column(page, 1) == ["comment-017"]
    page.get_by_label("Search").fill("newcomers")
    assert len(column(page, 1)) == 6, "contexts are searched as well"


def test_a_case_opens_with_all_that_was_found(samples: Samples, watched: Watched) -> None:
    """Texts, criteria with reasons and evidence, words, steps, arithmetic, metrics, gates and ratings are there."""
    page = watched.show(samples.page(6))
    page.locator("#table tbody tr").nth(2).locator("td").last.click()
    expect(heading(page)).to_have_text("comment-003")
    assert page.url.endswith("#case=comment-003")
    text = " ".join(page.locator("#case").inner_text().split())
    for part in (
        "Comment I think",
        "Diff diff --git",
        "References",
        "accuracy",
        "weight 40 % · human 4",
        "It names the place and the cause",
        "Why not 2 lower The fault is real",
        "accuracy (up to +",
        "weighted sum 0.4·",
        "rouge_l",
        "passed max_words: 400",
        "overall 4",
    ):
        assert part in text
    assert page.title().startswith("comment-003 – ")
    assert re.match(
        r"Probability per score. 1: [\d.]+ %, 2: ",
        page.locator(".distribution").first.get_attribute("aria-label") or "",
    )
    steps = page.locator(".steps li").all_inner_texts()
    gains = [float(gain) for step in steps for gain in re.findall(r"up to \+([\d.]+)", step)]
    assert gains == sorted(gains, reverse=True)
    assert len(gains) == 2


def test_evidence_is_marked_in_place_and_named(samples: Samples, watched: Watched) -> None:
    """The output reads as it was; each passage names its criteria, and a click on a quote points it out."""
    page = watched.show(samples.page(3), case="comment-001")
    box = page.get_by_role("region", name="comment")
    assert box.evaluate("node => node.textContent") == samples.case(1).output
    labels = [label for mark in box.locator("mark").all() if (label := mark.get_attribute("data-label"))]
    assert set(labels) == {"accuracy", "clarity", "kindness"}
    page.get_by_role("list", name="Evidence for clarity").get_by_role("button").last.click()
    marked = page.locator("mark.on").all_inner_texts()
    assert marked[-1] == "better name – see the guide"
    assert page.locator("mark.on").count() < page.locator("mark").count()


def test_a_link_to_a_case_opens_it_and_back_leads_home(samples: Samples, watched: Watched) -> None:
    """Addresses are permalinks, and the browser's own Back works."""
    page = watched.show(samples.page(5), case="comment-004")
    expect(page.locator("#overview")).to_be_hidden()
    page.get_by_role("link", name="All cases").click()
    expect(page.locator("#overview")).to_be_visible()
    page.go_back()
    expect(heading(page)).to_have_text("comment-004")


def test_a_link_to_no_case_says_so(samples: Samples, watched: Watched) -> None:
    """An unknown id, or a broken escape in the address, leads to the overview with a word of why."""
    page = watched.show(samples.page(2), case="comment-999")
    expect(page.locator("#overview")).to_be_visible()
    assert shown(page) == "This report has no case named comment-999."
    page.evaluate("location.hash = '#case=%E0%A4%A'")
    page.wait_for_function("document.getElementById('shown').textContent.includes('%E0%A4%A')")


def test_hostile_text_is_inert_and_shown_as_it_is(samples: Samples, watched: Watched) -> None:
    """Markup, template syntax, controls and other scripts in every field stay text, in the table and in the case."""
    result = samples.results(1)[0]
    assert result.verdict is not None
    case = Case(
        id=HOSTILE,
        output=HOSTILE,
        input=HOSTILE,
        references=(HOSTILE,),
        context=HOSTILE,
        human={HOSTILE: 3.0},
        group=HOSTILE,
    )
    accuracy, clarity, kindness = result.verdict.criteria
    failure = Failure(kind="schema", detail=HOSTILE)
    verdict = replace(
        result.verdict,
        model=HOSTILE,
        criteria=(
            replace(accuracy, reason=HOSTILE, evidence=(HOSTILE, "nul \ufffd العربية")),
            clarity,
            replace(kindness, score=None, failure=failure, reason=HOSTILE),
        ),
        why_not_2_lower=HOSTILE,
        steps_to_10=(Step(criterion="accuracy", text=HOSTILE),),
        words_failure=failure,
    )
    gates = tuple(replace(gate, gate=HOSTILE, detail=HOSTILE) for gate in result.gates)
    results = [replace(result, case=case, verdict=verdict, gates=gates)]
    record = samples.record(
        9,
        status="stopped",
        dataset=HOSTILE,
        dataset_digest=HOSTILE,
        judge=HOSTILE,
        note=HOSTILE,
        created=HOSTILE,
        fingerprint={HOSTILE: HOSTILE},
        settings={HOSTILE: HOSTILE},
        rubric=samples.rubric().model_copy(update={"about": HOSTILE}),
    )
    page = watched.show(render_run(record, results, samples.sum_up(results)))
    assert page.locator("h1").evaluate("node => node.textContent") == SEEN
    link = page.locator("#table tbody a")
    assert link.evaluate("node => node.textContent") == SEEN
    link.click()
    assert heading(page).evaluate("node => node.textContent") == SEEN
    for box in page.locator(".text").all():
        assert box.evaluate("node => node.textContent") == SEEN
    assert page.locator(".text").count() == 4
    assert page.locator("#case .said").first.evaluate("node => node.textContent") == SEEN
    assert page.locator("mark").count() > 0
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert page.evaluate("window.hit") is None


def test_text_from_right_to_left_keeps_its_direction_to_itself(samples: Samples, watched: Watched) -> None:
    """Hebrew is set from the right inside its box, and the page around it stays as it is."""
    result = replace(samples.results(1)[0], case=Case(id="עברית", output="שלום עולם.\nEnglish follows."))
    page = watched.show(render_run(samples.record(1), [result], samples.sum_up([result])), case="עברית")
    box = page.get_by_role("region", name="comment")
    assert box.evaluate("node => getComputedStyle(node).direction") == "rtl"
    assert page.evaluate("getComputedStyle(document.body).direction") == "ltr"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_light_and_dark(samples: Samples, watched: Watched, scheme: str) -> None:
    """The contrast of all text is at least 4.5, in the overview, in a case and in a comparison."""
    page = watched.show(samples.page(24, status="stopped"), color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    assert too_faint(page) == {}
    for case in ("comment-005", "comment-019", "comment-024"):
        page.evaluate(f"location.hash = '#case={case}'")
        expect(heading(page)).to_have_text(case)
        assert too_faint(page) == {}
    page = watched.show(render_comparison(samples.comparison(8)), color_scheme=scheme)
    assert too_faint(page) == {}
    page.locator("#table tbody a").first.click()
    expect(page.locator("#case")).to_be_visible()
    assert too_faint(page) == {}


def test_the_theme_follows_the_system_until_the_button_says_otherwise(samples: Samples, watched: Watched) -> None:
    """The button walks through system, light and dark; nothing is kept for the next visit."""
    page = watched.show(samples.page(2), color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    button = page.get_by_role("button", name="Theme")
    button.click()
    assert button.inner_text() == "Theme: light"
    light = page.evaluate(background)
    assert light != dark
    button.click()
    assert page.evaluate(background) == dark
    button.click()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(background) == light


def test_a_phone_shows_everything_without_scrolling_sideways(samples: Samples, watched: Watched) -> None:
    """At 375 pixels neither the overview nor a case is wider than the screen, however long a word or a name is."""
    longest = "a_criterion_with_a_name_of_forty_letters_"[:40]
    rubric = Rubric.model_validate(
        {
            "rubric": "long/v1",
            "about": "Is it good?",
            "criteria": {
                longest: {"ask": "Is it?"},
                **{name: {"ask": "?"} for name in ("accuracy", "clarity", "kindness")},
            },
        }
    )
    result = samples.results(1)[0]
    assert result.verdict is not None
    criteria = (replace(result.verdict.criteria[0], criterion=longest), *result.verdict.criteria)
    assert result.score is not None
    parts = (replace(result.score.parts[0], criterion=longest), *result.score.parts)
    word = "unbroken" * 60
    result = replace(
        result,
        case=Case(id=word[:200], output=word, input=f"  {word}", references=(word,)),
        verdict=replace(result.verdict, criteria=criteria, why_not_2_lower=word, model=word),
        score=replace(result.score, parts=parts),
    )
    record = samples.record(4, rubric=rubric, dataset=word, judge=word, fingerprint={"prompt": word}, status="running")
    page = watched.show(
        render_run(record, [result], samples.sum_up([result])), viewport={"width": 375, "height": 700}, has_touch=True
    )
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    page.locator("#table tbody a").click()
    expect(page.locator("#case")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 375


def test_without_javascript_the_numbers_and_the_table_remain(samples: Samples, watched: Watched) -> None:
    """Summary and table are plain HTML; a note says what is missing, and no dead control is shown."""
    page = watched.show(samples.page(4), java_script_enabled=False)
    assert page.get_by_text("95 % interval").first.is_visible()
    assert page.locator("#table tbody tr").count() == 4
    assert page.get_by_text("Without JavaScript this table cannot be sorted").is_visible()
    assert page.locator(".filters").is_hidden()
    assert page.locator("#theme").is_hidden()


def test_a_printed_report_has_no_controls(samples: Samples, watched: Watched) -> None:
    """On paper the buttons are gone, texts are shown in full, and ink is dark on white."""
    page = watched.show(samples.page(4), case="comment-002", color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator(".steps-nav").is_hidden()
    assert page.locator("#theme").is_hidden()
    assert page.get_by_role("region", name="comment").evaluate("node => getComputedStyle(node).maxHeight") == "none"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(29, 34, 39)"


def test_a_report_on_2000_cases_works(samples: Samples, watched: Watched) -> None:
    """Sorting, filtering and opening work on a table of 2,000 rows."""
    few = samples.results(20)
    results = [
        replace(result, case=replace(result.case, id=f"{result.case.id}-{copy:02}"))
        for copy in range(100)
        for result in few
    ]
    page = watched.show(render_run(samples.record(2000), results, samples.sum_up(results)))
    page.locator("#table thead button").first.click()
    page.locator("#table thead button").first.click()
    assert page.locator("#table tbody tr").first.locator("th").inner_text() == "comment-020-99"
    page.get_by_label("Search").fill("comment-013-5")
    assert shown(page) == "10 of 2,000 cases"
    page.locator("#table tbody tr:not([hidden]) a").first.click()
    expect(page.get_by_text("1 of 10")).to_be_visible()
