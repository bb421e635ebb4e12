"""What was found of a judge's sight: which criteria tell better from worse, by how much, and what fools it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from tenward.guards import is_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import TypeAdapter

__all__ = ["ALL_RUNGS", "VALUE", "CriterionSight", "NullSight", "RungSight", "Seen", "Sight"]

VALUE = "value"
"""What the weighted whole is called beside the criteria."""

ALL_RUNGS = "all"
"""What all rungs together are called beside each of them."""

Seen = Literal["sees", "blind", "turned", "unknown"]
"""``sees``: some rung, or all together, is told from the output beyond chance. ``blind``: none is. ``turned``: over all
rungs the worse text reads higher. ``unknown``: too few cases to tell; it may well see."""

_CHANCE = 0.5
_CLEAR = 0.95
_SURE = 0.05


@dataclass(frozen=True, kw_only=True)
class RungSight:
    """One rung, read by one criterion or by the whole."""

    rung: str
    """Its name, or ``all``."""

    pairs: int
    """Pairs of a better and a worse text that were both read."""

    dropped: int = 0
    """Pairs of which a side was not scored; they count for neither."""

    auc: float | None = None
    """How often the better one reads higher, a tie for half; None without a pair."""

    low: float | None = None
    """Lower end of the 95 % interval of the AUC."""

    high: float | None = None
    """Upper end."""

    span: float | None = None
    """Mean of better minus worse: points of the scale for a criterion, 0 to 1 for the value."""

    raw_span: float | None = None
    """The same as the judge gave it, before any map to the levels of the scale."""

    @property
    def sees(self) -> bool:
        """Whether the interval lies above one half."""
        return self.low is not None and self.low > _CHANCE

    @property
    def turned(self) -> bool:
        """Whether it lies below."""
        return self.high is not None and self.high < _CHANCE

    @property
    def words(self) -> str:
        """Such as ``AUC .92, .62 to 1.00``."""
        if self.auc is None or self.low is None or self.high is None:
            return "no pair was read"
        return f"AUC {_share(self.auc)}, {_share(self.low)} to {_share(self.high)}"


@dataclass(frozen=True, kw_only=True)
class CriterionSight:
    """What one criterion, or the value, sees."""

    criterion: str
    """Its name, or ``value``."""

    rungs: tuple[RungSight, ...]
    """Every rung that some case has, in the order of the ladder."""

    pooled: RungSight
    """All rungs together."""

    seen: Seen
    """What follows from them."""

    @property
    def line(self) -> str:
        """The finding in a sentence."""
        told = f"{self.criterion}: "
        if self.seen == "unknown":
            few = "; too few cases to call it blind" if self.pooled.pairs else ""
            return f"{told}unknown ({self.pooled.words}{few})"
        if self.seen == "turned":
            return f"{told}blind here ({self.pooled.words}): with this rubric and data the worse text reads higher"
        if self.seen == "blind":
            return (
                f"{told}blind here ({self.pooled.words}): with this rubric and data the judge cannot tell better "
                "from worse"
            )
        sees = [rung.rung for rung in self.rungs if rung.sees]
        told += f"sees ({self.pooled.words})"
        told += f", by itself {', '.join(sees)}" if sees else ", though no rung by itself"
        turned = [rung.rung for rung in self.rungs if rung.turned]
        return f"{told}; the wrong way round {', '.join(turned)}" if turned else told


@dataclass(frozen=True, kw_only=True)
class NullSight:
    """How a text that answers nothing reads beside the outputs."""

    null: str
    """Its name."""

    pairs: int
    """Cases in which both were read."""

    wins: int
    """Of these, those in which its value is at least as high as the output's."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Whether a judge can see the difference, with one rubric and one set of cases."""

    judge: str
    """Its name."""

    rubric: str
    """Name of the rubric."""

    cases: int
    """Cases that were drawn, each of another group."""

    seed: int
    """Which ones."""

    top: float
    """Points of the scale from its bottom to its top."""

    value: CriterionSight
    """The whole, as the rubric weighs it, without reference metrics."""

    criteria: tuple[CriterionSight, ...]
    """By criterion, in the rubric's order."""

    length: tuple[RungSight, ...]
    """What one would see who only counts characters, and takes more for better."""

    nulls: tuple[NullSight, ...] = ()
    """Texts that answer nothing, the right answer to another task included."""

    unscored: int = 0
    """Texts that got no value."""

    @property
    def blind(self) -> tuple[str, ...]:
        """Criteria that see nothing, or the wrong way round."""
        return tuple(one.criterion for one in self.criteria if one.seen in {"blind", "turned"})

    @property
    def is_blind(self) -> bool:
        """Whether the whole sees nothing: no score of this judge means anything here."""
        return self.value.seen in {"blind", "turned"}

    @property
    def span(self) -> float | None:
        """From the worst text that is seen to the best, in value units; None where nothing is seen.

        The worst is the output of another case where that is seen, else the rung that lies farthest below. Where the
        reference is seen to be better than the output, that distance is added.
        """
        seen = {rung.rung: rung.span for rung in self.value.rungs if rung.sees and rung.span is not None}
        above = max(0.0, seen.pop("reference", 0.0))
        below = seen.get("other", max(seen.values(), default=0.0))
        whole = max(0.0, below) + above
        return whole if whole > 0 else None

    @property
    def only_length(self) -> bool:
        """Whether each rung that the value sees is one that the mere length tells as well."""
        by_length = {rung.rung for rung in self.length if rung.auc is not None and rung.auc >= _CLEAR}
        seen = {rung.rung for rung in self.value.rungs if rung.sees}
        return bool(seen) and seen <= by_length

    @property
    def lines(self) -> tuple[str, ...]:
        """The findings for a person, the whole first, a sentence each."""
        found = [f"sight, {self.cases} cases: {self.value.line}"]
        won = [f"{one.null} in {one.wins} of {one.pairs}" for one in self.nulls if one.wins > _SURE * one.pairs]
        if won:
            found.append(
                f"reads at least as high as the output and never should: {', '.join(won)}. "
                "Where such texts may turn up, keep them out by gates, such as min_words"
            )
        if self.span is not None:
            found.append(f"span from the worst text it sees to the best: {self.span:.3f} of value")
        if self.only_length:
            found.append("it sees no more than one who counts characters")
        found += [one.line for one in self.criteria if one.seen != "sees" or any(rung.turned for rung in one.rungs)]
        if self.unscored:
            found.append(f"{self.unscored} texts got no score and are left out")
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """As JSON-ready data, with what follows from it; :meth:`from_json` gives an equal one back."""
        return {
            **_adapter().dump_python(self, mode="json"),
            "span": self.span,
            "blind": list(self.blind),
            "lines": list(self.lines),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Sight:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: The data is damaged.
        """
        follows = {"span", "blind", "lines"}
        kept = {name: value for name, value in data.items() if name not in follows} if is_mapping(data) else data
        return _adapter().validate_python(kept)


@cache
def _adapter() -> TypeAdapter[Sight]:
    from pydantic import TypeAdapter

    return TypeAdapter(Sight)


def _share(number: float) -> str:
    """Such as ``.92`` and ``1.00``."""
    told = f"{number:.2f}"
    return told[1:] if told.startswith("0") and math.isfinite(number) else told
