"""The files that an evaluation rests on: they come from the loop's base commit, so no candidate may change them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenward.datasets import DataSet
from tenward.errors import LoopError
from tenward.judges import Judge, JudgeSpec, ModelJudge, PanelSpec, load_spec, scale_file_for
from tenward.loop._fields import named
from tenward.loop._paths import PathPatterns
from tenward.loop._places import place, placed
from tenward.loop._programs import commands_of, program_of, simple_commands, words_of
from tenward.rubrics import Rubric
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from pathlib import Path

    from tenward.loop._definition import LoopSpec

__all__ = ["EvaluatorFiles", "evaluator_files"]

_CASES = (".jsonl.gz", ".jsonl", ".csv")


@dataclass(frozen=True, kw_only=True)
class EvaluatorFiles:
    """Where everything is that defines a score. Paths are absolute."""

    top: Path
    """Top of the repository."""

    loop: Path | None
    """The loop's own file; None where it was read from text."""

    rubric: Path | None
    judges: tuple[Path, ...]
    """The judge's file, those of a panel's members, those of the confirming judge and of the prompted model, and the
    scale files that say what their readings mean."""

    heads: tuple[Path, ...]
    """The heads by which judges read states under the rubric."""

    dataset: Path | None
    card: Path | None
    programs: tuple[Path, ...]
    """Files of the repository that a command names, where they are not the artefact."""

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file, each once."""
        single = (self.loop, self.rubric, *self.judges, *self.heads, self.dataset, self.card, *self.programs)
        return tuple(dict.fromkeys(path for path in single if path is not None))

    @property
    def inside(self) -> tuple[str, ...]:
        """Those of the repository, as paths from its top; they are read from the base commit."""
        return tuple(path.relative_to(self.top).as_posix() for path in self.all if path.is_relative_to(self.top))

    @property
    def sealed_programs(self) -> tuple[str, ...]:
        """Those of them that a command names, which no pattern of ``edit`` makes editable."""
        return tuple(path.relative_to(self.top).as_posix() for path in self.programs)

    @property
    def outside(self) -> tuple[Path, ...]:
        """Those elsewhere, such as shipped ones; they are hashed when the loop begins."""
        return tuple(path for path in self.all if not path.is_relative_to(self.top))


def evaluator_files(
    spec: LoopSpec, top: Path, library: Library | None = None, *, committed: Container[str] = ()
) -> EvaluatorFiles:
    """Find and check the files of the evaluator.

    Args:
        spec: The loop.
        top: Top of the repository; relative paths of the loop's file start here.
        library: Where names are looked up; discovered from ``top`` if None.
        committed: Files that commands may name though the working tree lacks them, as paths from ``top``.

    Raises:
        UnknownNameError: A rubric, judge or data set is nowhere to be found.
        DocumentError: One of them says something it may not.
        UsageError: A model that writes is a panel, or does not go together with its judge file.
        LoopError: ``edit`` matches one of the files, or names one that is run for the score or a check;
            ``ideas.from`` matches the cases, the rubric or a judge, ``keep.never_lower`` names no criterion of the
            rubric, or there is no such prompt.
    """
    top = top.resolve()
    library = library or Library.discover(top)
    rubric_path = dataset_path = card_path = None
    commands = list(commands_of(spec))
    judges: dict[Path, None] = {}
    heads: dict[Path, None] = {}
    if spec.score.rubric is not None:
        with placed(spec, "score", "rubric"):
            rubric_path = library.find("rubrics", named(spec.score.rubric, top)).resolve()
        rubric = Rubric.load(named(spec.score.rubric, top), library=library)
        _check_criteria(spec, rubric)
        commands += [("score.rubric", gate.run.split()) for gate in rubric.gates if gate.run is not None]
        for part, name in (
            ("score", spec.score.judge or "local"),
            ("confirm", spec.confirm.judge if spec.confirm else None),
        ):
            if name is not None:
                with placed(spec, part, "judge"):
                    _collect_judges(named(name, top), library, judges, heads, rubric)
    _check_writers(spec, library, top)
    if spec.produce is not None and spec.produce.model is not None and spec.produce.model.judge is not None:
        _collect_judges(named(spec.produce.model.judge, top), library, judges, heads)
    prompt = None if spec.produce is None else spec.produce.prompt
    if prompt is not None and prompt not in committed and not (top / prompt).is_file():
        raise LoopError(
            f"{place(spec, 'produce', 'prompt')}: found '{prompt}', expected a file of the repository",
            hint="write its path from the top of the repository",
        )
    if spec.score.dataset is not None:
        with placed(spec, "score", "dataset"):
            dataset = DataSet.load(named(spec.score.dataset, top), library=library)
        dataset_path = dataset.path.resolve()
        card_path = _card(dataset_path) if dataset.card is not None else None
    found = EvaluatorFiles(
        top=top,
        loop=None if spec.source is None else spec.source.resolve(),
        rubric=rubric_path,
        judges=tuple(judges),
        heads=tuple(heads),
        dataset=dataset_path,
        card=card_path,
        programs=_programs(spec, commands, top, committed),
    )
    for path in found.inside:
        if path in found.sealed_programs:
            continue
        if pattern := _matching(spec.edit, path):
            raise LoopError(
                f"{place(spec, 'edit')}: found '{pattern}', which matches {path}, "
                "expected patterns that leave the evaluator alone",
                hint="a loop that may edit its rubric, judge, cases or runner would improve those; name less",
            )
    for secret in filter(None, (found.dataset, found.rubric, *found.judges)):
        path = secret.relative_to(top).as_posix() if secret.is_relative_to(top) else ""
        if path and spec.ideas is not None and (pattern := _matching(spec.ideas.sources, path)):
            raise LoopError(
                f"{place(spec, 'ideas', 'from')}: found '{pattern}', which matches {path}, "
                "expected sources that do not give the evaluator away",
                hint="a brief that quotes sealed cases or the rubric would teach to the test; name less",
            )
    return found


def _matching(patterns: Sequence[str], path: str) -> str:
    """The first pattern that matches; empty where none does."""
    return next((pattern for pattern in patterns if PathPatterns([pattern]).match(path)), "")


def _check_criteria(spec: LoopSpec, rubric: Rubric) -> None:
    unknown = [name for name in spec.keep.never_lower if name not in rubric.criteria]
    if unknown:
        raise LoopError(
            f"{place(spec, 'keep', 'never_lower')}: found '{unknown[0]}', expected criteria of {rubric.rubric}",
            hint=f"one of {', '.join(rubric.criteria)}",
        )


def _check_writers(spec: LoopSpec, library: Library, top: Path) -> None:
    produce = spec.produce
    for part, field, ref in (
        ("propose", "llm", spec.propose.llm),
        ("produce", "model", None if produce is None else produce.model),
    ):
        if ref is not None:
            with placed(spec, part, field):
                ref.spec(library, top=top)


def _collect_judges(
    name: str | Path,
    library: Library,
    found: dict[Path, None],
    heads: dict[Path, None],
    rubric: Rubric | None = None,
) -> None:
    """Add a judge's file, those of its members and, of one that judges by a rubric, what its readings mean then."""
    place = library.find("judges", name)
    path = place.resolve()
    spec = load_spec(path)
    if rubric is not None and isinstance(spec, JudgeSpec) and spec.read == "hidden":
        judge = Judge.load(place, library=library)
        if isinstance(judge, ModelJudge) and (head := judge.head_in_use(rubric).path) is not None:
            heads[head.resolve()] = None
    if rubric is not None and (scale := scale_file_for(library, path, spec.judge, rubric.rubric)) is not None:
        found[scale.resolve()] = None
    if path in found:
        return
    found[path] = None
    if isinstance(spec, PanelSpec):
        for member in spec.panel:
            _collect_judges(member, library, found, heads, rubric)


