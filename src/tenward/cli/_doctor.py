"""``tenward doctor``."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import click

from tenward.cli._console import out, print_json, working
from tenward.cli._model import DEFAULT_MODEL
from tenward.errors import TenwardError
from tenward.judges import KEY_VARIABLES, engine_for
from tenward.judges.models import ModelStore
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command"]

_LANGSMITH = "https://api.smith.langchain.com"
_MARKS = {"ok": "ok  ", "off": "off ", "fail": "FAIL"}
_STYLES = {"ok": "green", "off": "dim", "fail": "bold red"}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of the doctor's report."""

    name: str
    status: Literal["ok", "off", "fail"]
    """``off`` is fine: the thing is optional and not set up."""

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
    from rich.text import Text

    console = out()
    width = max(len(check.name) for check in checks)
    for check in checks:
        line = Text(f"{_MARKS[check.status]}  ", style=_STYLES[check.status])
        line.append(f"{check.name:<{width}}  {check.detail}", style="default")
        console.print(line)
        if check.hint:
            console.print(Text(f"      {'':<{width}}hint: {check.hint}", style="dim"))


def _base() -> Iterator[Check]:
    yield Check(name="python", status="ok", detail=f"{platform.python_version()} on {platform.system()}")
    git = shutil.which("git")
    if git is None:
        yield Check(
            name="git", status="fail", detail="not found on PATH", hint="install git; revisions and loops need it"
        )
    else:
        version = subprocess.run([git, "--version"], capture_output=True, text=True, check=False, timeout=10)
        yield Check(name="git", status="ok", detail=version.stdout.strip() or "found")
    library = Library.discover()
    counts = ", ".join(f"{len(library.names(kind))} {kind}" for kind in ("rubrics", "judges"))
    where = f"workspace {library.roots[0]}" if len(library.roots) > 1 else "no workspace here, the shipped library"
    yield Check(
        name="content",
        status="ok" if library.names("rubrics") else "fail",
        detail=f"{counts} ({where})",
        hint="" if library.names("rubrics") else "reinstall tenward: its shipped content is missing",
    )


def _model() -> Iterator[Check]:
    try:
        path = ModelStore().verify(DEFAULT_MODEL, full=False)
    except TenwardError as error:
        yield Check(name="model", status="off", detail=error.message, hint=error.hint)
        path = None
    else:
        yield Check(name="model", status="ok", detail=f"{DEFAULT_MODEL}, verified")
    if path is None:
        if find_spec("xllamacpp") is None:
            yield Check(name="engine", status="off", detail="not installed", hint="pip install 'tenward[local]'")
        else:
            yield Check(name="engine", status="ok", detail="installed; not tried, since there is no model yet")
        return
    try:
        engine_for(path, context_tokens=1024)
    except TenwardError as error:
        yield Check(name="engine", status="off", detail=error.message, hint=error.hint)
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
            hint="export OPENAI_API_KEY=... (or another provider's) to use a hosted judge",
        )


def _langsmith() -> Check:
    key = os.environ.get("LANGSMITH_API_KEY") or os.environ.get("LANGCHAIN_API_KEY")
    if not key:
        return Check(name="langsmith", status="off", detail="no LANGSMITH_API_KEY; nothing is sent anywhere")
    endpoint = os.environ.get("LANGSMITH_ENDPOINT") or os.environ.get("LANGCHAIN_ENDPOINT") or _LANGSMITH
    if not endpoint.startswith(("http://", "https://")):
        return Check(name="langsmith", status="off", detail="LANGSMITH_ENDPOINT is no http address")
    import urllib.error
    import urllib.request

    try:
        # Without the key: whether the address answers is all that is asked.
        with urllib.request.urlopen(f"{endpoint.rstrip('/')}/info", timeout=3) as reply:  # noqa: S310 - checked above
            reply.read(1)
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            return Check(name="langsmith", status="off", detail=f"{endpoint} answers with status {error.code}")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Check(
            name="langsmith",
            status="off",
            detail=f"key set, but {endpoint} cannot be reached ({reason})",
            hint="check LANGSMITH_ENDPOINT and the network",
        )
    return Check(name="langsmith", status="ok", detail=f"key set, {endpoint} answers")
