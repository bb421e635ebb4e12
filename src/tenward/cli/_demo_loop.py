"""A short real loop for the demo: a repository of its own with a weak prompt, and the commands a user would type."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tenward.cli._console import note
from tenward.datasets import DataSet, write_cases
from tenward.errors import UsageError
from tenward.workspace import Library

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["make_repository", "run_demo_loop"]

_DEV, _SEALED = 6, 10  # so that a loop on two cores comes to an end while somebody waits
_PROMPT = """\
Write a short commit message for this change.

{input}
"""
_LOOP = """\
loop: subjects/v1
goal: >
  A prompt that makes a small model write, for a diff, the one-line commit subject that a maintainer would take as it
  stands: accurate, specific, in the imperative, at most 72 characters, without a period at its end.
edit: [prompts/subject.md]
propose: {llm: local}
produce: {prompt: prompts/subject.md, model: local, max_tokens: 80}
score: {rubric: commit-subject, judge: local, dataset: datasets/subjects.jsonl}
feedback: score                          # reading the rubric's checks would take time
placebo: 0
budget: {rounds: 2, hours: 0.2}
seed: {seed}
"""
_CARD = """\
---
dataset: subjects/v1
about: A few of the shortest cases of commit-subjects, for a demonstration.
source: The data set commit-subjects of Tenward.
licence: Apache-2.0
cases: {cases}
splits: {{dev: {dev}, sealed: {sealed}}}
---

Enough to see how a loop works, and far too few to improve a prompt: copy the loop commit-subjects for that.
"""


def run_demo_loop(folder: Path, seed: int) -> None:
    """Make a repository in a new folder, run a loop in it, and write its report there.

    Args:
        folder: It is made.
        seed: Of what the loop draws.

    Raises:
        UsageError: The folder is there already and holds something.
        subprocess.CalledProcessError: One of the commands failed; it has said why.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already", hint="remove it, or choose another folder with --into")
    make_repository(folder, seed)
    note(
        f"{folder} is a small git repository: a weak prompt for commit subjects, {_DEV + _SEALED} diffs, and a loop.\n"
        "One model on this machine is the target, the judge and the proposer; it takes 5 to 8 minutes on two cores.\n"
    )
    for program, *words in (
        ("tenward", "loop", "plan", "subjects"),
        ("tenward", "loop", "run", "subjects"),
        ("tenward", "loop", "report", "subjects", "-o", "report.html"),
        ("git", "--no-pager", "diff", "main", "tenward/subjects"),
    ):
        note(f"$ {program} {' '.join(words)}")
        ours = [sys.executable, "-m", "tenward"] if program == "tenward" else [program]
        subprocess.run([*ours, *words], cwd=folder, check=True)
        note("")
    note(
        f"Next, in {folder}: open report.html, tenward loop log subjects, tenward loop show subjects 1,\n"
        "or git merge tenward/subjects to take what was kept"
    )


def make_repository(folder: Path, seed: int = 0) -> None:
    """Make the repository of the demo: a weak prompt, a few cases, and the loop, committed."""
    try:
        import git
    except ImportError as error:  # GitPython refuses to be imported where there is no git
        raise UsageError("the demo needs git: found no git program", hint="install git") from error
    shipped = DataSet.load("commit-subjects", library=Library(roots=(Library.discover().shipped,)))
    shortest = sorted(shipped.cases(), key=lambda case: (len(case.input), case.id))
    dev = [case for case in shortest if case.split == "dev"][:_DEV]
    sealed = [case for case in shortest if case.split == "sealed"][:_SEALED]
    files = {
        "loop/subjects.yaml": _LOOP.replace("{seed}", str(seed)),
        "prompts/subject.md": _PROMPT,
        "datasets/subjects.md": _CARD.format(cases=len(dev) + len(sealed), dev=len(dev), sealed=len(sealed)),
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    write_cases(folder / "datasets" / "subjects.jsonl", [*dev, *sealed])
    author = git.Actor("Tenward demo", "demo@tenward.invalid")
    with git.Repo.init(folder, initial_branch="main") as repository:
        repository.index.add([*files, "datasets/subjects.jsonl"])
        repository.index.commit("Start from a weak prompt", author=author, committer=author, skip_hooks=True)
