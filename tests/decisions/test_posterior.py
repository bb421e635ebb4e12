from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.decisions import Evidence, Leaps, Posterior, Prior, RaceSettings, Sample, posterior

if TYPE_CHECKING:
    import random

DEFAULTS = RaceSettings()
EXACT = RaceSettings.exact()
TRUSTING = RaceSettings(prior=Prior(fooling=0.0))
MEANS = st.floats(-0.5, 0.5)
COUNTS = st.integers(0, 150)
VARIANCES = st.floats(1e-4, 0.3)


def seen(
    n: int,
    mean: float,
    m: int = 0,
    sealed_mean: float = 0.0,
    *,
    v: float = 0.0316,
    v2: float | None = None,
    leaps: float = 0.0,
) -> Evidence:
    """Return evidence with the means of n dev and m sealed units, where that share of proposals leaps, and seems to."""
    return Evidence(
        dev=Sample(n=n, mean=mean, squares=0.0),
        sealed=Sample(n=m, mean=sealed_mean, squares=0.0),
        dev_variance=v,
        sealed_variance=v if v2 is None else v2,
        leaps=Leaps(gain=leaps, fooling=leaps),
    )


def test_the_published_values_of_thirty_dev_cases() -> None:
    """Thirty dev cases at +0.10 leave more doubt than hope: a judge that is fooled looks just like that."""
    belief = posterior(seen(30, 0.10), DEFAULTS)
    assert belief.better == pytest.approx(0.3827, abs=5e-5)
    assert belief.worthwhile == pytest.approx(0.3396, abs=5e-5)
    assert belief.mean == pytest.approx(0.01961, abs=5e-6)
    assert belief.fooling > 0.5


def test_the_published_values_after_forty_sealed_cases() -> None:
    """Forty sealed cases at +0.06 on top turn it round, the more the less of the weakness the sealed judge shares."""
    wary = posterior(seen(30, 0.10, 40, 0.06), DEFAULTS)
    assert 0.5 < wary.better < 0.6613
    belief = posterior(seen(30, 0.10, 40, 0.06), EXACT)
    assert belief.better == pytest.approx(0.6613, abs=5e-5)
    assert belief.mean == pytest.approx(0.03882, abs=5e-6)


@pytest.mark.parametrize(
    ("v", "n", "discard_below", "ask_from"),
    [
        (0.0027, 4, 0.023, 0.119),
        (0.0027, 10, 0.020, 0.031),
        (0.0027, 30, 0.019, 0.007),
        (0.0316, 4, 0.058, 0.431),
        (0.0316, 8, 0.041, 0.252),
        (0.0316, 17, 0.030, 0.163),
        (0.0316, 30, 0.025, 0.034),
        (0.10, 4, 0.130, 1.217),
        (0.10, 17, 0.049, 0.340),
        (0.10, 30, 0.038, 0.081),
    ],
)
def test_the_published_dev_boundaries(v: float, n: int, discard_below: float, ask_from: float) -> None:
    """The running mean at which a candidate is discarded, and from which the sealed cases are asked."""
    ask = DEFAULTS.ask_last if n == 30 else DEFAULTS.ask
    assert posterior(seen(n, discard_below - 0.001, v=v), DEFAULTS).worthwhile < DEFAULTS.drop
    assert posterior(seen(n, discard_below + 0.001, v=v), DEFAULTS).worthwhile >= DEFAULTS.drop
    assert posterior(seen(n, ask_from - 0.001, v=v), DEFAULTS).better < ask
    assert posterior(seen(n, ask_from + 0.001, v=v), DEFAULTS).better >= ask


def test_a_sealed_judge_that_may_share_more_of_the_weakness_is_believed_less() -> None:
    """The same small gain on sealed cases convinces less when it may be what is left of a large shift."""
    for evidence in (seen(20, 0.08, 60, 0.03), seen(30, 0.10, 40, 0.06)):
        assert posterior(evidence, DEFAULTS).better < posterior(evidence, EXACT).better - 0.02
        assert posterior(evidence, DEFAULTS).fooling > posterior(evidence, EXACT).fooling
    assert posterior(seen(30, 0.10), DEFAULTS).better == pytest.approx(posterior(seen(30, 0.10), EXACT).better)


def test_a_great_leap_is_believed_where_both_splits_see_it() -> None:
    """One that sealed cases show whole is a gain; of one that they show a part of, most is bought."""
    there = posterior(seen(9, 0.4, 20, 0.4, leaps=1e-5), DEFAULTS)
    assert (there.better, there.leaps.gain) == pytest.approx((1.0, 1.0), abs=0.01)
    assert there.mean == pytest.approx(0.4, abs=0.02)
    half = posterior(seen(9, 0.4, 20, 0.2, leaps=1e-5), DEFAULTS)
    assert half.leaps.fooling > 0.5
    unaware = posterior(seen(9, 0.4, 20, 0.2), DEFAULTS)
    assert unaware.better > 0.99, "without leaps nothing but a gain explains so much"


def test_the_more_proposals_were_bought_the_less_is_believed() -> None:
    """The same evidence in a loop that has met such proposals."""
    beliefs = [posterior(seen(9, 0.3, 20, 0.07, leaps=share), DEFAULTS).better for share in (0.0, 1e-5, 1e-3)]
    assert beliefs == sorted(beliefs, reverse=True)


