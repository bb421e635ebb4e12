from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenward.decisions import Evidence, Leaps, Posterior, Prior, RaceSettings, Sample, posterior

if TYPE_CHECKING:
    import random

    from numpy.typing import NDArray

DEFAULTS = RaceSettings()
EXACT = RaceSettings.exact()
TRUSTING = RaceSettings(prior=Prior(fooling=0.0))
MEANS = st.floats(-0.5, 0.5)
COUNTS = st.integers(0, 150)
VARIANCES = st.floats(1e-4, 0.3)


def believing(*, good: float, fooling: float, gain: float, loss: float, leak: float, great: float) -> RaceSettings:
    """Return settings with this prior; ``leak`` is a share of ``gain``, ``great`` comes on top of it."""
    return RaceSettings(
        prior=Prior(good=good, fooling=fooling, gain=gain, loss=loss, leak=leak * gain, great=gain + great)
    )


PRIORS = st.builds(
    believing,
    good=st.floats(0.02, 0.4),
    fooling=st.floats(0.0, 0.3),
    gain=st.floats(0.005, 0.1),
    loss=st.floats(0.005, 0.1),
    leak=st.floats(0.05, 1.0),
    great=st.floats(0.0, 1.0),
)


def seen(
    n: int,
    mean: float,
    m: int = 0,
    sealed_mean: float = 0.0,
    *,
    v: float = 0.0316,
    v2: float | None = None,
    leaps: float | Leaps = 0.0,
    unit: float = 1.0,
) -> Evidence:
    """Return evidence with the means of n dev and m sealed units, where that share of proposals leaps, and seems to."""
    return Evidence(
        dev=Sample(n=n, mean=mean, squares=0.0),
        sealed=Sample(n=m, mean=sealed_mean, squares=0.0),
        dev_variance=v,
        sealed_variance=v if v2 is None else v2,
        leaps=leaps if isinstance(leaps, Leaps) else Leaps(gain=leaps, fooling=leaps),
        unit=unit,
    )


