"""The pairs that a person is shown: outputs of the first and the last version that exist, or are made now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenward.errors import LoopError
from tenward.loop._audit import AuditMatter, AuditPair
from tenward.loop._headline import measure_headline
from tenward.loop._journal import headline_subjects
from tenward.loop._scores import ScoreTable, cases_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenward.loop._bench import Bench, Unit
    from tenward.loop._control import Control
    from tenward.loop._journal import CaseScore

__all__ = ["audit_matter", "audit_pairs"]

_AUDITS = 3_500_000_000  # numbers of passes that no other use has


async def audit_pairs(control: Control, bench: Bench, cases: int) -> tuple[tuple[AuditPair, ...], bool]:
    """Draw the pairs of the present incumbent: all sealed units, then as many dev units as are missing.

    Outputs and scores are those of the headline, which is measured first where it was not. Those of dev cases are
    made for this alone: the ones that decided anything are partly luck.

    Args:
        control: The loop.
        bench: Its rubric and producer.
        cases: How many are wanted.

    Returns:
        The pairs in the order of the draw, and whether there are no more.

    Raises:
        LoopError: No case has an output that was judged on both sides.
        OutOfBudgetError: A limit was reached; what was measured is kept.
    """
    state = control.state
    await measure_headline(control, bench)
    given = {case.id: case for case in control.sealed.cases}
    found: list[AuditPair] = []

    def take(units: Sequence[Unit], subjects: tuple[str, str], split: str) -> None:
        before, after = ({row.case_id: row for row in control.journal.scores(subject)} for subject in subjects)
        for unit in units:
            there = [case for case in unit if _scored(case, before) and _scored(case, after)]
            if not there:
                continue
            case = control.dice("audit case", *unit).choice(there)
            first, last = before[case], after[case]
            assert first.value is not None
            assert last.value is not None
            found.append(
                AuditPair(
                    case=case,
                    split="sealed" if split == "sealed" else "dev",
                    input=_whole(given[case].input),
                    context=_whole(given[case].context),
                    first=_whole(first.output),
                    last=_whole(last.output),
                    judged=last.value - first.value,
                    last_is_a=control.dice("audit side", state.baseline, state.incumbent, case).random() < 0.5,
                )
            )

    take(_shuffled(control, bench.sealed, "sealed"), headline_subjects(state.epoch), "sealed")
    dev = _shuffled(control, bench.dev, "dev")
    missing = dev[: max(0, cases - len(found))]
    subjects = (f"a{state.epoch}-baseline", f"a{state.epoch}-winner")
    for subject, commit in zip(subjects, (state.baseline, state.incumbent), strict=True):
        await ScoreTable(control, bench, subject).fill(
            [(case, _AUDITS + state.epoch) for case in cases_of(missing)],
            split="dev",
            tree=control.tree_of(commit),
            slot=control.slots.slot(0),
            doing="human check",
        )
    take(missing, subjects, "dev")
    if not found:
        raise LoopError(
            "found no case with an output of the first and the last version that were both judged",
            hint=f"tenward loop report {control.record.loop} -o report.html shows what became of them",
        )
    return tuple(found), len(missing) == len(dev)


def audit_matter(control: Control) -> AuditMatter:
    """What the rubric asks, for a person."""
    rubric = control.sealed.rubric
    assert rubric is not None
    return AuditMatter(
        about=rubric.about,
        criteria={name: criterion.ask[0] for name, criterion in rubric.criteria.items()},
        output=rubric.names.candidate,
        input=rubric.names.input,
    )


def _whole(text: str) -> str:
    """The text with a question mark for each half of a character, which JSON in UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()


def _scored(case: str, rows: Mapping[str, CaseScore]) -> bool:
    return case in rows and rows[case].value is not None


def _shuffled(control: Control, units: Sequence[Unit], name: str) -> list[Unit]:
    order = list(units)
    control.dice("audit", name).shuffle(order)
    return order
