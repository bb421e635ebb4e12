"""The seal: everything that a score rests on, read from the commit a loop began at, hashed, and held in memory."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenward.containment import Level, containment
from tenward.datasets import Case, DataSet
from tenward.errors import LoopError
from tenward.judges import Judge
from tenward.loop._fields import named
from tenward.loop._objects import BlobReader
from tenward.rubrics import Rubric
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenward.loop._definition import LoopSpec
    from tenward.loop._evaluator import EvaluatorFiles
    from tenward.loop._record import LoopRecord

__all__ = ["Sealed", "broken_seal", "require_sealed", "seal", "sealed_hashes"]

# What of the loop's file makes a score or a decision what it is; the rest, such as the budget, may change on the way.
_DECIDING = ("score", "produce", "stages", "keep", "confirm", "alarms")
_HASH_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """The evaluator of a loop."""

    parts: Mapping[str, str]
    """Hash per part, by the path of a file or the name of a section of the loop's file."""

    warnings: tuple[str, ...]
    """Where the working tree says something else than what is sealed."""

    library: Library
    """The sealed copies."""

    rubric: Rubric | None
    """What good is; None where the score is a number."""

    hidden: tuple[str, ...]
    """Paths that a proposer finds missing in its slot: it hears of the evaluator in the brief, as far as it may."""

    programs: tuple[str, ...]
    """Paths that commands name, which stay as they are although a pattern of ``edit`` may match them."""

    cases: tuple[Case, ...]
    """Every case of the data set; one without texts where the artefact itself is judged."""

    judge_file: Path | None
    """The sealed copy of the judge."""

    confirm_file: Path | None
    """That of the judge of the sealed cases; None if it is the same."""

    writer_file: Path | None
    """That of the judge file whose model is prompted; None where none is, or it is not named by a file."""

    def remove_copies(self) -> None:
        """Take the sealed copies off the disk, once all of them are in memory."""
        for root in self.library.roots:
            shutil.rmtree(root, ignore_errors=True)

    @property
    def digest(self) -> str:
        """One hash for all parts."""
        return _hash(json.dumps(dict(self.parts), sort_keys=True).encode())

    def load_judges(self) -> tuple[Judge, Judge]:
        """The judge of dev cases, and that of sealed ones; often the same object.

        Raises:
            LoopError: The score is a number, which no judge gives.
        """
        if self.judge_file is None:
            raise LoopError("found a number as the score, expected a rubric with a judge")
        judge = Judge.load(self.judge_file, library=self.library)
        confirming = None if self.confirm_file is None else Judge.load(self.confirm_file, library=self.library)
        if self.rubric is not None:
            for one in filter(None, (judge, confirming)):
                one.fingerprint(self.rubric)  # reads the heads, whose copies will be taken off the disk
        return judge, confirming or judge


def seal(
    spec: LoopSpec,
    files: EvaluatorFiles,
    record: LoopRecord,
    base: str,
    library: Library,
    *,
    definition: bytes | None = None,
) -> Sealed:
    """Read and hash the evaluator.

    Args:
        spec: The loop.
        files: Where its files are.
        record: Its record.
        base: The commit it began at.
        library: Where its names were looked up.
        definition: Its file as it was when it began; None where it was read from text.

    Raises:
        LoopError: A file of the repository is not in that commit, or two of the same name differ.
        TenwardError: One of them says something it may not.
    """
    folder = record.folder / "sealed"
    shutil.rmtree(folder, ignore_errors=True)
    contents, warnings = _read(spec, files, record, base)
    parts = {name: _hash(content) for name, content in contents.items()}
    if definition is not None:
        parts["the loop's file"] = _hash(definition)
    kinds: dict[Path | None, str] = {files.rubric: "rubrics", files.dataset: "datasets", files.card: "datasets"}
    kinds |= dict.fromkeys(files.judges, "judges")
    kinds |= dict.fromkeys(files.heads, "judges/heads")
    for path, kind in kinds.items():
        if path is not None:
            _copy(folder / kind / path.name, contents[_name(path, files)])
    for section in _DECIDING:
        told = json.dumps(spec.model_dump(mode="json", include={section}), sort_keys=True)
        parts[f"the section '{section}'"] = _hash(told.encode())
    sealed = Library(roots=(folder,))
    rubric = None if files.rubric is None else Rubric.load(folder / "rubrics" / files.rubric.name, library=sealed)
    cases: tuple[Case, ...] = ()
    if files.dataset is not None:
        cases = tuple(DataSet.load(folder / "datasets" / files.dataset.name, library=sealed).cases())
    elif rubric is not None:
        cases = (Case(id="artefact"),)

    def judge_of(name: str | None) -> Path | None:
        if rubric is None or name is None:
            return None
        return folder / "judges" / library.find("judges", named(name, files.top)).name

    return Sealed(
        parts=parts,
        warnings=(*warnings, *filter(None, [_unsealed_words(spec)])),
        library=sealed,
        rubric=rubric,
        hidden=tuple(_name(path, files) for path in kinds if path is not None and path.is_relative_to(files.top)),
        programs=files.sealed_programs,
        cases=cases,
        judge_file=judge_of(spec.score.judge or "local"),
        confirm_file=judge_of(spec.confirm.judge if spec.confirm else None),
        writer_file=judge_of(spec.produce.model.judge if spec.produce and spec.produce.model else None),
    )