def by_sums(evidence: Evidence, prior: Prior) -> tuple[float, float, float]:
    """P(better), P(fooling) and the mean effect by brute force: every integral is a sum over a fine grid."""
    dev, sealed = evidence.dev.n / evidence.dev_variance, evidence.sealed.n / evidence.sealed_variance
    sizes = np.linspace(0.0, 5.0, 200_001)
    step = sizes[1] - sizes[0]

    def whole(values: NDArray[np.float64], by: float = step) -> float:
        return float(np.trapezoid(values, dx=by))

    def law(mean: float) -> NDArray[np.float64]:
        return np.exp(-sizes / mean) / mean

    def on_dev(sight: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(-dev * (evidence.dev.mean - sight) ** 2 / 2)

    def on_sealed(sight: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(-sealed * (evidence.sealed.mean - sight) ** 2 / 2)

    shares = {"leap": evidence.leaps.gain, "strong": evidence.leaps.fooling if prior.fooling else 0.0}
    weights: dict[str, float] = {}
    effects: dict[str, float] = {}
    bad = 1.0 - prior.good - prior.fooling - sum(shares.values())
    parts = (
        ("loss", -1, bad, prior.loss),
        ("gain", 1, prior.good, prior.gain),
        ("leap", 1, shares["leap"], prior.great),
    )
    for name, sign, share, mean in parts:
        likely = law(mean) * on_dev(sign * sizes) * on_sealed(sign * sizes)
        weights[name], effects[name] = share * whole(likely), sign * share * whole(likely * sizes)
    leaks, losses = np.linspace(0.0, 1.5, 2501), np.linspace(0.0, 20 * prior.loss, 2501)
    fine, bit = float(leaks[1]), float(losses[1])
    lost = np.exp(-losses / prior.loss) / prior.loss
    there = np.array([lost * on_sealed(leak - losses) for leak in leaks])
    likely_leak: NDArray[np.float64] = np.asarray(np.trapezoid(there, dx=bit, axis=1))
    lost_there: NDArray[np.float64] = np.asarray(np.trapezoid(there * losses, dx=bit, axis=1))
    for name, share, look, leak in (
        ("fooling", prior.fooling, prior.gain, prior.leak),
        ("strong", shares["strong"], prior.great, prior.gain),
    ):
        leaking: NDArray[np.float64] = np.exp(-leaks / leak) / leak
        sight: NDArray[np.float64] = np.asarray(law(look) * on_dev(sizes))
        below: NDArray[np.float64] = np.concatenate([[0.0], np.cumsum(sight[1:] + sight[:-1])]) * step / 2
        beyond: NDArray[np.float64] = whole(sight) - np.asarray(np.interp(leaks, sizes, below))
        none = float(whole(np.asarray(sight * np.exp(-sizes / leak))))
        weights[name] = share * (none * likely_leak[0] + whole(np.asarray(leaking * beyond * likely_leak), fine))
        effects[name] = -share * (none * lost_there[0] + whole(np.asarray(leaking * beyond * lost_there), fine))
    every = sum(weights.values())
    fooled = (weights["fooling"] + weights["strong"]) / every
    return (weights["gain"] + weights["leap"]) / every, fooled, sum(effects.values()) / every


@pytest.mark.parametrize(
    "evidence",
    [
        seen(9, 0.25, 8, 0.04, leaps=1e-3),
        seen(9, 0.25, 20, 0.20, leaps=Leaps(gain=0.01, fooling=0.1)),
        seen(30, 0.10, 40, 0.06, leaps=1e-5),
        seen(20, 0.30, 30, 0.05, v=0.01, leaps=0.05),
        seen(30, 0.06, 60, -0.01, v=0.003, leaps=1e-5),
        seen(3, -0.2, 10, 0.3, v=0.1, leaps=0.02),
        seen(20, 0.06, 80, 0.065, v=1e-4, leaps=1e-5),
        seen(0, 0.0, 12, 0.05),
    ],
)
@pytest.mark.parametrize("rule", [DEFAULTS, EXACT])
def test_closed_forms_agree_with_sums(evidence: Evidence, rule: RaceSettings) -> None:
    """Integrals in closed form, and the one that is not, come to what a fine grid adds up to."""
    belief = posterior(evidence, rule)
    better, fooling, mean = by_sums(evidence, rule.prior)
    assert belief.better == pytest.approx(better, abs=2e-4)
    assert belief.fooling == pytest.approx(fooling, abs=2e-4)
    assert belief.mean == pytest.approx(mean, abs=2e-5)


def test_quantiles_lie_where_the_shares_say() -> None:
    """Below the 5 % quantile lies a twentieth of the belief, as one may count in the worthwhile share."""
    evidence = seen(30, 0.10, 40, 0.06, leaps=1e-4)
    for share in (0.3, 0.6, 0.95):
        effect = posterior(evidence, DEFAULTS).quantile(share)
        if effect > 0.0:
            above = posterior(evidence, RaceSettings(worthwhile=effect)).worthwhile
            assert above == pytest.approx(1.0 - share, abs=1e-4)
    belief = posterior(evidence, DEFAULTS)
    assert belief.low < belief.quantile(0.5) < belief.high


@pytest.mark.parametrize("unit", [1 / 50, 0.3, 7.0])
def test_beliefs_do_not_know_the_scale(unit: float) -> None:
    """Differences of another scale, with the unit of that scale: the same probabilities, and sizes to scale."""
    base = posterior(seen(9, 0.2, 20, 0.1, leaps=1e-3), DEFAULTS)
    evidence = seen(9, 0.2 * unit, 20, 0.1 * unit, v=0.0316 * unit**2, leaps=1e-3, unit=unit)
    belief = posterior(evidence, DEFAULTS)
    assert belief.better == pytest.approx(base.better, rel=1e-9)
    assert belief.worthwhile == pytest.approx(base.worthwhile, rel=1e-9)
    assert belief.mean == pytest.approx(base.mean * unit, rel=1e-9)
    assert belief.low == pytest.approx(base.low * unit, rel=1e-5)
    assert belief.high == pytest.approx(base.high * unit, rel=1e-5)


@settings(deadline=None, max_examples=300)
@given(
    n=st.integers(1, 100_000),
    mean=st.floats(-3, 3),
    more=st.floats(1e-3, 2.0),
    v=st.floats(1e-12, 1e2),
    leaps=st.builds(Leaps, gain=st.floats(0, 0.2), fooling=st.floats(0, 0.2)),
    rule=PRIORS,
    unit=st.floats(1 / 50, 50),
)
def test_a_higher_dev_mean_never_speaks_against_a_candidate(
    n: int, mean: float, more: float, v: float, leaps: Leaps, rule: RaceSettings, unit: float
) -> None:
    """Before any sealed case P(better) rises with the dev mean: no gain lies in a hole between others."""
    there, higher = (
        posterior(seen(n, at * unit, v=v, leaps=leaps, unit=unit), rule).better for at in (mean, mean + more)
    )
    assert higher >= there - 1e-9


@settings(deadline=None, max_examples=500)
@given(
    n=st.integers(0, 100_000),
    mean=st.floats(-3, 3),
    m=st.integers(1, 100_000),
    sealed_mean=st.floats(-3, 3),
    more=st.floats(1e-3, 2.0),
    v=st.floats(1e-12, 1e2),
    v2=st.floats(1e-12, 1e2),
    leaps=st.builds(Leaps, gain=st.floats(0, 0.2), fooling=st.floats(0, 0.2)),
    rule=PRIORS,
    unit=st.floats(1 / 50, 50),
)
def test_a_higher_sealed_mean_never_speaks_against_a_candidate(
    n: int,
    mean: float,
    m: int,
    sealed_mean: float,
    more: float,
    v: float,
    v2: float,
    leaps: Leaps,
    rule: RaceSettings,
    unit: float,
) -> None:
    """Whatever dev showed, and however many were bought before, P(better) rises with the sealed mean."""
    there, higher = (
        posterior(seen(n, mean * unit, m, at * unit, v=v, v2=v2, leaps=leaps, unit=unit), rule).better
        for at in (sealed_mean, sealed_mean + more)
    )
    assert higher >= there - 1e-6


@pytest.mark.parametrize("sd", [0.01, 0.022, 0.178])
def test_no_gain_lies_in_a_hole(sd: float) -> None:
    """However sharp the evidence, P(better) climbs in small steps of the gain that both splits show."""
    gains = [at / 1000 for at in range(161)]
    beliefs = [posterior(seen(20, gain, 80, gain, v=sd**2, leaps=1e-5), EXACT).better for gain in gains]
    assert all(later >= earlier - 1e-6 for earlier, later in pairwise(beliefs))
    assert beliefs[100] > 0.95


@settings(deadline=None, max_examples=50)
@given(mean=st.floats(0.005, 2.0), v=st.floats(1e-6, 1.0), leaps=st.floats(0, 0.2))
def test_certainty_comes_with_cases(mean: float, v: float, leaps: float) -> None:
    """A mean above 0 on both splits that stays where it is ends in a certain gain."""
    beliefs = [posterior(seen(n, mean, n, mean, v=v, leaps=leaps), DEFAULTS).better for n in (10**6, 10**9, 10**12)]
    assert beliefs[-1] > 0.99
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(beliefs))


@settings(deadline=None, max_examples=300)
@given(
    n=st.integers(0, 100_000),
    mean=st.floats(-1e3, 1e3),
    m=st.integers(0, 100_000),
    sealed_mean=st.floats(-1e3, 1e3),
    v=st.floats(1e-12, 1e2),
    v2=st.floats(1e-12, 1e2),
    leaps=st.floats(0, 0.2),
    rule=PRIORS,
    unit=st.floats(1 / 50, 50),
)
def test_whatever_was_seen_the_numbers_hang_together(
    n: int,
    mean: float,
    m: int,
    sealed_mean: float,
    v: float,
    v2: float,
    leaps: float,
    rule: RaceSettings,
    unit: float,
) -> None:
    """Shares lie in 0 to 1 and in order, and every number is finite, far off any scale too."""
    belief = posterior(seen(n, mean, m, sealed_mean, v=v, v2=v2, leaps=leaps, unit=unit), rule)
    assert 0.0 <= belief.leaps.gain <= belief.better + 1e-9
    assert 0.0 <= belief.leaps.fooling <= belief.fooling + 1e-9
    assert 0.0 <= belief.worthwhile <= belief.better + 1e-9
    assert 0.0 <= belief.fooling <= 1.0 - belief.better + 1e-9
    assert all(math.isfinite(number) for number in (belief.mean, belief.low, belief.high))
    assert belief.low <= belief.high + 1e-4 * abs(belief.high)


def test_a_sealed_judge_that_may_be_shown_more_is_believed_less() -> None:
    """The same small gain on sealed cases convinces less when it may be what is left of a look."""
    for evidence in (seen(20, 0.08, 60, 0.03), seen(30, 0.10, 40, 0.06)):
        assert posterior(evidence, DEFAULTS).better < posterior(evidence, EXACT).better
        assert posterior(evidence, DEFAULTS).fooling > posterior(evidence, EXACT).fooling
    assert posterior(seen(30, 0.10), DEFAULTS).better == pytest.approx(posterior(seen(30, 0.10), EXACT).better)


def test_a_great_leap_is_believed_where_both_splits_see_it() -> None:
    """One that sealed cases show whole is a gain; of one that they show a part of, most is bought."""
    there = posterior(seen(9, 0.4, 20, 0.4, leaps=1e-5), DEFAULTS)
    assert there.better == pytest.approx(1.0, abs=0.01)
    assert there.leaps.gain > 0.4
    assert there.mean == pytest.approx(0.37, abs=0.03)
    part = posterior(seen(9, 0.4, 20, 0.06, leaps=1e-4), DEFAULTS)
    assert part.leaps.fooling > 0.5
    unaware = posterior(seen(9, 0.4, 20, 0.06), DEFAULTS)
    assert unaware.better > 2 * part.better, "without leaps little but a gain explains so much"


@settings(deadline=None)
@given(st.floats(0.15, 1.0), st.floats(0.5, 1.2), st.floats(0.01, 0.5), st.floats(1e-4, 0.03))
def test_the_nearer_to_the_whole_the_less_speaks_for_half(dev: float, part: float, more: float, v: float) -> None:
    """From half of what dev shows on, a higher sealed mean speaks against a look that is half seen."""
    lower, higher = (posterior(seen(20, dev, 40, at * dev, v=v, leaps=1e-3), DEFAULTS) for at in (part, part + more))
    assert higher.half.told <= lower.half.told + 1e-9
    assert 0.0 <= lower.half.p <= 1.0


def test_half_of_a_great_look_is_told_from_the_whole() -> None:
    """Half of it is bought, the whole of it is true, and small looks are neither."""
    assert posterior(seen(20, 0.4, 40, 0.19, v=0.01, leaps=1e-3), DEFAULTS).half.p > 0.99
    assert posterior(seen(20, 0.4, 40, 0.4, v=0.01, leaps=1e-3), DEFAULTS).half.p < 0.01
    assert posterior(seen(20, 0.05, 40, 0.02, v=0.01, leaps=1e-3), DEFAULTS).half.p < 0.2
    assert posterior(seen(20, 0.4, v=0.01, leaps=1e-3), DEFAULTS).half.p == 0.0, "dev alone cannot tell"
    for trusting in (Prior(half=0.0), Prior(fooling=0.0), Prior(leap=0.0)):
        told = posterior(seen(20, 0.4, 40, 0.19, v=0.01), RaceSettings(prior=trusting))
        assert told.half.p == 0.0, "a prior without such looks is held to none"


def test_the_more_proposals_were_bought_the_less_is_believed() -> None:
    """The same evidence in a loop that has met such proposals."""
    beliefs = [posterior(seen(9, 0.3, 20, 0.07, leaps=share), DEFAULTS).better for share in (0.0, 1e-5, 1e-3)]
    assert beliefs == sorted(beliefs, reverse=True)


def test_without_evidence_the_prior_stands() -> None:
    """No verdict at all leaves the shares of the prior as they are."""
    belief = posterior(seen(0, 0.0), DEFAULTS)
    assert belief.better == pytest.approx(0.10)
    assert belief.worthwhile == pytest.approx(0.10 / math.e)
    assert belief.fooling == pytest.approx(0.25)
    assert belief.mean == pytest.approx(0.10 * 0.03 - 0.90 * 0.02)
    # P(loss > 0.0578) = 0.9 · exp(-0.0578 / 0.02) = 0.05; P(gain > 0.0208) = 0.10 · exp(-0.0208 / 0.03) = 0.05.
    assert belief.low == pytest.approx(-0.0578, abs=1e-4)
    assert belief.high == pytest.approx(0.0208, abs=1e-4)


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
    even = RaceSettings(prior=Prior(good=0.5, gain=0.02, loss=0.02, fooling=0.0, leak=0.02))
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
