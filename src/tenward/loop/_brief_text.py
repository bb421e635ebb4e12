"""The text of a brief: sections that shrink until all of them fit. Whatever others wrote stands inside a fence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.decisions import signed
from tenward.judges import fence, sendable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenward.loop._brief import BriefCase, Measured, Weakness
    from tenward.loop._broken_rules import BrokenRule
    from tenward.loop._ideas import PastIdea
    from tenward.loop._sources import Passage

__all__ = [
    "Section",
    "clip",
    "fence_marks",
    "fit_sections",
    "section_broken",
    "section_cases",
    "section_files",
    "section_ideas",
    "section_list",
    "section_measured",
    "section_passages",
    "section_plain",
    "section_weakest",
    "tell_editable",
]

_QUOTED = "What stands in “ ” is the rubric's wording: a change that copies it is not kept."
_LEAST = 60
_MOST_FIXED = 20
_BETWEEN = "\n\n"
_MARK = re.compile(r"</?[\w-]+ ([0-9a-f]{16})>")


@dataclass(frozen=True, kw_only=True)
class _Item:
    """A line of ours, and texts of others below it."""

    head: str
    bodies: tuple[tuple[str, str], ...] = ()
    """Label and text of each fence."""

    def render(self, most: int) -> str:
        """The item with every text cut to ``most`` characters."""
        fenced = [fence(label, clip(text, most)) for label, text in self.bodies if text.strip()]
        return "\n".join([*([self.head] if self.head else []), *fenced])


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the brief with its heading."""

    title: str
    lead: str
    items: tuple[_Item, ...]

    def render(self, limit: int) -> str:
        """The section within ``limit`` characters: texts are cut alike, then the last items left out; maybe empty."""
        if not self.items:
            lead = clip(self.lead, max(0, limit - len(self._heading())))
            return f"{self._heading()}{lead}" if lead and len(lead) >= min(_LEAST, len(self.lead)) else ""
        fitting = (self._fit(count, limit) for count in range(len(self.items), 0, -1))
        return next((text for text in fitting if text), "")

    def _fit(self, count: int, limit: int) -> str:
        """The first items with their texts cut as little as will do; empty where even short ones are too long."""
        high = max((len(text) for item in self.items[:count] for _, text in item.bodies), default=0)
        if len(whole := self._text(count, high)) <= limit:
            return whole
        low = min(_LEAST, high)
        if len(best := self._text(count, low)) > limit:
            return ""
        while high - low > 1:
            middle = (low + high) // 2
            text = self._text(count, middle)
            low, high, best = (middle, high, text) if len(text) <= limit else (low, middle, best)
        return best

    def _heading(self) -> str:
        return f"# {self.title}\n\n" if self.title else ""

    def _text(self, count: int, most: int) -> str:
        parts = [*([self.lead] if self.lead else []), *(item.render(most) for item in self.items[:count])]
        return self._heading() + _BETWEEN.join(parts)


def clip(text: str, most: int) -> str:
    """At most ``most`` characters of a text: its beginning and, where there is room to say so, its end."""
    if len(text) <= most:
        return text
    mark = f"\n[… {len(text):,} characters, shortened …]\n"
    room = most - len(mark)
    if room < _LEAST:
        return text[:most]
    tail = room // 3
    return text[: room - tail] + mark + text[len(text) - tail :]


def fence_marks(text: str, brief: str, *, known: str = "") -> tuple[str, ...]:
    """What in a text was copied from the fences of a brief: marks of their form, whole or half, and bare tokens.

    Args:
        text: What a model wrote.
        brief: The brief it had read.
        known: What it wrote over; whatever of the kind is in there may stay.
    """
    tokens = "|".join(sorted({mark[1] for mark in _MARK.finditer(brief)})) or "(?!)"
    found = re.finditer(rf"</?[\w-]+ [0-9a-f]{{16}}>?|</?[\w-]+ (?:{tokens})|{tokens}", text)
    return tuple(dict.fromkeys(mark[0] for mark in found if mark[0] not in known))


def fit_sections(sections: Sequence[tuple[float, Section]], limit: int) -> str:
    """All sections in their order within ``limit`` characters.

    Each may use its share of the whole; what some leave goes to the others, the first ones first.

    Args:
        sections: Share, 0 to 1, and section.
        limit: Characters of the whole.
    """
    room = limit - len(_BETWEEN) * len(sections)
    wanted = [len(section.render(limit)) for _, section in sections]
    given = [min(want, int(share * room)) for want, (share, _) in zip(wanted, sections, strict=True)]
    left = max(0, room - sum(given))
    for place, want in enumerate(wanted):
        more = min(left, want - given[place])
        given[place] += more
        left -= more
    texts = [section.render(size) for size, (_, section) in zip(given, sections, strict=True)]
    return sendable(_BETWEEN.join(text for text in texts if text))


