"""A report into a file that is either the old one or the new one, never half of it."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from tenward.errors import UsageError

__all__ = ["write_report"]


def write_report(path: Path | str, html: str) -> None:
    """Write a report; its folder is made if there is none.

    Args:
        path: The file. A link stays a link: what it leads to is replaced.
        html: The page.

    Raises:
        UsageError: The file cannot be written; a file that was there is as it was.
    """
    try:
        real = Path(path).resolve()
        real.parent.mkdir(parents=True, exist_ok=True)
        temporary = real.with_name(f".{real.name}.{secrets.token_hex(4)}.tmp")
        try:
            with temporary.open("xb") as file:
                file.write(html.encode("utf-8"))
            if real.exists():
                shutil.copymode(real, temporary)
            temporary.replace(real)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        hint = "choose a file in a folder that can be written, such as reports/run.html"
        raise UsageError(f"cannot write the report {path} ({error})", hint=hint) from error
