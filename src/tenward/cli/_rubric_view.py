"""How a rubric looks in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from tenward.cli._console import clean
from tenward.cli._layout import hanging, indented

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tenward.rubrics import Gate, Rubric

__all__ = ["rubric_view"]


def rubric_view(rubric: Rubric) -> RenderableType:
    """Criteria with shares, questions and levels; gates; and in words how ``value`` is made."""
    lines: list[RenderableType] = [
        Text(rubric.rubric, style="bold"),
        Text(clean(rubric.about)),
        Text(f"scale {rubric.scale.lo} to {rubric.scale.hi}", style="dim"),
    ]
    shares = rubric.shares
    for name, criterion in rubric.criteria.items():
        head = Text(f"\n{name}", style="bold")
        head.append(f"  {float(shares[name]):.0%}", style="green")
        if criterion.floor is not None:
            head.append(f"  floor {criterion.floor}", style="red")
        lines.append(head)
        lines.extend(indented(clean(ask), by=2) for ask in criterion.ask)
        lines.extend(
            hanging(Text(str(level), style="dim"), Text(clean(text), style="dim"), indent=4, width=3)
            for level, text in sorted(criterion.levels.items(), reverse=True)
        )
        lines.extend(
            hanging(
                Text("✓", style="dim"),
                Text(
                    f"{clean(check.says)}{f'; else: {clean(check.otherwise)}' if check.otherwise else ''}", style="dim"
                ),
                indent=4,
                width=3,
            )
            for check in criterion.checks
        )
    if rubric.gates:
        lines.append(Text("\ngates, run before any model is asked", style="bold"))
        lines.extend(hanging(*_gate(gate), indent=2, width=11) for gate in rubric.gates)
    lines.append(Text("\nvalue", style="bold"))
    lines.extend(indented(line, by=2) for line in _mix(rubric))
    return Group(*lines)


def _gate(gate: Gate) -> tuple[str, str]:
    name, value = next(iter(gate.model_dump(exclude={"timeout", "say"}, exclude_none=True).items()))
    limit = f" (at most {gate.timeout:g} s)" if name == "run" else ""
    said = "" if gate.say is None else f": {clean(gate.say)}"
    return name, f"{clean(str(value))}{limit}{said}"


def _mix(rubric: Rubric) -> list[str]:
    formula = "(weighted sum − {lo}) / ({hi} − {lo})" if rubric.normalize == "range" else "weighted sum / {hi}"
    lines = [f"judge part: {formula.format(lo=rubric.scale.lo, hi=rubric.scale.hi)}"]
    total = rubric.mix.judge + rubric.mix.references
    if rubric.references and rubric.mix.references:
        weights = sum(rubric.references.values())
        parts = ", ".join(f"{name} {weight / weights:.0%}" for name, weight in rubric.references.items())
        lines.append(
            f"with references: {rubric.mix.judge / total:.0%} judge, {rubric.mix.references / total:.0%} {parts}"
        )
        lines.append("without references: the judge alone")
    else:
        lines.append("the judge alone; no reference metric takes part")
    lines.append(f"a case is scored when at least {rubric.min_coverage:.0%} of the weight is")
    return lines
