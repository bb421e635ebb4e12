"""What was tried before: so that a repeat is refused before it costs, and a near-miss is not forgotten."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from tenward.guards import is_list, is_mapping
from tenward.judges import sendable
from tenward.loop._arms import ArmTry, arm_tallies
from tenward.loop._index import TextIndex, terms_of
from tenward.loop._ledger import Status
from tenward.loop._settings import SettingValue
from tenward.metrics import tokenise

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Mapping, Sequence

    from tenward.loop._arms import ArmTally
    from tenward.loop._retro import Retro

__all__ = ["REPEAT_THRESHOLD", "Idea", "IdeaBook", "PastIdea"]

REPEAT_THRESHOLD = 0.45
"""Similarity from which two ideas are one; see :meth:`IdeaBook.is_repeat`.

Of 24 ideas on one prompt and a paraphrase of each, it takes 16 of the 24 pairs for repeats, and none of the 828 pairs
of different ones, of which the nearest is at 0.35. It is set high on purpose: a repeat in other words costs an attempt,
a new idea refused costs a discovery.
"""

_TITLE_CHARS = 200
_TEXT_CHARS = 4_000
_MOST_RULED_OUT = 10
_CANDIDATES = 20
_ALIKE = 0.35
_PAIRED_FROM = 24
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_OPPOSITES = (
    ("add", "remove"),
    ("after", "before"),
    ("decrease", "increase"),
    ("disable", "enable"),
    ("down", "up"),
    ("exclude", "include"),
    ("fewer", "more"),
    ("forbid", "require"),
    ("larger", "smaller"),
    ("lengthen", "shorten"),
    ("less", "more"),
    ("longer", "shorter"),
    ("lower", "raise"),
    ("lower", "upper"),
    ("maximum", "minimum"),
    ("with", "without"),
)


@dataclass(frozen=True, kw_only=True)
class Idea:
    """The note that precedes an edit."""

    title: str
    """What, in one line."""

    rationale: str = ""
    """Why this direction."""

    ruled_out: tuple[str, ...] = ()
    """Directions that were considered and left."""

    combines: tuple[int, ...] = ()
    """Numbers of the attempts whose ideas it combines."""

    arm: str = ""
    """Which kind of change of a portfolio it is; empty where a proposer has no such kinds."""

    settings: Mapping[str, SettingValue] = field(default_factory=dict[str, SettingValue])
    """Values of all settings that are searched, where it is such a change; what else it says does not matter then."""

    stated: bool = True
    """Whether somebody wrote it down as an idea. What is named after the last line that a program printed is none, and
    never counts as a repeat: many programs end with the same words whatever they did."""

    @property
    def text(self) -> str:
        """What the idea is compared by."""
        return f"{self.title}\n{self.rationale}"

    @property
    def key(self) -> str:
        """Its settings, in one form for equal ones."""
        return json.dumps(self.settings, sort_keys=True)

    def to_json(self) -> dict[str, object]:
        """Plain values, which :meth:`from_json` reads."""
        return {
            "title": self.title,
            "rationale": self.rationale,
            "ruled_out": list(self.ruled_out),
            "combines": list(self.combines),
            **({"arm": self.arm} if self.arm else {}),
            **({"settings": dict(self.settings)} if self.settings else {}),
            **({} if self.stated else {"stated": False}),
        }

    @classmethod
    def from_json(cls, value: object) -> Idea:
        """Read an idea written by anyone: cut to size, missing parts empty, half characters replaced.

        Raises:
            ValueError: It has no title, or a part is of another kind.
        """
        if not is_mapping(value) or not isinstance(value.get("title"), str) or not value["title"].strip():
            raise ValueError("found no title, expected an idea with title, rationale and ruled_out")
        rationale: object = value.get("rationale") or ""
        ruled_out: object = value.get("ruled_out") or list[object]()
        combines: object = value.get("combines") or list[object]()
        settings: object = value.get("settings")
        if not isinstance(rationale, str) or not is_list(ruled_out) or not is_list(combines):
            raise ValueError("expected rationale as a text, ruled_out and combines as lists")
        return cls(
            title=_one_line(value["title"]),
            rationale=sendable(rationale.strip()[:_TEXT_CHARS].rstrip()),
            ruled_out=tuple(_one_line(item) for item in ruled_out if isinstance(item, str) and item.strip())[
                :_MOST_RULED_OUT
            ],
            combines=tuple(number for number in combines if type(number) is int),
            settings={
                str(name): one
                for name, one in (settings.items() if is_mapping(settings) else ())
                if isinstance(one, bool | int | float | str)
            },
            arm=_one_line(str(value.get("arm") or "")),
            stated=value.get("stated", True) is not False,
        )


@dataclass(frozen=True, kw_only=True)
class PastIdea:
    """An idea, and what came of it."""

    number: int
    """Of the attempt."""

    idea: Idea
    status: Status
    """How the attempt ended."""

    incumbent: str = ""
    """The commit it was tried against."""

    effect: float | None = None
    """Estimate of its gain, on the scale of values; None where nothing was measured."""

    p_better: float | None = None
    """P(effect > 0), where the rule states it."""

    retro: Retro | None = None
    """What was learned."""

    score: float | None = None
    """Its mean score on dev cases, 0 to 1, or its number; None if it was never scored."""

    beside: float | None = None
    """The incumbent's, on the same cases."""

    stages: tuple[float | None, ...] = ()
    """The number of each stage that it came to; None for one that asks for none."""

    cases: int = 0
    """Cases that were judged for it, dev and sealed."""

    tree: str = ""
    """Its files in git; empty where there are none to go on from."""

    by_unit: Mapping[str, float] = field(default_factory=dict[str, float])
    """Its value minus that of the incumbent by dev unit, where both were scored."""

    printed: str = ""
    """The end of what it printed where it failed a stage; of no sealed case."""

    @property
    def tried(self) -> bool:
        """Whether the idea was put to the test: a crash or an invalid edit says nothing about it."""
        return self.status in {Status.KEEP, Status.DISCARD, Status.UNDECIDED}

    @property
    def near_miss(self) -> bool:
        """Whether it was not kept but looked more likely better than not."""
        if self.status not in {Status.DISCARD, Status.UNDECIDED}:
            return False
        if self.p_better is not None:
            return self.p_better > 0.5
        return self.effect is not None and self.effect > 0


