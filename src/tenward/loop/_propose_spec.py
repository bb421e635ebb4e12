"""Who proposes changes, as a loop's file says it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tenward.documents import Document, FieldError
from tenward.guards import is_list
from tenward.loop._allow_spec import AllowSpec
from tenward.loop._arms import ARM_OWNERS, ArmName
from tenward.loop._fields import Command, ModelRef, Seconds, unlike
from tenward.loop._search_spec import SearchSpec  # noqa: TC001 - pydantic reads the annotation

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ProposeSpec"]

_PYTHON = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def _arms(value: Any) -> Any:
    known = get_args(ArmName)
    for place, name in enumerate(value if is_list(value) else ()):
        if name not in known:
            raise FieldError(place, found=repr(name), expected=f"one of {', '.join(known)}")
    return value


class ProposeSpec(Document):
    """Who proposes changes: ``llm``, ``command``, ``python`` or ``search``, or the last beside another; or ``arms``."""

    llm: ModelRef | None = None
    """A model, asked for an idea and its edits: the name of a judge file, ``provider/model``, or a mapping."""

    command: Command | None = None
    """A program that changes files in a worktree of its own. ``@brief.md`` becomes ``@`` and the path of the brief,
    ``{brief}`` the path alone; the brief is on standard input as well."""

    python: Annotated[str, Field(max_length=300)] | None = None
    """``package.module:function``, called in a process of its own with the brief as a dict."""

    search: SearchSpec | None = None
    """Settings of a file, whose values a program searches; beside another proposer it is one arm."""

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
    beside ``llm``), and the proposers named here: ``rewrite`` (anything in the files, by the model of ``llm``),
    ``command``, ``python``, ``search``. Left out: the first six, where the embedded engine edits one file of prose, or
    both proposers that are named. All but the last four need such a file."""

    allow: AllowSpec = AllowSpec()
    """What a command or function may reach besides the system and the attempt's folder."""

    timeout: Seconds = 1800.0
    """Seconds after which a command or function is stopped, with everything it started."""

    @model_validator(mode="after")
    def _agree(self) -> ProposeSpec:
        named = [way for way in ("llm", "command", "python", "search") if getattr(self, way) is not None]
        if (not named and self.arms is None) or len([way for way in named if way != "search"]) > 1:
            raise FieldError(
                found=" and ".join(named) or "none of them",
                expected="one of llm, command and python, or search, or it beside one of them",
                hint="such as propose: {llm: local}",
            )
        way = named[0] if named else ""
        if self.arms is not None:
            self._check_arms(self.arms, named)
        if self.python is not None and not _PYTHON.fullmatch(self.python):
            expected, hint = "package.module:function", "such as my_ideas.propose:main"
            raise FieldError("python", found=repr(self.python), expected=expected, hint=hint)
        if self.change is not None and self.arms is not None:
            raise FieldError("change", found="change beside arms", expected="one of the two")
        if way != "llm" and self.change is not None:
            raise FieldError("change", found=f"change beside {way}", expected="change only beside llm")
        if "allow" in self.model_fields_set and self.command is None and self.python is None:
            raise FieldError("allow", found="allow", expected="it only beside command or python")
        if way == "llm" and "timeout" in self.model_fields_set:
            hint = "write llm: {model: …, timeout: 300}"
            raise FieldError("timeout", found="timeout beside llm", expected="it inside llm", hint=hint)
        return self

    def _check_arms(self, arms: tuple[ArmName, ...], named: Sequence[str]) -> None:
        for place, arm in enumerate(arms):
            owner = ARM_OWNERS.get(arm)
            if owner is not None and owner not in named:
                raise FieldError("arms", place, found=arm, expected=f"it only beside {owner}")
        for way in named:
            if way in {ARM_OWNERS.get(arm) for arm in arms}:
                continue
            own = next(arm for arm, owner in ARM_OWNERS.items() if owner == way)
            hint = f"add {own} to arms, or leave {way} out"
            raise FieldError(
                "arms", found=f"{way}, and no arm that asks it", expected=f"{own} among the arms", hint=hint
            )
