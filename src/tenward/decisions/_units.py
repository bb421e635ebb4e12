"""From scores of cases to paired differences of units. Cases that share a source are one unit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["differences_by_unit", "group_units", "unit_differences"]


def group_units(cases: Iterable[str], groups: Mapping[str, str] | None = None) -> tuple[tuple[str, ...], ...]:
    """Put the ids of cases together by group; a case without a group is a unit of its own.

    Units and the cases in them keep the order of first appearance.
    """
    groups = groups or {}
    units: dict[tuple[bool, str], list[str]] = {}
    for case in dict.fromkeys(cases):
        # The flag keeps a group apart from a case whose id is the group's name.
        units.setdefault((case in groups, groups.get(case, case)), []).append(case)
    return tuple(tuple(unit) for unit in units.values())


def differences_by_unit(
    candidate: Mapping[str, float | None],
    incumbent: Mapping[str, float | None],
    groups: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Return the differences of :func:`unit_differences`, by the first case of each unit."""
    differences: dict[str, float] = {}
    for unit in group_units(candidate, groups):
        pairs = [(candidate[case], incumbent.get(case)) for case in unit]
        own = [new - old for new, old in pairs if new is not None and old is not None]
        if own:
            differences[unit[0]] = math.fsum(own) / len(own)
    return differences


def unit_differences(
    candidate: Mapping[str, float | None],
    incumbent: Mapping[str, float | None],
    groups: Mapping[str, str] | None = None,
) -> list[float]:
    """Return one difference per unit, candidate minus incumbent: of a case, or the mean over the cases of a group.

    Args:
        candidate: Score by case id; None where there is no verdict.
        incumbent: The same for the incumbent, the mean of its passes.
        groups: Group by case id, for cases that have one.

    A case counts only when both sides have a score; a unit without such a case is left out, never 0. Units come in the
    candidate's order.
    """
    return list(differences_by_unit(candidate, incumbent, groups).values())