class IdeaBook:
    """All ideas so far, searchable; adding one more takes the same time whether there are ten or ten thousand.

    Args:
        past: Earlier ideas, by number.
    """

    def __init__(self, past: Iterable[PastIdea] = ()) -> None:
        self._past: list[PastIdea] = []
        self._index = TextIndex()
        self._terms: list[Counter[str]] = []
        self._near_misses: list[int] = []
        self._combined: set[frozenset[int]] = set()
        self._searched: dict[str, list[PastIdea]] = {}
        for one in past:
            self.add(one)

    def __len__(self) -> int:
        return len(self._past)

    def add(self, past: PastIdea) -> None:
        """Add the idea of an attempt that has ended."""
        terms = terms_of(past.idea.text)
        place = self._index.add(terms)
        self._terms.append(terms)
        self._past.append(past)
        if past.near_miss:
            self._near_misses.append(place)
        if past.idea.settings:
            self._searched.setdefault(past.idea.key, []).append(past)
        if past.tried and len(past.idea.combines) > 1:
            self._combined.add(frozenset(past.idea.combines))

    @property
    def arms(self) -> Mapping[str, ArmTally]:
        """What each kind of change has come to."""
        return arm_tallies(
            ArmTry(
                arm=past.idea.arm,
                kept=past.status is Status.KEEP,
                nearly=past.near_miss,
                effect=past.effect or 0.0,
                cases=past.cases,
            )
            for past in self._past
            if past.idea.arm and past.tried
        )

    def last(self, k: int) -> tuple[PastIdea, ...]:
        """The ``k`` latest ideas, latest first."""
        return tuple(reversed(self._past[-k:])) if k > 0 else ()

    def since(self, k: int) -> Sequence[PastIdea]:
        """All ideas but the first ``k``, in the order in which their attempts ended."""
        return self._past[k:]

    def numbers_at(self, stage: int) -> list[float]:
        """The numbers of all attempts that came to a stage, counted from 0."""
        reached = (past.stages[stage] for past in self._past if len(past.stages) > stage)
        return [number for number in reached if number is not None]

    def nearest(self, text: str, k: int) -> tuple[PastIdea, ...]:
        """The ``k`` ideas nearest to ``text`` by BM25, nearest first; fewer where fewer share a word with it."""
        return tuple(self._past[place] for place, _ in self._index.search(terms_of(text), k))

    def is_repeat(self, idea: Idea, *, incumbent: str = "") -> PastIdea | None:
        """The past idea that this one repeats; None if it is new.

        Two ideas are compared by title and by title with rationale, and the higher similarity counts. It is BM25 of the
        words they share, divided by that of the richer one with itself: 1 for the same words in any order, and at
        least :data:`REPEAT_THRESHOLD` for a repeat. Titles with other numbers or opposite words are two ideas. Ideas
        that were never tried are no obstacle, nor is a near-miss once the incumbent has moved. A combination repeats
        only another combination of the same ideas.

        Args:
            idea: The new idea.
            incumbent: The commit it would be tried against.
        """
        if idea.settings:
            return next((one for one in self._searched.get(idea.key, ()) if one.tried), None)
        if not idea.stated:
            return None
        if len(idea.combines) > 1:
            pair = frozenset(idea.combines)
            same = (one for one in reversed(self._past) if one.tried and frozenset(one.idea.combines) == pair)
            return next(same, None)
        whole, title = terms_of(idea.text), terms_of(idea.title)
        places = {place for query in (whole, title) for place, _ in self._index.search(query, _CANDIDATES)}
        best: tuple[float, int] | None = None
        for place in sorted(places):
            past = self._past[place]
            if not past.tried or (past.near_miss and incumbent and past.incumbent and past.incumbent != incumbent):
                continue
            if not past.idea.stated or _differ(idea.title, past.idea.title):
                continue
            alike = self._index.similarity(whole, self._terms[place])
            if len(title) > 1:  # a title of one word says too little
                alike = max(alike, self._index.similarity(title, terms_of(past.idea.title)))
            if alike >= REPEAT_THRESHOLD and (best is None or alike > best[0]):
                best = (alike, place)
        return None if best is None else self._past[best[1]]

    def near_misses(self, k: int, *, incumbent: str = "") -> tuple[PastIdea, ...]:
        """Near-misses worth another try, likeliest first: all, or those tried against another incumbent than this."""
        found = [self._past[place] for place in self._near_misses]
        found = [past for past in found if not incumbent or past.incumbent != incumbent]
        return tuple(sorted(found, key=_promise, reverse=True)[:k])

    def combinable(self, k: int = 3) -> tuple[tuple[PastIdea, PastIdea], ...]:
        """Pairs of near-misses that were not combined yet and say different things, the most promising first."""
        pairs: list[tuple[float, tuple[PastIdea, PastIdea]]] = []
        best = sorted(self._near_misses, key=lambda place: _promise(self._past[place]), reverse=True)[:_PAIRED_FROM]
        for one, other in combinations(sorted(best), 2):
            pair = self._past[one], self._past[other]
            if frozenset(past.number for past in pair) in self._combined:
                continue
            if self._index.similarity(self._terms[one], self._terms[other]) < _ALIKE:
                pairs.append((_promise(pair[0])[0] + _promise(pair[1])[0], pair))
        pairs.sort(key=lambda item: (-item[0], item[1][0].number, item[1][1].number))
        return tuple(pair for _, pair in pairs[:k])

    def ruled_out(self, k: int = 12) -> tuple[str, ...]:
        """Directions that proposers ruled out, each once, the latest first."""
        found: dict[str, str] = {}
        for past in reversed(self._past):
            for direction in past.idea.ruled_out:
                found.setdefault(" ".join(sorted(terms_of(direction))) or direction, direction)
            if len(found) >= k:
                break
        return tuple(found.values())[:k]


def _one_line(text: str) -> str:
    return sendable(" ".join(text.split())[:_TITLE_CHARS].rstrip())


def _promise(past: PastIdea) -> tuple[float, float, int]:
    """By how likely it is better, then by how much, then by how lately."""
    return (0.5 if past.p_better is None else past.p_better, past.effect or 0.0, past.number)


def _differ(one: str, other: str) -> bool:
    """Whether two titles in much the same words mean different things: other numbers, or the opposite."""
    numbers = set(_NUMBER.findall(one)), set(_NUMBER.findall(other))
    if all(numbers) and numbers[0] != numbers[1]:
        return True
    words = set(tokenise(one)), set(tokenise(other))
    only = words[0] - words[1], words[1] - words[0]
    return any((a in only[0] and b in only[1]) or (b in only[0] and a in only[1]) for a, b in _OPPOSITES)