def _card(dataset: Path) -> Path:
    suffix = next(suffix for suffix in _CASES if dataset.name.endswith(suffix))
    return dataset.with_name(f"{dataset.name.removesuffix(suffix)}.md")


def _programs(
    spec: LoopSpec, commands: Sequence[tuple[str, Sequence[str]]], top: Path, committed: Container[str]
) -> tuple[Path, ...]:
    """Files that are named in commands; one that ``edit`` names without a wildcard is the artefact.

    Raises:
        LoopError: What ``edit`` names is run for the score or for a check.
    """
    editable = PathPatterns(spec.edit)
    prompt = None if spec.produce is None else spec.produce.prompt
    artefact = {pattern for pattern in spec.edit if not set("*?[") & set(pattern)}
    if prompt is not None:
        artefact.add(prompt)
    found: dict[Path, None] = {}
    for field, words in commands:
        for command in simple_commands(words):
            for path in _known(words_of(command), top, committed):
                if path.relative_to(top).as_posix() not in artefact:
                    found[path] = None
            if field == "produce.command":
                continue
            for path in _known(program_of(command), top, committed):
                if (name := path.relative_to(top).as_posix()) in artefact:
                    what = "check" if field.endswith(".run") else "scorer"
                    raise LoopError(
                        f"{place(spec, 'edit')}: the {what} {name} may change: "
                        f"found it in edit, expected it sealed, since {field} runs it",
                        hint="take it out of edit; if it is what is to be improved, measure it from another file",
                    )
    # A proposer runs among the committed files; what it is given by a path from the root lies elsewhere.
    others = [word for word in spec.propose.command or () if not word.startswith("/")]
    for path in _known(others, top, committed):
        if not editable.match(path.relative_to(top).as_posix()):
            found[path] = None
    return tuple(found)


def _known(words: Sequence[str], top: Path, committed: Container[str]) -> Iterator[Path]:
    """The files of the repository among some words."""
    for word in words:
        path = (top / word).resolve() if word and len(word) < 4096 and "\0" not in word else top
        try:
            if path.is_relative_to(top) and (path.is_file() or path.relative_to(top).as_posix() in committed):
                yield path
        except OSError:  # too long for a name
            continue
