"""``tenward doctor``."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import click

from tenward.cli._console import clean, print_json, print_page, working
from tenward.cli._model import DEFAULT_MODEL
from tenward.containment import Level, containment
from tenward.errors import TenwardError
from tenward.judges import KEY_VARIABLES, engine_for
from tenward.judges.models import ModelStore
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command"]

_LANGSMITH = "https://api.smith.langchain.com"
_MARKS = {"ok": "ok    ", "off": "off   ", "warn": "warn  ", "fail": "FAIL  "}
_STYLES = {"ok": "green", "off": "dim", "warn": "yellow", "fail": "bold red"}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of the doctor's report."""

    name: str
    status: Literal["ok", "off", "warn", "fail"]
    """``off`` is fine: the thing is optional and not set up. ``warn``: it is optional, set up, and does not work."""

    detail: str
    hint: str = ""


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")
def command(*, as_json: bool) -> int:
    """Say what works on this machine, with a hint for every line that does not.

    Exits with 3 if something fails that Tenward cannot do without.
    """
    with working("looking around ..."):
        checks = [*_base(), *_model(), *_keys(), _langsmith()]
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        _print(checks)
    return 3 if any(check.status == "fail" for check in checks) else 0


def _print(checks: list[Check]) -> None:
    from rich.console import Group, RenderableType
    from rich.text import Text

    from tenward.cli._layout import hanging

    width = max(len(check.name) for check in checks) + 2
    lines: list[RenderableType] = []
    for check in checks:
        label = Text(_MARKS[check.status], style=_STYLES[check.status])
        label.append(f"{check.name:<{width}}", style="default")
        detail = Text(clean(check.detail))
        if check.hint:
            detail.append(f"\nhint: {clean(check.hint)}", style="dim")
        lines.append(hanging(label, detail, indent=0, width=6 + width))
    print_page(Group(*lines))


def _base() -> Iterator[Check]:
    yield Check(name="python", status="ok", detail=f"{platform.python_version()} on {platform.system()}")
    git = shutil.which("git")
    if git is None:
        yield Check(
            name="git", status="fail", detail="not found on PATH", hint="install git; revisions and loops need it"
        )
    else:
        yield _git(git)
    yield _containment()
    library = Library.discover()
    counts = ", ".join(_count(len(library.names(kind)), kind) for kind in ("rubrics", "judges"))
    where = f"workspace {library.roots[0]}" if len(library.roots) > 1 else "no workspace here, the shipped library"
    yield Check(
        name="content",
        status="ok" if library.names("rubrics") else "fail",
        detail=f"{counts} ({where})",
        hint="" if library.names("rubrics") else "reinstall tenward: its shipped content is missing",
    )


def _containment() -> Check:
    """How commands of loops are contained."""
    try:
        level = containment().level
    except TenwardError as error:
        return Check(name="commands", status="warn", detail=error.message, hint=error.hint or "")
    detail = level.words
    if level is Level.NONE:
        hint = "install bubblewrap (bwrap); until then run loops only on programs that you trust"
        return Check(name="commands", status="warn", detail=detail, hint=hint)
    return Check(name="commands", status="ok", detail=detail)


def _count(number: int, plural: str) -> str:
    return f"{number} {plural.removesuffix('s') if number == 1 else plural}"


def _git(program: str) -> Check:
    try:
        ended = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        return Check(name="git", status="fail", detail=f"{program} does not run ({error})", hint="reinstall git")
    return Check(name="git", status="ok", detail=ended.stdout.strip())


def _model() -> Iterator[Check]:
    store = ModelStore()
    try:
        path = store.verify(DEFAULT_MODEL, full=False)
    except TenwardError as error:
        here = any(model.present for model in store.list_models() if model.name == DEFAULT_MODEL)
        yield Check(name="model", status="warn" if here else "off", detail=error.message, hint=error.hint)
        path = None
    else:
        yield Check(name="model", status="ok", detail=f"{DEFAULT_MODEL}, verified")
    if path is None:
        if find_spec("xllamacpp") is None:
            yield Check(name="engine", status="off", detail="not installed", hint="pip install 'tenward[local]'")
        else:
            yield Check(name="engine", status="ok", detail="installed; not tried without a model")
        return
    try:
        engine_for(path, context_tokens=1024)
    except TenwardError as error:
        yield Check(name="engine", status="warn", detail=error.message, hint=error.hint)
    else:
        yield Check(name="engine", status="ok", detail="loads the model")


def _keys() -> Iterator[Check]:
    present = [name for name in KEY_VARIABLES.values() if os.environ.get(name, "").strip()]
    if present:
        yield Check(name="keys", status="ok", detail=f"set: {', '.join(present)}")
    else:
        yield Check(
            name="keys",
            status="off",
            detail="none set; hosted judges need one, the local judge does not",
            hint="export OPENAI_API_KEY=… (or another provider's) to use a hosted judge",
        )


def _langsmith() -> Check:
    key = os.environ.get("LANGSMITH_API_KEY") or os.environ.get("LANGCHAIN_API_KEY")
    if not key:
        return Check(name="langsmith", status="off", detail="no LANGSMITH_API_KEY; nothing is sent anywhere")
    endpoint = os.environ.get("LANGSMITH_ENDPOINT") or os.environ.get("LANGCHAIN_ENDPOINT") or _LANGSMITH
    shown = re.sub(r"//[^/@]*@", "//***@", endpoint)
    if not endpoint.startswith(("http://", "https://")):
        return Check(
            name="langsmith",
            status="warn",
            detail=f"key set, but LANGSMITH_ENDPOINT is {shown!r}",
            hint="write an address that begins with https:// or http://",
        )
    import http.client
    import urllib.error
    import urllib.request

    try:
        # Without the key: whether the address answers is all that is asked.
        with urllib.request.urlopen(f"{endpoint.rstrip('/')}/info", timeout=3) as reply:  # noqa: S310 - checked above
            reply.read(1)
        fault = ""
    except urllib.error.HTTPError as error:
        error.close()
        fault = f"answers with status {error.code}" if error.code >= 500 else ""
    except (OSError, ValueError, http.client.HTTPException) as error:
        fault = f"cannot be reached ({getattr(error, 'reason', error)})"
    if fault:
        return Check(
            name="langsmith",
            status="warn",
            detail=f"key set, but {shown} {fault}",
            hint="check LANGSMITH_ENDPOINT and the network",
        )
    return Check(name="langsmith", status="ok", detail=f"key set, {shown} answers")
