"""The note that follows a decision: why it won or lost, and what to try next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tenward.guards import is_list, is_mapping
from tenward.loop._ledger import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenward.decisions import Decision
    from tenward.loop._ideas import IdeaBook

__all__ = ["Retro", "Trend", "template_retro", "trend_of"]

Trend = Literal["rising", "flat", "stuck", "unknown"]
_TRENDS: tuple[Trend, ...] = ("rising", "flat", "stuck", "unknown")

_WINDOW = 8
_TOLD = 0.01
_CHARS = 1_000


@dataclass(frozen=True, kw_only=True)
class Retro:
    """What was learned from one attempt."""

    why: str
    """Why it won or lost, in a sentence or two."""

    true_to_idea: bool | None = None
    """Whether the edit did what the idea said; None where nobody looked."""

    trend: Trend = "unknown"
    """Where the loop is going: ``rising``, ``flat``, ``stuck``, or ``unknown`` at its beginning."""

    suggested: tuple[str, ...] = ()
    """Directions to try next."""

    def to_json(self) -> dict[str, object]:
        """Plain values, which :meth:`from_json` reads."""
        return {
            "why": self.why,
            "true_to_idea": self.true_to_idea,
            "trend": self.trend,
            "suggested": list(self.suggested),
        }

    @classmethod
    def from_json(cls, value: object) -> Retro:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: It is something else.
        """
        if not is_mapping(value) or not isinstance(value.get("why"), str):
            raise ValueError("found no why, expected a retro with why, true_to_idea, trend and suggested")
        true_to_idea, suggested = value.get("true_to_idea"), value.get("suggested", [])
        trend: Trend | None = next((name for name in _TRENDS if name == value.get("trend")), None)
        if trend is None or not is_list(suggested) or not (true_to_idea is None or isinstance(true_to_idea, bool)):
            raise ValueError("expected true_to_idea as a truth value or null, a known trend, suggested as a list")
        return cls(
            why=value["why"][:_CHARS],
            true_to_idea=true_to_idea,
            trend=trend,
            suggested=tuple(str(item)[:_CHARS] for item in suggested[:5]),
        )


def trend_of(book: IdeaBook, status: Status) -> Trend:
    """Where the loop is going, from this end and the seven before it.

    ``rising`` with two keeps or more, ``stuck`` without any, ``flat`` with one; ``unknown`` before the fourth attempt.
    """
    ends = [status, *(past.status for past in book.last(_WINDOW - 1))]
    if len(ends) < 4:
        return "unknown"
    keeps = ends.count(Status.KEEP)
    return "rising" if keeps > 1 else "flat" if keeps else "stuck"


def template_retro(
    status: Status,
    *,
    decision: Decision | None = None,
    faults: Sequence[str] = (),
    criteria: Mapping[str, float] | None = None,
    trend: Trend = "unknown",
) -> Retro:
    """A retro without a model: what the decision, the faults and the criteria say by themselves.

    Args:
        status: How the attempt ended.
        decision: Where it came to one.
        faults: Why it was invalid, or how it crashed.
        criteria: Mean difference per criterion, candidate minus incumbent, 0 to 1; None where nothing was judged.
        trend: From :func:`trend_of`.
    """
    moved = sorted((criteria or {}).items(), key=lambda item: (item[1], item[0]))
    down = [f"{name} {change:+.3f}" for name, change in moved if change <= -_TOLD]
    up = [f"{name} {change:+.3f}" for name, change in reversed(moved) if change >= _TOLD]
    why = decision.reason if decision is not None else "; ".join(faults[:3]) or f"ended as {status.value}"
    if up or down:
        why += f" ({', '.join([*up[:3], *down[:3]])})"
    return Retro(why=why[:_CHARS], trend=trend, suggested=tuple(_suggestions(status, decision, up, down, faults)))


def _suggestions(
    status: Status, decision: Decision | None, up: Sequence[str], down: Sequence[str], faults: Sequence[str]
) -> list[str]:
    won = [item.rpartition(" ")[0] for item in up]
    lost = [item.rpartition(" ")[0] for item in down]
    if status is Status.KEEP:
        return [f"regain {lost[0]}, which it cost"] if lost else ["go on in this direction"]
    if status is Status.INVALID:
        return ["the same idea, with edits that can be applied"] if faults else []
    if status is Status.CRASHED:
        return ["the same idea, after looking at how it crashed"]
    near = decision is not None and (decision.p_better if decision.p_better is not None else decision.effect) > (
        0.5 if decision.p_better is not None else 0.0
    )
    if near:
        return ["nearly: combine it with another near-miss, or try it again once the incumbent has moved"]
    if won and lost:
        return [f"what lifted {won[0]}, without what lowered {lost[0]}"]
    return ["leave this direction"]
