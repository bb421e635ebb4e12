"""Numbers in words and figures, the same wherever a report shows them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenward.evaluation import Mean
    from tenward.judges import Usage

__all__ = ["FAILURE_WORDS", "count", "covered", "duration", "interval", "money", "number", "plural", "signed", "when"]

FAILURE_WORDS = {
    "rate_limited": "the endpoint kept answering that there were too many requests",
    "timeout": "no answer came in time",
    "transport": "the connection to the endpoint failed",
    "refused": "the model refused to answer",
    "truncated": "the answer was cut off before its end",
    "too_long": "the text did not fit what the model can read",
    "off_scale": "the score lay outside the scale",
    "schema": "the answer did not have the form that was asked for",
    "bad_quote": "a cited quote does not stand in the text",
    "budget": "the budget was used up",
    "crashed": "the command that should have produced the text failed",
    "produce": "no output could be produced, so there was nothing to judge",
}
"""What each failure class means to a reader."""

_MINUS = "−"


def number(value: float | None, decimals: int = 2) -> str:
    """A number with fixed decimals and a true minus sign; a dash for None."""
    return "–" if value is None else f"{value:.{decimals}f}".replace("-", _MINUS)


def signed(value: float | None, decimals: int = 2) -> str:
    """A difference with its sign; a zero, also one that comes of rounding, has none."""
    if value is None:
        return "–"
    text = f"{value:+.{decimals}f}"
    return f"{0:.{decimals}f}" if float(text) == 0 else text.replace("-", _MINUS)


def count(value: int) -> str:
    """A whole number with its thousands marked."""
    return f"{value:,}"


def plural(value: int, noun: str) -> str:
    """A count with its noun: ``1 case``, ``2,000 cases``."""
    return f"{value:,} {noun}{'s' * (value != 1)}"


def covered(share: float) -> str:
    """Coverage in per cent, rounded down: what is not all never reads 100 %."""
    return f"{int(round(share * 1000, 6)) / 10:g} %"


def interval(mean: Mean, decimals: int = 2, *, sign: bool = False) -> str:
    """The 95 % interval in words."""
    if mean.low is None or mean.high is None:
        return "no interval: fewer than two independent cases"
    form = signed if sign else number
    return f"{form(mean.low, decimals)} to {form(mean.high, decimals)}"


def money(usage: Usage) -> str:
    """What it cost; a price that nobody stated is unknown, never nothing."""
    if usage.cost_usd is None:
        return "cost unknown (no price in the judge file)"
    if usage.cost_usd == 0:
        return "no cost"
    return "below $0.0001" if usage.cost_usd < 0.0001 else f"${usage.cost_usd:,.{2 if usage.cost_usd >= 10 else 4}f}"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def when(created: str) -> str:
    """A stored time as ``2026-11-23 04:15 UTC``; what is no time is shown as it stands."""
    try:
        return f"{datetime.fromisoformat(created):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return created
