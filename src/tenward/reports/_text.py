"""Untrusted text for a page: every character visible or harmless, and JSON that cannot end its script element."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["longest_for", "script_json", "shown"]

_BIDI = "\u202a-\u202e\u2066-\u2069"
_UNSHOWN = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff{_BIDI}]")
_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_MOST_CHARS, _LEAST_CHARS, _CHARS_IN_ALL = 100_000, 4_000, 40_000_000


def shown(text: str, *, longest: int = _MOST_CHARS) -> str:
    r"""Return ``text`` with what a browser would drop or obey made visible.

    Control characters become their pictures (a null becomes ``␀``), lone surrogates become the replacement character,
    and controls that reorder the text around them become ``⟨U+202E⟩``. Line ends become ``\n``.

    Args:
        text: Any text.
        longest: Characters after which the text is cut, with a note of how long it was.
    """
    cut = text if len(text) <= longest else f"{text[:longest]}\n[cut here: {len(text):,} characters in all]"
    return _UNSHOWN.sub(_visible, cut.replace("\r\n", "\n"))


def longest_for(cases: int) -> int:
    """The longest text of a case in a report on so many cases: 100,000 characters, fewer above 400 cases."""
    return min(_MOST_CHARS, max(_LEAST_CHARS, _CHARS_IN_ALL // max(1, cases)))


def script_json(data: Any) -> str:
    """JSON for a ``<script type="application/json">``: no text in it can close the element or open a comment."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029\ud800-\udfff]", lambda match: _IN_SCRIPT.get(match[0], "\\ufffd"), text)


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if re.match(f"[{_BIDI}]", match[0]):
        return f"⟨U+{code:04X}⟩"
    return "\ufffd"
