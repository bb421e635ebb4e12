"""Which LangSmith, with which key: read from the environment only."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tenward.errors import UsageError
from tenward.tracing._errors import LangSmithError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LangSmithSettings"]

_HOSTED = "https://api.smith.langchain.com"


@dataclass(frozen=True, kw_only=True)
class LangSmithSettings:
    """An account of LangSmith, or of a server that speaks as it does."""

    api_key: str = field(repr=False)
    endpoint: str = _HOSTED
    """Where the API is, without a final slash."""

    workspace: str = ""
    """Id of the workspace; only needed with a key that is good for several."""

    hide_inputs: bool = False
    """Send nothing of what a case asks."""

    hide_outputs: bool = False
    """Send nothing of judged texts, references and the judge's words; scores are sent."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> LangSmithSettings | None:
        """The settings in ``LANGSMITH_API_KEY``, ``LANGSMITH_ENDPOINT`` and ``LANGSMITH_WORKSPACE_ID``.

        ``LANGSMITH_HIDE_INPUTS`` and ``LANGSMITH_HIDE_OUTPUTS`` are heeded when they are ``true``, and ``LANGCHAIN_``
        instead of ``LANGSMITH_`` works too. None without a key.

        Raises:
            UsageError: The endpoint is no http or https address.
        """
        environ = os.environ if environ is None else environ
        key = _read(environ, "API_KEY")
        if not key:
            return None
        endpoint = (_read(environ, "ENDPOINT") or _HOSTED).rstrip("/")
        if urlsplit(endpoint).scheme not in {"http", "https"}:
            raise UsageError(
                f"LANGSMITH_ENDPOINT is '{endpoint}', expected an address that begins with https://",
                hint=f"leave it unset for {_HOSTED}",
            )
        return cls(
            api_key=key,
            endpoint=endpoint,
            workspace=_read(environ, "WORKSPACE_ID"),
            hide_inputs=_read(environ, "HIDE_INPUTS").lower() == "true",
            hide_outputs=_read(environ, "HIDE_OUTPUTS").lower() == "true",
        )

    @classmethod
    def required(cls) -> LangSmithSettings:
        """The settings in the environment.

        Raises:
            LangSmithError: There is no key.
            UsageError: The endpoint is no http or https address.
        """
        settings = cls.from_environment()
        if settings is None:
            raise LangSmithError(
                "found no key for LangSmith, expected one in LANGSMITH_API_KEY",
                hint="make a key in LangSmith's settings, then: export LANGSMITH_API_KEY=lsv2_...",
                kind="key",
            )
        return settings

    @property
    def shown(self) -> str:
        """The endpoint as it may be printed and stored: without a login."""
        parts = urlsplit(self.endpoint)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _read(environ: Mapping[str, str], name: str) -> str:
    found = (environ.get(f"{prefix}_{name}", "").strip().strip("\"'") for prefix in ("LANGSMITH", "LANGCHAIN"))
    return next(filter(None, found), "")
