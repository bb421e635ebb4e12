"""The page on which a person scores pairs of outputs without knowing which version wrote which."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenward.reports._page import render_page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["AuditPageView", "BlindPair", "render_audit"]


@dataclass(frozen=True, kw_only=True)
class BlindPair:
    """Two outputs of one case as they are shown."""

    token: str
    """What the answer is filed under: letters and digits that tell nothing of the case or the sides."""

    input: str
    context: str
    a: str
    b: str


@dataclass(frozen=True, kw_only=True)
class AuditPageView:
    """What the page shows. Nothing of it says which side is which, or what a judge thinks."""

    loop: str
    about: str
    """What the rubric asks as a whole."""

    criteria: Mapping[str, str] = field(default_factory=dict[str, str])
    output: str = "output"
    """What the texts are called."""

    input: str = "input"
    pairs: Sequence[BlindPair] = ()


def render_audit(view: AuditPageView) -> str:
    """The page as one self-contained HTML file; it loads nothing, and a person's answers leave it as a file."""
    return render_page(
        "audit.html",
        scripts=("basics.js", "audit.js"),
        data={"loop": view.loop, "pairs": [pair.token for pair in view.pairs]},
        view=view,
    )