def _unsealed_words(spec: LoopSpec) -> str:
    """That a candidate of this loop could cheat on this machine; empty where it could not."""
    if not spec.runs_candidates or containment().level is not Level.NONE:
        return ""
    return (
        "not sealed: the candidates of this loop are programs, and this machine contains no command, so one could read "
        "the sealed cases and write the scorer"
    )


def require_sealed(spec: LoopSpec, *, anyway: bool) -> None:
    """Refuse to run candidates that could cheat here.

    Raises:
        LoopError: They could, and nobody said that they may be run all the same.
    """
    if (told := _unsealed_words(spec)) and not anyway:
        raise LoopError(told, hint="install bubblewrap (bwrap); --unsealed runs it all the same")


def sealed_hashes(files: EvaluatorFiles, record: LoopRecord, base: str) -> dict[str, str]:
    """Hash per file that is sealed, or would be: as it is in the commit, or in the working tree where it is not."""
    committed = record.trees.listing(base).files
    told: dict[str, str] = {}
    with BlobReader(record.git) as reader:
        for path in files.all:
            name = _name(path, files)
            entry = committed.get(name) if path.is_relative_to(files.top) else None
            stored = record.definition if path == files.loop else None
            if stored is None:
                stored = path.read_bytes() if entry is None else b"".join(reader.read(entry.name))
            told[name if path.is_relative_to(files.top) else f"{name} (shipped)"] = _hash(stored)
    return told


def broken_seal(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """The parts of the evaluator that are not what they were."""
    return tuple(sorted(name for name in {*then, *now} if then.get(name) != now.get(name)))


def _read(spec: LoopSpec, files: EvaluatorFiles, record: LoopRecord, base: str) -> tuple[dict[str, bytes], list[str]]:
    """The contents of all files, and what a user should know of them."""
    contents: dict[str, bytes] = {}
    warnings: list[str] = []
    committed = record.trees.listing(base).files
    with BlobReader(record.git) as reader:
        for path in files.all:
            if path == files.loop:
                continue
            name = _name(path, files)
            if not path.is_relative_to(files.top):
                contents[name] = path.read_bytes()
                continue
            entry = committed.get(name)
            if entry is None:
                raise LoopError(
                    f"{name}: found it outside of the commit {base[:12]} that the loop '{spec.name}' began at",
                    hint="commit it before the loop begins; one that has begun keeps the evaluator it began with",
                )
            contents[name] = b"".join(reader.read(entry.name))
            if path.is_file() and path.read_bytes() != contents[name]:
                warnings.append(f"{name}: the loop uses it as it was in {base[:12]}, not as it is now")
    return contents, warnings


def _name(path: Path, files: EvaluatorFiles) -> str:
    """How a part is called: its path from the top of the repository, or its folder and name elsewhere."""
    if path.is_relative_to(files.top):
        return path.relative_to(files.top).as_posix()
    return str(Path(path.parent.name) / path.name)


def _copy(target: Path, content: bytes) -> None:
    if target.exists() and target.read_bytes() != content:
        raise LoopError(f"found two different files named {target.name}", hint="give one of them another name")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]
