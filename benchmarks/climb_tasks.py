"""Tasks with an exact truth, made by program, for benchmarks/climb.py: small jobs, each with one right answer.

There are as many cases as one likes. The first prompt names the job, and not the form of the answer.
"""

from __future__ import annotations

import calendar
import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TASKS", "Task"]

_MONTHS = calendar.month_name[1:]
_NAMES = ("Ada", "Bela", "Chen", "Dora", "Emil", "Faye", "Gus", "Hana", "Ivo", "Jana", "Kim", "Leo", "Mira", "Nils")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One job."""

    name: str
    prompt: str
    """What a hurried author writes first."""

    make: Callable[[random.Random], tuple[str, str]]
    """An input and its only right answer."""

    def cases(self, count: int, seed: int) -> list[tuple[str, str]]:
        """Different cases; those of different seeds are independent draws."""
        dice = random.Random(f"{self.name} {seed}")  # noqa: S311 - a benchmark that must repeat itself
        found: dict[str, str] = {}
        while len(found) < count:
            given, answer = self.make(dice)
            found.setdefault(given, answer)
        return list(found.items())


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _date(dice: random.Random) -> tuple[str, str]:
    day = date(2019, 1, 1) + timedelta(days=dice.randrange(3000))
    month = _MONTHS[day.month - 1]
    said = dice.choice(
        [
            f"{month} {day.day}, {day.year}",
            f"{day.day} {month} {day.year}",
            f"the {_ordinal(day.day)} of {month} {day.year}",
            f"{month[:3]} {_ordinal(day.day)}, {day.year}",
            f"{day:%A}, {day.day} {month[:3]} {day.year}",
        ]
    )
    who, number = dice.choice(_NAMES), dice.randrange(2, 90)
    sentence = dice.choice(
        [
            f"{who} signed the lease on {said} and paid {number * 50} euros.",
            f"The last of the {number} parcels arrived on {said}, says {who}.",
            f"On {said}, {who} walked {number} kilometres along the coast.",
            f"Room {number} has been closed since {said} for repairs.",
            f"{who} was born on {said} as the youngest of {dice.randrange(2, 9)}.",
        ]
    )
    return sentence, day.isoformat()


_DOCS = ("how to install it", "the list of options", "an example of a config file", "a section on proxies", "a typo")
_THINGS = ("parser", "cache", "router", "queue", "mailer", "index", "clock", "search", "login", "upload")


def _kind(dice: random.Random) -> tuple[str, str]:
    thing, number = dice.choice(_THINGS), dice.randrange(2, 60)
    kind = dice.choice(["docs", "test", "fix", "feat", "build"])
    if kind == "docs":
        name = dice.choice(["README.md", f"docs/{thing}.md", "CONTRIBUTING.md"])
        diff = f"--- a/{name}\n+++ b/{name}\n@@\n+The {thing} now has {dice.choice(_DOCS)}.\n"
    elif kind == "test":
        diff = (
            f"--- a/tests/test_{thing}.py\n+++ b/tests/test_{thing}.py\n@@\n+def test_{thing}_{number}():\n"
            f"+    assert {thing}({number}) == {number * 2}\n"
        )
    elif kind == "fix":
        old, new = dice.choice(
            [
                ("if size < limit:", "if size <= limit:"),
                (f"if {thing} is None:", f"if {thing} is not None:"),
                (f"last = items[{number}]", f"last = items[{number - 1}]"),
                (f"return {thing}[at + 1]", f"return {thing}[at]"),
            ]
        )
        diff = f"--- a/src/{thing}.py\n+++ b/src/{thing}.py\n@@\n-    {old}\n+    {new}\n"
    elif kind == "feat":
        verb = dice.choice(["export", "rename", "undo", "preview", "share"])
        diff = (
            f"--- a/src/{thing}.py\n+++ b/src/{thing}.py\n@@\n+def {verb}_{thing}(name, limit={number}):\n"
            f'+    """{verb.capitalize()} a {thing}."""\n+    return run("{verb}", name, limit)\n'
        )
    else:
        library = dice.choice(["requests", "numpy", "click", "attrs", "jinja2"])
        diff = (
            f"--- a/requirements.txt\n+++ b/requirements.txt\n@@\n-{library}=={number}.1\n+{library}=={number + 1}.0\n"
        )
    return diff, kind


_VERBS = ("send", "check", "print", "order", "translate", "book", "update", "cancel")
_GOODS = ("the budget", "the slides", "the invoices", "the tickets", "the contract", "the price list", "the photos")
_DAYS = calendar.day_name[:5]


def _action(dice: random.Random) -> tuple[str, str]:
    who, other = dice.sample(_NAMES, 2)
    verb, goods, day = dice.choice(_VERBS), dice.choice(_GOODS), dice.choice(_DAYS)
    asked = dice.choice(
        [
            f"{who} will {verb} {goods} by {day}.",
            f"It was agreed that {who} should {verb} {goods} before {day}.",
            f"{other} asked {who} to {verb} {goods} until {day}, and {who} said yes.",
        ]
    )
    talk = dice.sample(
        [
            f"{other} found the coffee weak.",
            f"Sales were up by {dice.randrange(2, 30)} percent.",
            f"{other} had seen the new office and liked it.",
            "The heating is still too loud.",
            f"Nobody remembered who had chosen {dice.choice(_DAYS)}.",
        ],
        2,
    )
    sentences = [talk[0], asked, talk[1]]
    dice.shuffle(sentences)
    return " ".join(sentences), f"{who}: {verb} {goods} ({day})"


def _length(dice: random.Random) -> tuple[str, str]:
    metres = dice.choice([dice.randrange(2, 40), dice.randrange(2, 40) + 0.5, dice.randrange(1, 9) + 0.25])
    thing = dice.choice(["shelf", "rope", "table", "wall", "path", "curtain", "pipe", "boat"])
    said = dice.choice([f"{metres:g} m", f"{metres:g} metres", f"{metres:g} meters"])
    sentence = dice.choice(
        [
            f"The {thing} is {said} long.",
            f"{dice.choice(_NAMES)} needs a {thing} of {said}.",
            f"We measured the {thing} twice: {said}.",
        ]
    )
    return sentence, f"{metres * 100:g} cm"


TASKS = {
    task.name: task
    for task in (
        Task(name="dates", prompt="Find the date. Be brief.", make=_date),
        Task(name="kinds", prompt="What kind of change is this? Be brief.", make=_kind),
        Task(name="actions", prompt="Find what somebody has to do. Be brief.", make=_action),
        Task(name="lengths", prompt="Convert the length to centimetres. Be brief.", make=_length),
    )
}
