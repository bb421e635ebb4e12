"""One HTML file with its style, its script and its data inside, and a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tenward.reports._format import count, covered, duration, interval, money, number, plural, signed, when
from tenward.reports._text import script_json, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jinja2 import Environment

__all__ = ["render_page"]


def render_page(template: str, *, scripts: Sequence[str], data: Any, **values: Any) -> str:
    """Render a page.

    Args:
        template: File name of the page's template.
        scripts: File names of its scripts, in order; they become one.
        data: What the script reads, JSON-ready.
        values: What the template reads.
    """
    from markupsafe import Markup

    style = _asset("report.css")
    script = "\n".join(_asset(name) for name in scripts)
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src 'sha256-{_digest(style)}'",
            f"script-src 'sha256-{_digest(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )
    return (
        _environment()
        .get_template(template)
        .render(
            policy=policy,
            # The three texts below are our own files, or JSON in which no markup is left.
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
            data=Markup(script_json(data)),  # noqa: S704
            **values,
        )
    )


def _harmless(value: object) -> object:
    from markupsafe import Markup

    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _asset(name: str) -> str:
    return files("tenward.reports").joinpath("_templates", name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=PackageLoader("tenward.reports", "_templates"),
        finalize=_harmless,  # every text a template shows, so that none can be forgotten
        trim_blocks=True,
        lstrip_blocks=True,
    )
    forms: list[Callable[..., str]] = [count, covered, duration, interval, money, number, plural, signed, when]
    environment.filters.update({form.__name__: form for form in forms})
    return environment
