from __future__ import annotations

import html
import json
import random
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tenward.reports import (
    ArmView,
    AttemptView,
    CheckView,
    GainView,
    LookView,
    LoopView,
    NumberGainView,
    PlaceboView,
    StageView,
    render_loop,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.reports.conftest import Watched

HOSTILE = "<script>window.hit=1</script></script><img src=x onerror=window.hit=1> {{ 7*7 }} \u202eevil nul\0 &lt; '\""
SEEN = HOSTILE.replace("\u202e", "⟨U+202E⟩").replace("\0", "␀")
DIFF = """\
diff --git a/prompt.md b/prompt.md
index 5a1e2c1..0b7d21f 100644
--- a/prompt.md
+++ b/prompt.md
@@ -1,3 +1,3 @@
-Describe the change.
--- a rule of dashes
+Write one line in the imperative mood.
 {input}
"""
WORDS = "better by 7.6"
MOMENT = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


def attempt(number: int, **changes: Any) -> AttemptView:
    """A discarded attempt with all that an attempt can have, unless told otherwise."""
    chance = random.Random(number)
    basis = AttemptView(
        number=number,
        status="discard",
        idea=f"Idea number {number}",
        idea_note="Because form is the weakest criterion.",
        reason="discarded: P(effect above 0.03) 0.021 after 12 dev cases",
        diff=DIFF,
        stages=[StageView(stage="cases: 6", passed=True, detail="mean -0.010 on 6 cases", seconds=3.2)],
        looks=[LookView(split="dev", units=12, differences=[chance.gauss(-0.01, 0.1) for _ in range(12)])],
        effect=-0.01,
        low=-0.05,
        high=0.03,
        p_better=0.31,
        score=0.54,
        incumbent_score=0.55,
        at=-0.01,
        at_low=-0.05,
        at_high=0.03,
        retro="It cost accuracy.",
        true_to_idea=True,
        trend="flat",
        suggested=["leave this direction"],
        commit="3f1c" * 10,
        parent="aa02" * 10,
        seconds=12.0,
        judged=12,
        calls=60,
    )
    return replace(basis, **changes)


def kept(number: int, effect: float, level: float) -> AttemptView:
    """An attempt that was kept on top of a level."""
    return attempt(
        number,
        status="keep",
        reason=f"kept: P(better) 0.941; about {effect:+.3f} on 30 dev and 64 sealed cases",
        effect=effect,
        low=effect - 0.02,
        high=effect + 0.02,
        p_better=0.941,
        at=level + effect,
        at_low=level + effect - 0.02,
        at_high=level + effect + 0.02,
    )


def sample(**changes: Any) -> LoopView:
    """A loop that has ended: nine attempts, two of them kept, one a placebo, two never scored."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("effect", "low", "high", "p_better", "score", "incumbent_score", "at", "at_low", "at_high")
    )
    attempts = [
        attempt(1),
        kept(2, 0.04, 0.0),
        attempt(3, placebo="unchanged", idea="", diff="", diff_note="Nothing was changed.", at=0.04),
        attempt(4, status="invalid", faults=["rubrics/x.yaml: outside the editable paths"], **nothing),
        attempt(5, status="crashed", log="Traceback: no such file", **nothing),
        kept(6, 0.03, 0.04),
        attempt(7, status="undecided"),
        attempt(8),
        attempt(9, status="running", phase="racing", retro="", reason="", **nothing),
    ]
    basis = LoopView(
        loop="commit-subjects",
        goal="Prompts that write commit subjects a maintainer would not edit.",
        phase="ended",
        made=MOMENT,
        judged_by="commit-subject, judge local, commit-subjects",
        axis="Gain over the baseline, as claimed",
        steps=[(0, 0.0), (2, 0.04), (6, 0.07)],
        attempts=attempts,
        gain=GainView(gain=0.051, low=0.021, high=0.081, units=80, confirmed=True, text=""),
        claimed=0.07,
        baseline_score=0.55,
        incumbent_score=0.61,
        baseline="aa" * 20,
        incumbent="bb" * 20,
        branch="tenward/commit-subjects",
        placebos=PlaceboView(unchanged=1, at_most=0.95),
        calibration=["judge noise: sd 0.041 a pass on 30 cases"],
        rounds=9,
        seconds=4210,
        judged=230,
        calls=1200,
        usd=0.41,
        seal={"rubrics/commit-subject.yaml": "a1b2c3d4"},
    )
    return replace(basis, **changes)


def text_of(page: str) -> str:
    """What a reader sees without JavaScript, on one line."""
    visible = re.sub(r"(?s)<(style|script|title)\b.*?</\1>", " ", page)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", visible)).split())


def data_of(page: str) -> dict[str, Any]:
    """What the page's script reads."""
    found = re.search(r'(?s)<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_confirmed_gain_and_the_claims_are_told_apart() -> None:
    """The big number is the one from sealed cases, with its interval; the sum of claims is named as no result."""
    text = text_of(render_loop(sample()))
    assert "Gain, winner − baseline +0.051 95 % interval +0.021 to +0.081 on 80 sealed cases" in text
    assert "Confirmed: the winner is better than what the loop began with." in text
    assert "Sum of what the keeps claimed: +0.070 . It is not a result" in text


@pytest.mark.parametrize(
    ("gain", "told"),
    [
        (None, "The gain has not been measured on sealed cases."),
        (
            GainView(gain=0.02, low=-0.01, high=0.05, units=80, confirmed=False, text=""),
            "Not confirmed: the interval contains 0, so the gain may be luck.",
        ),
    ],
)
def test_a_gain_that_is_not_confirmed_says_so(gain: GainView | None, told: str) -> None:
    """Without a headline, or with an interval around 0, nothing reads like a success."""
    text = text_of(render_loop(sample(gain=gain)))
    assert told in text
    assert "Confirmed:" not in text


def test_references_that_contradict_the_gain_come_first() -> None:
    """Where references see the baseline ahead of the winner, that stands above the gain."""
    told = "judge: winner better in 80 of 80; references: baseline better in 60 of 80"
    gain = GainView(gain=0.051, low=0.021, high=0.081, units=80, confirmed=True, text="", disagreement=told)
    page = render_loop(sample(gain=gain))
    assert page.index(f"{told[:1].upper()}{told[1:]}.") < page.index('id="h-gain"')


def test_what_was_kept_and_what_each_kind_of_change_brought_stand_at_the_top() -> None:
    """A reader learns what changed, why it was kept and which arms paid before any table."""
    arms = [ArmView(name="examples", tried=3, kept=2, brought=0.07, cases=40, share=0.8)]
    page = render_loop(sample(arms=arms))
    text = text_of(page)
    assert "Kept" in text
    assert "P(better) 0.941; about +0.040 on 30 dev and 64 sealed cases" in text
    assert 'href="#case=2"' in page
    assert "examples 2 of 3 +0.070 80 %" in text
    assert "Arms" not in text_of(render_loop(sample()))
    many = text_of(render_loop(sample(attempts=[kept(at, 0.01, 0.01 * at) for at in range(1, 30)])))
    assert "and 21 before these" in many


def test_a_gain_of_an_earlier_incumbent_is_told_apart() -> None:
    """What was measured of another version is a note, and not the big number, whether or not anything is kept now."""
    gain = GainView(gain=0.051, low=0.021, high=0.081, units=80, confirmed=True, text="", earlier=True)
    everything = sample().attempts
    for attempts in (everything[:0], everything):
        text = text_of(render_loop(sample(gain=gain, attempts=attempts)))
        assert "Gain, winner − baseline – The gain has not been measured for the present incumbent." in text
        assert "An earlier incumbent was measured: +0.051, 95 % interval +0.021 to +0.081 on 80 sealed cases." in text
        assert "Confirmed:" not in text


def test_a_loop_that_kept_nothing_says_so() -> None:
    """Where there is no keep there is no gain, and the page does not leave that to be guessed."""
    view = sample(gain=None)
    nothing = replace(view, attempts=[attempt for attempt in view.attempts if attempt.state != "keep"])
    assert "No attempt was kept, so there is no gain to measure." in text_of(render_loop(nothing))


def test_a_number_has_no_claims_and_no_intervals() -> None:
    """Where a command prints the score, the page says from where to where it went, and what guards it: nothing."""
    told = NumberGainView(words=WORDS, change=f"19.49 → 11.89, {WORDS} (lower is better)", basis="once", gain=7.6)
    view = sample(gain=None, number_gain=told, claimed=None, baseline_score=19.4, incumbent_score=11.8, decimals=4)
    view = replace(view, attempts=[replace(one, reason="kept: 19.49 → 11.89") for one in view.attempts])
    text = text_of(render_loop(view))
    assert "From baseline to winner better by 7.6 19.49 → 11.89, better by 7.6 (lower is better) , once" in text
    assert "Gain, winner" not in text
    assert "nothing guards against a change that fits this number alone" in text
    assert "claimed:" not in text
    assert "P(better)" not in text


@pytest.mark.parametrize(
    ("gain", "confirmed", "told"),
    [
        (7.6, True, "Confirmed: the winner is better"),
        (7.6, False, "Not confirmed: the interval contains 0"),
        (-0.6, False, "No gain: the winner is no better than what the loop began with."),
        (-0.6, None, "No gain: the winner is no better than what the loop began with."),
    ],
)
def test_a_repeated_number_says_whether_it_is_confirmed(gain: float, confirmed: bool | None, told: str) -> None:
    """A number with repeats has a verdict, and no sealed cases; what became worse is no gain."""
    shown = NumberGainView(words=WORDS, change="a → b", basis="on 5 fresh repeats", gain=gain, confirmed=confirmed)
    text = text_of(render_loop(sample(gain=None, number_gain=shown, claimed=None)))
    assert told in text
    assert "on 5 fresh repeats" in text
    assert "no proposer saw" not in text
    assert "80 sealed cases" not in text


def test_every_attempt_is_a_row_with_its_end() -> None:
    """The table holds all attempts, the latest first; a placebo is shown as one, whatever became of it."""
    data = data_of(render_loop(sample()))
    assert [item["id"] for item in data["cases"]] == [str(number) for number in range(9, 0, -1)]
    assert data["states"] == [
        "running",
        "discard",
        "undecided",
        "keep",
        "crashed",
        "invalid",
        "placebo",
        "keep",
        "discard",
    ]


def test_the_stairs_rise_where_attempts_were_kept() -> None:
    """The chart's line has a step per keep, the kept points lie on it, and attempts without a score lie below it."""
    page = render_loop(sample())
    path = re.search(r'class="stairs" d="M[\d.]+ ([\d.]+)((?:H[\d.]+V[\d.]+)*)H[\d.]+"', page)
    assert path is not None
    heights = [float(path[1]), *map(float, re.findall(r"V([\d.]+)", path[2]))]
    assert heights == sorted(heights, reverse=True)  # the drawing counts from the top
    points = re.findall(r'class="point keep" cx="[\d.]+" cy="([\d.]+)"', page)
    assert [float(point) for point in points] == heights[1:]
    assert len(re.findall(r'class="point (?:invalid|crashed)" d=', page)) == 2
    assert len(re.findall(r'class="reach keep"', page)) == 2


def test_placebos_come_with_their_bound_and_a_kept_one_with_a_warning() -> None:
    """The tally is never shown without the upper bound; a placebo that was kept stands on top of the page."""
    assert "0 of 1 placebo kept. With 95 % certainty at most 95% are." in text_of(render_loop(sample()))
    page = text_of(render_loop(sample(placebos=PlaceboView(unchanged=4, unchanged_kept=1, damaged=2, at_most=0.58))))
    assert "1 placebo was taken for an improvement" in page
    assert "1 of 6 placebos kept. With 95 % certainty at most 58% are." in page
    assert "nothing is known of false keeps" in text_of(render_loop(sample(placebos=PlaceboView())))


def test_a_loop_that_has_hardly_begun_has_a_report() -> None:
    """Without attempts, scores or calibration the page says what there is not yet."""
    view = sample(
        phase="calibrating",
        gain=None,
        steps=(),
        attempts=[],
        claimed=0.0,
        baseline_score=None,
        incumbent_score=None,
        placebos=PlaceboView(),
        calibration=(),
    )
    text = text_of(render_loop(view))
    assert "Not finished: the loop was at “calibrating”" in text
    assert "none yet" in text
    assert "Staircase" not in text


def test_what_an_effect_of_nothing_came_to_is_shown() -> None:
    """An effect of exactly 0 is a finding, and not left out of an attempt's data."""
    data = data_of(render_loop(sample(attempts=[attempt(1, effect=0.0, true_to_idea=False)])))
    assert data["cases"][0]["effect"] == 0.0
    assert data["cases"][0]["true_to_idea"] is False


def test_a_thousand_attempts_stay_readable() -> None:
    """A long loop draws no whisker per discard, and no link per point that the keyboard would have to pass."""
    page = render_loop(sample(attempts=[attempt(number, diff="") for number in range(1, 1001)]))
    assert page.count('class="point discard"') == 1000
    assert 'class="reach discard"' not in page
    assert '<a href="#case=1000" aria-label' not in page


def test_alarms_strictness_and_shared_weakness_are_told() -> None:
    """An attempt shows its alarms; the page says that the loop tightened itself, and that one judge scores all."""
    alarmed = [attempt(1, status="undecided", alarms=["length (overruled): its outputs have 90 words"], fooling=0.625)]
    tally = PlaceboView(unchanged=2, unchanged_kept=1, at_most=0.98, tightened="1 of 2 copies were kept")
    page = text_of(render_loop(sample(attempts=alarmed, placebos=tally, shared_weakness="one judge scores all")))
    assert page.count("The loop has tightened itself: 1 of 2 copies were kept.") == 2
    assert "One judge scores all." in page
    raw = render_loop(sample(attempts=alarmed))
    assert "length (overruled): its outputs have 90 words" in raw
    assert re.search(r'"fooling": ?0.625', raw)


@pytest.mark.browser
def test_a_point_of_the_chart_opens_its_attempt(watched: Watched) -> None:
    """A click in the chart shows idea, coloured diff, looks, decision and retro of that attempt."""
    page = watched.show(render_loop(sample()))
    page.locator(".point.keep").first.click()
    assert page.locator("#case h2").inner_text() == "Attempt 2"
    text = " ".join(page.locator("#case").inner_text().split())
    for part in (
        "Idea number 2",
        "Because form is the weakest criterion.",
        "kept: P(better) 0.941",
        "effect, as estimated +0.04",
        "90 % interval +0.02 to +0.06",
        "dev to 12",
        "passed cases: 6",
        "It cost accuracy.",
        "The edit is true to the idea. The loop is flat.",
        "leave this direction",
        "60 calls",
    ):
        assert part in text
    assert page.locator(".diff .del").all_inner_texts() == ["-Describe the change.\n", "--- a rule of dashes\n"]
    assert page.locator(".diff .add").all_inner_texts() == ["+Write one line in the imperative mood.\n"]


@pytest.mark.browser
def test_attempts_are_filtered_by_how_they_ended_and_sorted_by_effect(watched: Watched) -> None:
    """The choice of an end leaves its attempts; the count speaks of attempts, and a header sorts."""
    page = watched.show(render_loop(sample()))
    page.get_by_label("Show").select_option("keep")
    assert page.locator("#table tbody tr:not([hidden]) th").all_inner_texts() == ["6", "2"]
    assert page.locator("#shown").inner_text() == "2 of 9 attempts"
    page.get_by_role("button", name="effect").click()
    assert page.locator("#table tbody tr:not([hidden]) th").all_inner_texts() == ["6", "2"]
    page.get_by_role("button", name="effect").click()
    assert page.locator("#table tbody tr:not([hidden]) th").all_inner_texts() == ["2", "6"]
    page.locator("#filter-clear").click()
    page.get_by_label("Search").fill("no such file")
    assert page.locator("#table tbody tr:not([hidden]) th").all_inner_texts() == ["5"]


@pytest.mark.browser
def test_hostile_text_of_an_attempt_is_inert(watched: Watched) -> None:
    """Ideas, diffs, logs and names come from models and commands; markup in any of them stays text."""
    texts = ("idea", "idea_note", "reason", "diff", "diff_note", "log", "retro", "trend", "placebo")
    hostile: dict[str, Any] = dict.fromkeys(texts, HOSTILE)
    hostile["placebo"] = ""
    one = attempt(
        1,
        **hostile,
        faults=[HOSTILE],
        floors=[HOSTILE],
        suggested=[HOSTILE],
        stages=[StageView(stage=HOSTILE, passed=False, detail=HOSTILE, seconds=1)],
    )
    view = sample(
        attempts=[one],
        loop=HOSTILE,
        goal=HOSTILE,
        phase="stopped",
        note=HOSTILE,
        judged_by=HOSTILE,
        axis=HOSTILE,
        calibration=[HOSTILE],
        branch=HOSTILE,
        seal={HOSTILE: HOSTILE},
    )
    page = watched.show(render_loop(view), case="1")
    assert page.locator(".idea").evaluate("node => node.textContent") == SEEN
    assert page.locator(".diff").evaluate("node => node.textContent") == f"{SEEN}\n"
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert page.evaluate("window.hit") is None


def widest(page: Page) -> int:
    """How wide the page is, in pixels."""
    return int(page.evaluate("document.documentElement.scrollWidth"))


@pytest.mark.browser
def test_a_phone_shows_a_loop_without_scrolling_sideways(watched: Watched) -> None:
    """At 375 pixels neither the overview nor an attempt is wider than the screen, however long a word is."""
    word = "unbroken" * 60
    one = attempt(1, idea=word, idea_note=word, reason=word, diff=f"+{word}", log=word, retro=word)
    view = sample(attempts=[one], loop=word, goal=word, judged_by=word, seal={word: word}, calibration=[word])
    page = watched.show(render_loop(view), viewport={"width": 375, "height": 700})
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    assert widest(page) == 375
    page.locator("#table tbody a").click()
    assert page.locator("#case").is_visible()
    assert widest(page) == 375


def test_what_a_person_said_stands_beside_the_gain() -> None:
    """The human-corrected gain has its own interval; without one the page says that nobody has looked."""
    check = CheckView(
        gain=-0.01, low=-0.05, high=0.03, answers=30, agreement="judge +0.051, person alone -0.020", note="30 scored"
    )
    text = text_of(render_loop(sample(check=check)))
    assert "A person who did not know which was which: −0.010 , 95 % interval −0.050 to +0.030 on 30 cases" in text
    assert "Not confirmed by a person." in text
    assert "Judge +0.051, person alone -0.020. 30 scored. A person is the only defence" in text
    unseen = text_of(render_loop(sample(check=CheckView(note="tenward loop audit commit-subjects"))))
    assert "No person has checked this gain (tenward loop audit commit-subjects)." in unseen
    assert "person" not in text_of(render_loop(sample()))