def section_plain(title: str, text: str) -> Section:
    """Words of ours or of the loop's file."""
    return Section(title=title, lead=text, items=())


def tell_editable(editable: Sequence[str], but_not: Sequence[str]) -> str:
    """What may be changed: the patterns, and the paths that they match in vain."""
    may = "\n".join(f"- {pattern}" for pattern in editable)
    told = f"Only these paths may be changed:\n{may}"
    if not but_not:
        return told
    named = ", ".join(map(_line, but_not[:_MOST_FIXED]))
    more = len(but_not) - _MOST_FIXED
    return f"{told}\nbut not: {named}" + (f", and {more} more that the evaluation runs" if more > 0 else "")


def section_files(files: Mapping[str, str]) -> Section:
    """The editable files."""
    items = [_Item(head=f"{_line(path)}:", bodies=(("file", text or "(empty)"),)) for path, text in files.items()]
    return Section(title="Files that may be changed, as they are now", lead="", items=tuple(items))


def section_passages(passages: Sequence[Passage]) -> Section:
    """What the user's sources say."""
    items = [
        _Item(head=_line(f"{one.path}, line {one.line}") + ":", bodies=(("source", _with_heading(one)),))
        for one in passages
    ]
    return Section(title="From the sources", lead="", items=tuple(items))


def section_weakest(weakest: Sequence[Weakness], measured: Measured | None) -> Section:
    """Where there is most to gain."""
    if measured is not None:
        way = "lower" if measured.goal == "minimize" else "higher"
        text = f"The number is {measured.value:.8g}; {way} is better."
        return section_plain("Score", text)
    lines = [
        f"- {one.criterion}: {one.mean:.2f} of {one.top}, weight {one.share:.0%}"
        + (f". {one.ask}" if one.ask else "")
        + (f" Now about: {one.level}" if one.level else "")
        for one in weakest
    ]
    return section_plain("Weakest criteria, most to gain first", "\n".join(lines)) if lines else section_plain("", "")


def section_broken(broken: Sequence[BrokenRule]) -> Section:
    """The gates that outputs fail."""
    items = [_Item(head=f"- {one.told}", bodies=(("found", one.worst),)) for one in broken]
    lead = "An output that fails one of them is worth nothing, however good it is:" if items else ""
    return Section(title="Rules that outputs break now", lead=lead, items=tuple(items))


def section_measured(measured: Measured | None) -> Section:
    """What the measurement printed."""
    printed = measured.output if measured is not None else ""
    items = (_Item(head="", bodies=(("printed", printed),)),) if printed.strip() else ()
    return Section(title="What the measurement printed last", lead="", items=items)


def section_cases(cases: Sequence[BriefCase]) -> Section:
    """The worst cases."""
    items: list[_Item] = []
    for place, case in enumerate(cases, 1):
        scores = ", ".join(f"{name} {score:.2g}" for name, score in case.scores.items())
        head = f"Case {place}: " + (f"quality {case.quality} of 10 ({scores})" if case.quality else "failed a check")
        judged = [f"{name}: {reason}" for name, reason in case.reasons.items()]
        bodies = (
            ("input", case.input),
            ("output", case.output),
            ("transcript", case.transcript),
            ("failed", "\n".join(case.failed)),
            ("judge", "\n".join(judged)),
            ("steps-to-10", "\n".join(case.steps)),
        )
        items.append(_Item(head=head, bodies=bodies))
    quoted = any("“" in text for case in cases for text in (*case.reasons.values(), *case.steps))
    return Section(title="Cases that went worst", lead=_QUOTED if quoted else "", items=tuple(items))


def section_ideas(title: str, lead: str, past: Sequence[PastIdea]) -> Section:
    """Past ideas, with what came of them."""
    items: list[_Item] = []
    for one in past:
        effect = "" if one.effect is None else f", effect {signed(one.effect)}"
        text = one.idea.text.strip()
        if one.retro is not None:
            text += f"\nLearned: {one.retro.why}"
            text += "".join(f"\nSuggested: {item}" for item in one.retro.suggested)
        if one.printed:
            text += f"\nPrinted at the end:\n{one.printed}"
        items.append(_Item(head=f"Attempt {one.number}: {one.status.value}{effect}", bodies=(("idea", text),)))
    return Section(title=title, lead=lead if items else "", items=tuple(items))


def section_list(title: str, lead: str, label: str, entries: Sequence[str]) -> Section:
    """A list of lines that others wrote."""
    text = "\n".join(f"- {entry}" for entry in entries)
    items = (_Item(head="", bodies=((label, text),)),) if entries else ()
    return Section(title=title, lead=lead if items else "", items=items)


def _line(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]


def _with_heading(passage: Passage) -> str:
    return passage.text if passage.text.startswith("#") or not passage.heading else f"{passage.heading}\n{passage.text}"
