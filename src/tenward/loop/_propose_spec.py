"""Who proposes changes, as a loop's file says it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tenward.documents import Document, FieldError
from tenward.guards import is_list
from tenward.loop._arms import ArmName
from tenward.loop._fields import Command, ModelRef, Seconds, exactly_one, unlike
from tenward.loop._search_spec import SearchSpec  # noqa: TC001 - pydantic reads the annotation

__all__ = ["ProposeSpec"]

_PYTHON = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def _arms(value: Any) -> Any:
    known = get_args(ArmName)
    for place, name in enumerate(value if is_list(value) else ()):
        if name not in known:
            raise FieldError(place, found=repr(name), expected=f"one of {', '.join(known)}")
    return value


class ProposeSpec(Document):
    """Who proposes changes. Exactly one of ``llm``, ``command``, ``python`` and ``search``, or ``arms`` alone."""

    llm: ModelRef | None = None
    """A model, asked for an idea and its edits: the name of a judge file, ``provider/model``, or a mapping."""

    command: Command | None = None
    """A program that changes files in a worktree of its own. ``@brief.md`` becomes ``@`` and the path of the brief,
    ``{brief}`` the path alone; the brief is on standard input as well."""

    python: Annotated[str, Field(max_length=300)] | None = None
    """``package.module:function``, called in a process of its own with the brief as a dict."""

    search: SearchSpec | None = None
    """Settings of a file, whose values a program searches; no model is asked."""

    change: Literal["sentence", "files"] | None = None
    """How much a model changes at a time: one ``sentence`` of a text, which a program puts in its place and which small
    models manage, or anything in the ``files``. Left out: ``arms`` where the embedded engine edits one file of prose,
    else files."""

    arms: Annotated[tuple[ArmName, ...], Field(min_length=1), AfterValidator(unlike), BeforeValidator(_arms)] | None = (
        None
    )
    """Kinds of change, of which a program draws the next by what each has brought: ``rules`` (gates that outputs fail,
    demands of the goal), ``examples`` (dev cases shown as turns of a chat), ``sources`` (instructions in the files of
    ``ideas``), ``playbook`` (moves that often help), ``drop`` (a sentence less), ``sentence`` (one of the model's,
    beside ``llm``), ``command`` and ``python`` (those named here). Left out: all but these two, where the embedded
    engine edits one file of prose. Such a file is needed."""

    timeout: Seconds = 1800.0
    """Seconds after which a command or function is stopped, with everything it started."""

    @model_validator(mode="after")
    def _agree(self) -> ProposeSpec:
        ways = (self.llm, self.command, self.python, self.search)
        if self.arms is None or any(way is not None for way in ways):
            way = exactly_one(self, "llm", "command", "python", "search", hint="such as propose: {llm: local}")
        else:
            way = ""
        if self.arms is not None:
            self._check_arms(self.arms, way)
        if self.python is not None and not _PYTHON.fullmatch(self.python):
            expected, hint = "package.module:function", "such as my_ideas.propose:main"
            raise FieldError("python", found=repr(self.python), expected=expected, hint=hint)
        if self.change is not None and self.arms is not None:
            raise FieldError("change", found="change beside arms", expected="one of the two")
        if way != "llm" and self.change is not None:
            raise FieldError("change", found=f"change beside {way}", expected="change only beside llm")
        if way == "llm" and "timeout" in self.model_fields_set:
            hint = "write llm: {model: …, timeout: 300}"
            raise FieldError("timeout", found="timeout beside llm", expected="it inside llm", hint=hint)
        return self

    def _check_arms(self, arms: tuple[ArmName, ...], way: str) -> None:
        owners = {"sentence": "llm", "command": "command", "python": "python"}
        for place, arm in enumerate(arms):
            owner = owners.get(arm)
            if owner is not None and owner != way:
                raise FieldError("arms", place, found=arm, expected=f"it only beside {owner}")
        if way and way not in {owners.get(arm) for arm in arms}:
            own = {owner: arm for arm, owner in owners.items()}[way]
            hint = f"add {own} to arms, or leave {way} out"
            raise FieldError(
                "arms", found=f"{way}, and no arm that asks it", expected=f"{own} among the arms", hint=hint
            )
