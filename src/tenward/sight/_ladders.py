"""Ladders: outputs beside worse ones that a program made of them, so that nobody need say which is better."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tenward.errors import UsageError
from tenward.sight._code import drop_line, turn_operator
from tenward.sight._kinds import kind_of
from tenward.sight._nulls import make_nulls
from tenward.sight._worse import changed, exchange_facts, halve, names_in, shuffle, vague

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tenward.datasets import Case

__all__ = ["FEWEST_CASES", "RUNGS", "SUBTLE", "SURE_CASES", "Ladder", "NoLadderError", "build_ladders"]

FEWEST_CASES = 4
SURE_CASES = 6
"""With fewer, a rung that is told every time is not told beyond chance, and so nothing can be called blind."""
"""Cases below which nothing can be said of a judge: three of three may be luck."""

RUNGS = ("other", "half", "shuffled", "vague", "facts", "dropped line", "turned operator", "reference")
"""Names of the rungs: all worse than the output but for ``reference``, which is better."""

SUBTLE = ("turned operator", "facts", "dropped line", "shuffled")
"""Rungs that leave most of an output as it is, the hardest to see first."""


class NoLadderError(UsageError):
    """There is nothing to set a judge's readings beside: too few cases, no outputs, or all of them alike."""


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """One output, and texts of which it is known that they are worse, or better."""

    case: Case
    """The case, with the output that is the ladder's own."""

    rungs: Mapping[str, str]
    """Text by rung; a rung that cannot be made is left out. All but ``reference`` are worse than the output."""

    nulls: Mapping[str, str] = field(default_factory=dict[str, str])
    """Texts that answer nothing, by name."""

    @property
    def texts(self) -> Iterator[str]:
        """Everything to be judged, each text once, the output first."""
        yield from dict.fromkeys((self.case.output, *self.rungs.values(), *self.nulls.values()))


def build_ladders(
    cases: Iterable[Case],
    *,
    cases_at_most: int = 12,
    seed: int = 0,
    rungs: Sequence[str] = RUNGS,
    subtle_at_most: int | None = None,
    nulls: bool = True,
) -> tuple[Ladder, ...]:
    """Draw cases, one of a group, and make their ladders; the same seed gives the same ones.

    A case without an output takes its first reference for one.

    Args:
        cases: Where to draw from.
        cases_at_most: How many to draw, 4 or more.
        seed: Which ones.
        rungs: Names of the rungs to make, of :data:`RUNGS`.
        subtle_at_most: How many rungs of :data:`SUBTLE` a case has at most; None for all.
        nulls: Whether to make null candidates.

    Raises:
        NoLadderError: Fewer than 4 cases can be drawn, no case has anything to judge, or all outputs are alike.
        UsageError: A rung has no such name, or fewer than 4 cases are asked for.
    """
    if unknown := sorted(set(rungs) - set(RUNGS)):
        raise UsageError(f"found rung {unknown[0]!r}, expected {', '.join(RUNGS)}")
    if cases_at_most < FEWEST_CASES:
        raise UsageError(
            f"found {cases_at_most} cases, expected at least {FEWEST_CASES}", hint="a dozen is enough for a first look"
        )
    drawn = _draw(cases, cases_at_most, seed)
    made: list[Ladder] = []
    for given in drawn:
        rng = _dice(seed, given.id)
        # Without a task, nothing makes the output of another case worse.
        others = [case.output for case in drawn if given.input and changed(case.output, given.output)]
        made.append(
            Ladder(
                case=given,
                rungs=_rungs(given, others, rng, wanted=rungs, subtle_at_most=subtle_at_most),
                nulls=make_nulls(given.output, given.input, rng) if nulls else {},
            )
        )
    return tuple(made)


def _draw(cases: Iterable[Case], at_most: int, seed: int) -> list[Case]:
    """Cases with outputs in random order, one of each group, so that each speaks for itself."""
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        given = case
        if not case.output.strip():  # all references are as right as the one that stands for an output
            given = replace(case, output=next((one for one in case.references if one.strip()), ""), references=())
        if given.output:
            groups[case.group or f"case {case.id}"].append(replace(given, human={}))
    if not groups:
        raise NoLadderError(
            "found no case with an output or a reference, so there is nothing to make a ladder of",
            hint="take a data set whose cases hold an `output` or `references`; `tenward eval --produce` makes outputs",
        )
    order = sorted(groups)
    _dice(seed, "cases").shuffle(order)
    drawn = [_dice(seed, name).choice(groups[name]) for name in order[:at_most]]
    if len(drawn) < FEWEST_CASES:
        noun = "groups of cases" if any(case.group for case in drawn) else "cases"
        raise NoLadderError(
            f"found {len(drawn)} {noun} with an output or a reference, expected at least {FEWEST_CASES} for a ladder",
            hint="add cases of other sources: those of one group count as one",
        )
    if len({case.output.strip() for case in drawn}) == 1:
        raise NoLadderError(
            "all outputs are alike, so that of another case cannot be told from the right one",
            hint="take cases whose right outputs differ, or have outputs produced that depend on the input",
        )
    return drawn


def _rungs(
    case: Case, others: Sequence[str], rng: random.Random, *, wanted: Sequence[str], subtle_at_most: int | None
) -> dict[str, str]:
    text = case.output
    kind = kind_of(text)
    is_code = kind in {"code", "diff"}
    names = [name for other in others for name in names_in(other)]
    made = {
        "other": rng.choice(others) if others else None,
        "half": halve(text),
        "shuffled": shuffle(text, by_line=is_code or kind == "list", rng=rng),
        "vague": vague(kind, text, rng),
        "facts": None if is_code else exchange_facts(text, names, rng),
        "dropped line": drop_line(text, rng) if is_code else None,
        "turned operator": turn_operator(text, rng) if is_code else None,
        "reference": next((one for one in case.references if changed(one, text)), None),
    }
    subtle = [name for name in SUBTLE if name in wanted and made[name] is not None]
    left_out = subtle[len(subtle) if subtle_at_most is None else subtle_at_most :]
    seen: set[str] = {text.strip()}
    rungs: dict[str, str] = {}
    for name in RUNGS:
        rung = made[name]
        if name in wanted and name not in left_out and rung is not None and rung.strip() not in seen:
            seen.add(rung.strip())
            rungs[name] = rung
    return rungs


def _dice(seed: int, what: str) -> random.Random:
    told = f"sight|{seed}|{what}".encode("utf-8", "surrogatepass")
    return random.Random(int.from_bytes(hashlib.sha256(told).digest()[:8], "big"))  # noqa: S311 - not a secret
