"""Gates: checks by plain code that run before any model call, and that no average can undo."""

from __future__ import annotations

import json
import re
import shlex
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tenward.errors import GateError
from tenward.processes import run_command, scrubbed_environment

if TYPE_CHECKING:
    import threading

    from tenward.rubrics._model import Gate, Rubric

__all__ = ["GateResult", "run_gates"]

_PATTERN_SECONDS = 10.0
_QUICK_CHARS = 10_000
_SEARCH = """
import json, re, sys
pattern, text = json.load(sys.stdin)
hit = re.search(pattern, text, re.MULTILINE)
print(json.dumps(hit and hit.group()[:60]))
"""


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """What one gate found."""

    gate: str
    """The check as the rubric writes it, such as ``max_words: 400``."""

    passed: bool
    detail: str
    """What was found; for a command, how it ended and the end of what it printed."""

    rule: str = ""
    """What it asks for in words; empty where the rubric has none."""

    count: int | None = None
    """Words or characters found, where the gate limits them."""


def run_gates(
    rubric: Rubric, candidate: str, *, folder: Path | None = None, stop: threading.Event | None = None
) -> tuple[GateResult, ...]:
    """Run every gate of ``rubric`` on ``candidate``.

    A command runs in ``folder`` (a temporary one if None) without a shell, with the candidate's text on standard
    input and its path in ``TENWARD_CANDIDATE``, and sees none of the caller's secrets. Setting ``stop`` from another
    thread stops the command that is running.

    Raises:
        GateError: A command could not be started, which says nothing about the candidate.
    """
    return tuple(replace(_run(gate, candidate, folder, stop), rule=gate.rule) for gate in rubric.gates)


def _run(gate: Gate, candidate: str, folder: Path | None, stop: threading.Event | None) -> GateResult:
    if gate.run is not None:
        return _run_command(gate.run, gate.timeout, candidate, folder, stop)
    words, chars = len(candidate.split()), len(candidate)
    for name, limit, count, unit, at_most in (
        ("max_words", gate.max_words, words, "words", True),
        ("min_words", gate.min_words, words, "words", False),
        ("max_chars", gate.max_chars, chars, "characters", True),
        ("min_chars", gate.min_chars, chars, "characters", False),
    ):
        if limit is not None:
            passed = count <= limit if at_most else count >= limit
            return GateResult(gate=f"{name}: {limit}", passed=passed, detail=f"{count:,} {unit}", count=count)
    pattern = gate.matches if gate.matches is not None else gate.forbids or ""
    name = f"{'matches' if gate.matches is not None else 'forbids'}: {pattern}"
    try:
        hit = _search(pattern, candidate, stop)
    except TimeoutError:
        return GateResult(gate=name, passed=False, detail=f"the pattern took longer than {_PATTERN_SECONDS:g} s")
    if gate.matches is not None:
        return GateResult(gate=name, passed=hit is not None, detail="not found" if hit is None else "found")
    return GateResult(gate=name, passed=hit is None, detail="not found" if hit is None else f"found {hit!r}")


def _search(pattern: str, text: str, stop: threading.Event | None) -> str | None:
    """The first 60 characters of the first match, or None.

    Raises:
        TimeoutError: The search took too long; only a process of its own can be stopped amid a search.
    """
    risky = bool(re.search(r"\)[*+?{]", pattern)) or len(re.findall(r"[*+?{]", pattern)) > 1
    if not risky and len(text) <= _QUICK_CHARS:
        hit = re.search(pattern, text, re.MULTILINE)
        return hit.group()[:60] if hit else None
    ended = run_command(
        [sys.executable, "-I", "-S", "-W", "ignore", "-c", _SEARCH],
        cwd=Path(tempfile.gettempdir()),
        timeout=_PATTERN_SECONDS,
        env=scrubbed_environment(),
        stdin=json.dumps([pattern, text]),
        stop=stop,
    )
    if ended.status is None:
        raise TimeoutError
    if ended.status != 0:
        raise GateError(
            f"the search for {pattern!r} ended with status {ended.status}: {ended.tail[-200:]}",
            hint="try a simpler pattern",
        )
    found: str | None = json.loads(ended.tail)
    return found


def _run_command(
    line: str, timeout: float, candidate: str, folder: Path | None, stop: threading.Event | None
) -> GateResult:
    try:
        command = shlex.split(line)
    except ValueError as error:
        raise GateError(f"gate 'run: {line}': {error}", hint="balance the quotes of the command") from error
    if not command:
        raise GateError(f"gate 'run: {line}': found an empty command", hint="name a program, such as run: make test")
    with tempfile.TemporaryDirectory(prefix="tenward-gate-") as scratch:
        path = Path(scratch) / "candidate.txt"
        path.write_bytes(candidate.encode("utf-8", "surrogatepass"))
        try:
            ended = run_command(
                command,
                cwd=folder or Path(scratch),
                timeout=timeout,
                env=scrubbed_environment({"TENWARD_CANDIDATE": str(path)}),
                stdin=candidate,
                stop=stop,
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL character in the command
            reason = getattr(error, "strerror", None) or error
            raise GateError(
                f"gate 'run: {line}' could not be started: {reason}",
                hint=f"is '{command[0]}' installed and on PATH? commands run without a shell",
            ) from error
    detail = f"exit status {ended.status}"
    if ended.status is None:
        detail = f"stopped after {timeout:g} s" if ended.seconds >= timeout else "stopped"
    if ended.status != 0 and ended.tail:
        detail += f": {ended.tail.splitlines()[-1][:200]}"
    return GateResult(gate=f"run: {line}", passed=ended.status == 0, detail=detail)