def test_a_leak_that_is_named_twice_is_twice_as_likely() -> None:
    """Only the shares of leaks count: the same one named twice changes nothing, in no order."""
    evidence = seen(20, 0.08, 60, 0.03)
    twice = RaceSettings(prior=Prior(leaks=(0.25, 0.25)))
    assert posterior(evidence, twice) == posterior(evidence, EXACT)
    there, back = (RaceSettings(prior=Prior(leaks=leaks)) for leaks in ((0.25, 0.5, 0.25), (0.5, 0.25, 0.25)))
    assert posterior(evidence, there) == posterior(evidence, back)


def test_without_evidence_the_prior_stands() -> None:
    """No verdict at all leaves the shares of the prior as they are."""
    belief = posterior(seen(0, 0.0), DEFAULTS)
    assert belief.better == pytest.approx(0.10)
    assert belief.worthwhile == pytest.approx(0.0375)
    assert belief.fooling == pytest.approx(0.05)
    # P(loss > 0.0578) = 0.95 · exp(-0.0578 / 0.02) = 0.05; P(gain > 0.0208) = 0.10 · exp(-0.0208 / 0.03) = 0.05.
    assert belief.low == pytest.approx(-0.0578, abs=0.003)
    assert belief.high == pytest.approx(0.0208, abs=0.003)


@settings(deadline=None)
@given(n=COUNTS, mean=MEANS, m=COUNTS, sealed_mean=MEANS, v=VARIANCES, v2=VARIANCES, leaps=st.floats(0, 0.2))
def test_probabilities_hang_together(
    n: int, mean: float, m: int, sealed_mean: float, v: float, v2: float, leaps: float
) -> None:
    """Shares lie in 0 to 1 and in order, and the interval holds what it should, whatever was seen."""
    belief = posterior(seen(n, mean, m, sealed_mean, v=v, v2=v2, leaps=leaps), DEFAULTS)
    assert 0.0 <= belief.leaps.gain <= belief.better + 1e-12
    assert 0.0 <= belief.leaps.fooling <= belief.fooling + 1e-12
    assert 0.0 <= belief.worthwhile <= belief.better <= 1.0
    assert 0.0 <= belief.fooling <= 1.0 - belief.better + 1e-12
    assert belief.low <= belief.high
    assert belief.low > -0.1
    assert belief.high <= 0.6


@settings(deadline=None)
@given(n=st.integers(1, 100), mean=MEANS, more=st.floats(0.001, 0.5), m=COUNTS, sealed_mean=MEANS, v=VARIANCES)
def test_a_higher_mean_never_lowers_the_belief_of_a_trusting_prior(
    n: int, mean: float, more: float, m: int, sealed_mean: float, v: float
) -> None:
    """Where no proposal fools the judge, a higher dev or sealed mean makes better and larger gains likelier."""
    base = posterior(seen(n, mean, m, sealed_mean, v=v), TRUSTING)
    for raised in (seen(n, mean + more, m, sealed_mean, v=v), seen(n, mean, m, sealed_mean + more, v=v)):
        belief = posterior(raised, TRUSTING)
        assert belief.better >= base.better - 1e-12
        assert belief.worthwhile >= base.worthwhile - 1e-12
        assert belief.mean >= base.mean - 1e-12


@settings(deadline=None)
@given(mean=st.floats(0.05, 0.5), v=st.floats(0.001, 0.3), n=st.integers(1, 60))
def test_more_cases_at_a_clear_mean_make_surer(mean: float, v: float, n: int) -> None:
    """Sealed cases at a mean beyond what fooling explains only ever add to the belief."""
    beliefs = [posterior(seen(n, mean, m, mean, v=v), TRUSTING).better for m in (0, 5, 20, 80)]
    assert beliefs == sorted(beliefs)


@settings(deadline=None)
@given(n=COUNTS, mean=MEANS, m=COUNTS, sealed_mean=MEANS, v=VARIANCES)
def test_a_symmetric_prior_mirrors_the_evidence(n: int, mean: float, m: int, sealed_mean: float, v: float) -> None:
    """With as many gains as losses of one size, turning every sign turns the belief round."""
    even = RaceSettings(prior=Prior(good=0.5, gain=0.02, loss=0.02, fooling=0.0))
    belief = posterior(seen(n, mean, m, sealed_mean, v=v), even)
    mirrored = posterior(seen(n, -mean, m, -sealed_mean, v=v), even)
    assert mirrored.better == pytest.approx(1.0 - belief.better, abs=1e-9)
    assert mirrored.mean == pytest.approx(-belief.mean, abs=1e-12)
    assert mirrored.fooling == 0.0


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_cases_does_not_matter(differences: list[float], dice: random.Random) -> None:
    """The same differences in another order give the same bits."""
    mixed = list(differences)
    dice.shuffle(mixed)
    assert belief_of(mixed) == belief_of(differences)


def belief_of(differences: list[float]) -> Posterior:
    """Return the belief after differences on dev."""
    evidence = Evidence(dev=Sample.of(differences), sealed=Sample.of(()), dev_variance=0.03, sealed_variance=0.03)
    return posterior(evidence, DEFAULTS)


@pytest.mark.parametrize("v", [1e-9, 1e3])
@pytest.mark.parametrize("mean", [-1e6, -1.0, 0.0, 1e-9, 1.0, 1e6])
def test_extreme_numbers_stay_finite(v: float, mean: float) -> None:
    """Judges without noise and measures far off the scale neither overflow nor divide by zero."""
    belief = posterior(seen(3000, mean, 3000, mean, v=v), DEFAULTS)
    assert math.isfinite(belief.mean)
    assert 0.0 <= belief.better <= 1.0
