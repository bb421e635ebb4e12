from __future__ import annotations

import errno
import re
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import huggingface_hub
import pytest

from tenward.errors import ModelStoreError
from tenward.judges.models import HubSource, ModelFile, ModelStore, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Hub:
    """A hub with one file, and the faults it can show.

    Attributes:
        data: The file.
        cuts: For each coming answer, after how many bytes the connection breaks.
        ranges: Whether a request for a part of the file gets that part only.
        status: HTTP status of every answer when not 0.
        requests: The path and range of each request so far.
        url: The hub's address.
    """

    data: bytes
    cuts: list[int] = field(default_factory=list[int])
    ranges: bool = True
    status: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one GET request."""
        wanted = handler.headers.get("range", "")
        self.requests.append((handler.path, wanted))
        if self.status:
            handler.send_error(self.status)
            return
        match = re.fullmatch(r"bytes=(\d+)-", wanted) if self.ranges else None
        start = int(match[1]) if match else 0
        body = self.data[start:]
        handler.send_response(206 if match else 200)
        if match:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        handler.close_connection = True


@pytest.fixture
def hub(content: bytes) -> Iterator[Hub]:
    """Serve the tiny model on this machine."""
    hub = Hub(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Write nothing to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        hub.url = f"http://127.0.0.1:{server.server_port}"
        yield hub
        server.shutdown()
        thread.join()
    huggingface_hub.close_session()


def make_store(folder: Path, model: ModelFile, hub: Hub) -> ModelStore:
    """Return a store whose only source is the hub."""
    return ModelStore(folder=folder, catalogue=(model,), sources=(HubSource(endpoint=hub.url),))


def test_file_comes_from_the_pinned_place(folder: Path, model: ModelFile, hub: Hub, content: bytes) -> None:
    """One request for the file at its revision is all it takes."""
    seen: list[Progress] = []
    assert make_store(folder, model, hub).pull(model.name, progress=seen.append).read_bytes() == content
    assert [path for path, _ in hub.requests] == ["/owner/tiny/resolve/main/tiny-instruct.gguf"]
    assert [step.bytes_done for step in seen if step.phase == "downloading"][-1] == len(content)


def test_broken_connection_is_taken_up_again(folder: Path, model: ModelFile, hub: Hub, content: bytes) -> None:
    """Each break that brought new bytes is followed by a request for the rest."""
    hub.cuts = [120_000, 50_000]
    assert make_store(folder, model, hub).pull(model.name).read_bytes() == content
    assert [wanted for _, wanted in hub.requests] == ["bytes=0-", "bytes=120000-", "bytes=170000-"]


def test_dead_connection_is_given_up_and_resumed_later(
    folder: Path, model: ModelFile, hub: Hub, content: bytes
) -> None:
    """A try that brings nothing new ends the pull; the next pull asks only for the rest."""
    hub.cuts = [120_000, 0]
    store = make_store(folder, model, hub)
    with pytest.raises(ModelStoreError, match="hub: RemoteProtocolError"):
        store.pull(model.name)
    assert store.pull(model.name).read_bytes() == content
    assert hub.requests[-1][1] == "bytes=120000-"


def test_server_without_ranges(folder: Path, model: ModelFile, hub: Hub, content: bytes) -> None:
    """A server that always sends the whole file does not spoil what is there."""
    hub.cuts, hub.ranges = [120_000], False
    assert make_store(folder, model, hub).pull(model.name).read_bytes() == content


def test_file_of_another_size_is_not_downloaded(folder: Path, model: ModelFile, hub: Hub) -> None:
    """A changed file on the branch is recognised by its announced size."""
    hub.data += b"more"
    with pytest.raises(ModelStoreError, match=r"hub: the hub's file has 250008 bytes, expected 250004"):
        make_store(folder, model, hub).pull(model.name)


@pytest.mark.parametrize("status", [404, 503])
def test_refusing_hub(folder: Path, model: ModelFile, hub: Hub, status: int) -> None:
    """An error status is the reason, after one request."""
    hub.status = status
    with pytest.raises(ModelStoreError, match=f"HTTP status {status}"):
        make_store(folder, model, hub).pull(model.name)
    assert len(hub.requests) == 1


def test_unreachable_hub_is_given_up_at_once(folder: Path, model: ModelFile, capfd: pytest.CaptureFixture[str]) -> None:
    """A closed port is the reason, and the library writes nothing to the terminal."""
    store = make_store(folder, model, Hub(b"", url="http://127.0.0.1:9"))
    with pytest.raises(ModelStoreError, match=r"hub: ConnectError: .*Connection refused"):
        store.pull(model.name)
    assert capfd.readouterr() == ("", "")


def test_library_is_not_installed(folder: Path, model: ModelFile, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the hub is passed over, with the command that adds it."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelStoreError, match=re.escape("pip install 'tenward[local]'")):
        make_store(folder, model, hub).pull(model.name)


def test_full_disk_is_not_the_hubs_fault(folder: Path, model: ModelFile, hub: Hub) -> None:
    """No space left during the transfer stops the pull as such, and keeps what was written."""

    def fill(step: Progress) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ModelStoreError, match="disk filled up"):
        make_store(folder, model, hub).pull(model.name, progress=fill)
    (part,) = (folder / ".partial").rglob("*.part")
    assert part.stat().st_size > 0
