"""The same work with other tools: judging items against a stub, doing it again from their cache, and starting up.

    cd benchmarks && python -m peers.run

Makes a throw-away environment for each tool in a temporary folder (1.5 GB and some minutes in all, mostly promptfoo;
needs the network). A tool that cannot be installed or fails is reported as such. Names select some: `peers.run tenward
openevals`; `--folder` keeps the environments for another time. Every figure is of a whole process, but the first two
of the Python tools leave out their imports.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from peers.stub import EVIDENCE, running

if TYPE_CHECKING:
    from collections.abc import Callable

    from peers.stub import Stub

_HERE = Path(__file__).resolve().parent
_SENTENCE = "The sample was heated to {n} degrees, held there for {m} minutes and weighed again. "
_QUIET = {
    "DEEPEVAL_TELEMETRY_OPT_OUT": "YES",
    "DEEPEVAL_DISABLE_DOTENV": "1",
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
    "INSPECT_DISPLAY": "none",
    "OPENAI_API_KEY": "none",
    "LANGSMITH_TRACING": "false",
}
_MOST_SECONDS = 900


@dataclass(frozen=True)
class Work:
    """What every tool is given."""

    folder: Path
    """Of one tool: for its files and its cache."""

    items: Path
    """JSON lines with ``id``, ``input`` and ``output``."""

    base_url: str
    concurrent: int


@dataclass(frozen=True)
class Tool:
    """How one tool is installed, started, and told to judge."""

    package: str
    """As its registry knows it; empty for Tenward itself, which runs in this environment."""

    install: Callable[[Path], None]
    """Into a folder."""

    version: Callable[[Path], str]
    help: Callable[[Path], list[str]] | None
    """The command that prints its help; None where it has no command line."""

    judge: Callable[[Path, Work], list[str]]
    """The command that judges; called a second time, it may take everything from its cache."""

    caches: bool


def _pip(*packages: str) -> Callable[[Path], None]:
    def install(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
        subprocess.run([str(folder / "bin/pip"), "install", "--quiet", *packages], check=True, capture_output=True)

    return install


def _npm(folder: Path) -> None:
    folder.mkdir()
    (folder / "package.json").write_text("{}")
    command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "promptfoo"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def _python_version(package: str) -> Callable[[Path], str]:
    def version(folder: Path) -> str:
        script = f"from importlib.metadata import version; print(version({package!r}))"
        return _said([str(_python(folder)), "-c", script])

    return version


def _python(folder: Path) -> Path:
    own = folder / "bin/python"
    return own if own.exists() else Path(sys.executable)


def _npm_version(folder: Path) -> str:
    package = folder / "node_modules/promptfoo/package.json"
    return str(json.loads(package.read_text(encoding="utf-8"))["version"])


def _script(name: str) -> Callable[[Path, Work], list[str]]:
    def command(folder: Path, work: Work) -> list[str]:
        script = str(_HERE / f"{name}_items.py")
        return [str(_python(folder)), script, str(work.items), work.base_url, str(work.concurrent)]

    return command


def _promptfoo(folder: Path, work: Work) -> list[str]:
    rows = [json.loads(line) for line in work.items.read_text(encoding="utf-8").splitlines()]
    grader = {"id": "openai:chat:gpt-4.1-mini", "config": {"apiBaseUrl": work.base_url, "apiKey": "none"}}
    config = {
        "prompts": ["{{text}}"],
        "providers": ["echo"],
        "defaultTest": {"options": {"provider": grader}},
        "tests": [
            {"vars": {"text": row["output"]}, "assert": [{"type": "llm-rubric", "value": "Is it clear what was done?"}]}
            for row in rows
        ],
    }
    path = work.folder / "promptfooconfig.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    binary = str(folder / "node_modules/.bin/promptfoo")
    return [binary, "eval", "-c", str(path), "-j", str(work.concurrent), "--no-table", "--no-progress-bar"]


TOOLS = {
    "tenward": Tool(
        "",
        lambda _: None,
        _python_version("tenward"),
        lambda _: [sys.executable, "-c", "from tenward.cli import main; main()", "--help"],
        _script("tenward"),
        caches=True,
    ),
    "openevals": Tool(
        "openevals",
        _pip("openevals", "openai"),
        _python_version("openevals"),
        None,
        _script("openevals"),
        caches=False,
    ),
    "inspect-ai": Tool(
        "inspect-ai",
        _pip("inspect-ai", "openai"),
        _python_version("inspect-ai"),
        lambda folder: [str(folder / "bin/inspect"), "--help"],
        _script("inspect"),
        caches=True,
    ),
    "deepeval": Tool(
        "deepeval",
        _pip("deepeval"),
        _python_version("deepeval"),
        lambda folder: [str(folder / "bin/deepeval"), "--help"],
        _script("deepeval"),
        caches=True,
    ),
    "promptfoo": Tool(
        "promptfoo",
        _npm,
        _npm_version,
        lambda folder: [str(folder / "node_modules/.bin/promptfoo"), "--help"],
        _promptfoo,
        caches=True,
    ),
}


def measure(name: str, environments: Path, scratch: Path, items: Path, stub: Stub, concurrent: int) -> list[str]:
    """The cells of one row; what fails has its error in its cell."""
    tool, environment = TOOLS[name], environments / name
    if not environment.exists():
        try:
            tool.install(environment)
        except (OSError, subprocess.CalledProcessError) as error:
            shutil.rmtree(environment, ignore_errors=True)
            return [name, "", f"not installed: {_short(error)}"]
    folder = scratch / name
    folder.mkdir()
    work = Work(folder, items, stub.base_url, concurrent)
    cells = [name, tool.version(environment)]
    try:
        command = tool.judge(environment, work)
        stub.arrived()
        cells += [f"{_timed(command, folder):.2f}", str(stub.arrived()["requests"])]
        if tool.caches:
            cells += [f"{_timed(command, folder):.2f}", str(stub.arrived()["requests"])]
        else:
            cells += ["no cache", ""]
        cells.append("none" if tool.help is None else f"{min(_process(tool.help(environment)) for _ in range(5)):.2f}")
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        cells.append(f"failed: {_short(error)}")
    return cells


def _timed(command: list[str], folder: Path) -> float:
    """Seconds a script says it took, or else those of its process."""
    began = time.perf_counter()
    said = _said(command, folder)
    wall = time.perf_counter() - began
    found = re.findall(r"^seconds (\S+)$", said, re.MULTILINE)
    return float(found[-1]) if found else wall


def _process(command: list[str]) -> float:
    began = time.perf_counter()
    _said(command)
    return time.perf_counter() - began


def _said(command: list[str], folder: Path | None = None) -> str:
    home = {"HOME": str(folder), "PROMPTFOO_CONFIG_DIR": str(folder / ".promptfoo")} if folder else {}
    ended = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **_QUIET, **home},
        capture_output=True,
        text=True,
        timeout=_MOST_SECONDS,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    return ended.stdout.strip()


def _short(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return (text.strip().splitlines() or [type(error).__name__])[-1][:100]


def _write_items(path: Path, count: int) -> None:
    """Items of about 1.5 kB, all different."""
    with path.open("w", encoding="utf-8") as file:
        for n in range(count):
            text = "".join(_SENTENCE.format(n=n + k, m=k) for k in range(18)) + EVIDENCE
            file.write(json.dumps({"id": f"r{n}", "input": f"Report on experiment {n}.", "output": text}) + "\n")


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", nargs="*", help=f"some of: {', '.join(TOOLS)}")
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds")
    parser.add_argument("--concurrent", type=int, default=50)
    parser.add_argument("--folder", type=Path, help="where environments are made, and found the next time")
    arguments = parser.parse_args()
    ideal = arguments.items / arguments.concurrent * arguments.latency
    print(
        f"{arguments.items} items, {arguments.latency * 1000:g} ms, {arguments.concurrent} at a time: ideal {ideal:g} s"
    )
    print("| tool | version | judge, s | calls | again, s | calls | --help, s |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as scratch, running(arguments.latency) as stub:
        environments = arguments.folder or Path(scratch) / "environments"
        environments.mkdir(parents=True, exist_ok=True)
        items = Path(scratch) / "items.jsonl"
        _write_items(items, arguments.items)
        for name in arguments.tools or TOOLS:
            row = measure(name, environments.resolve(), Path(scratch), items, stub, arguments.concurrent)
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
