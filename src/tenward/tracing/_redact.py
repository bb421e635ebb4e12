"""What never leaves the machine: keys, tokens, private keys, e-mail addresses, values of secret variables."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tenward.guards import is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Redactor", "hide_paths"]

_REDACTED = "[redacted]"
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|DSN|COOKIE", re.IGNORECASE)
_SHORTEST_VALUE = 8

# No text may make these slow: a search starts only where a word does, or looks only a bounded way ahead.
_PATTERNS = (
    re.compile(r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)"),
    re.compile(r"(?<![A-Za-z0-9])(?:sk|pk|rk)[-_](?=[A-Za-z_-]{0,64}[0-9])[A-Za-z0-9_-]{16,}"),
    re.compile(r"(?<![A-Za-z0-9])(?:lsv2_|ls__)[A-Za-z0-9_]{8,}"),
    re.compile(r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{20,}"),
    re.compile(r"(?<![A-Za-z0-9])(?:gh[oprsu]_|github_pat_|glpat-|hf_|gsk_|xox[abeoprs]-|xai-|AKIA|ASIA)[A-Za-z0-9_-]{16,}"),
    re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
)  # fmt: skip
_BEARER = re.compile(r"(?i)\b(bearer\s{1,8})[A-Za-z0-9._~+/=-]{8,}")
_URL_LOGIN = re.compile(r"(://)[^\s/@:]{1,256}(?::[^\s/@]{0,256})?@")
_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,256}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_PATH = re.compile(r"(?:(?<=file://)|(?<![\w.:/~-]))/(?:[\w.@+-]+/)+([\w.@+-]*)")
_WINDOWS_PATH = re.compile(r"\b[A-Za-z]:\\(?:[^\\\s\"']+\\)+([^\\\s\"']*)")


class Redactor:
    """Replaces secrets in texts and in data of any depth.

    Args:
        environ: Variables whose values are replaced wherever they stand, if their names sound secret and the values
            have at least 8 characters; the process's own by default.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        found = os.environ if environ is None else environ
        values = {value for name, value in found.items() if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_VALUE}
        # The longest first: one value may be the beginning of another.
        ordered = sorted((re.escape(value) for value in values), key=len, reverse=True)
        self._values = re.compile("|".join(ordered)) if ordered else None

    def text(self, text: str) -> str:
        """A text without its secrets; lone surrogates, which no request can carry, become ``?``."""
        if self._values is not None:
            text = self._values.sub(_REDACTED, text)
        for pattern in _PATTERNS:
            text = pattern.sub(_REDACTED, text)
        text = _BEARER.sub(rf"\g<1>{_REDACTED}", text)
        if "@" in text:
            text = _EMAIL.sub("[e-mail]", _URL_LOGIN.sub(rf"\g<1>{_REDACTED}@", text))
        return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")

    def data(self, value: Any) -> Any:
        """JSON-ready data with every text in it redacted, names of fields included."""
        if isinstance(value, str):
            return self.text(value)
        if is_mapping(value):
            return {self.text(str(name)): self.data(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(item) for item in cast("Iterable[Any]", value)]
        return value


def hide_paths(text: str, root: Path | None = None) -> str:
    """A message with paths below ``root`` (the current folder) made relative, and others cut to their last part.

    For what programs say, such as errors and the output of gates. Judged texts are left alone.
    """
    inside = str(root or Path.cwd()).rstrip("/\\")
    if len(inside) > 1:
        text = re.sub(rf"{re.escape(inside)}(?:[/\\]|(?=[\s'\":,;)]|$))", "./", text)
    return _WINDOWS_PATH.sub(r"…/\1", _PATH.sub(r"…/\1", text))
