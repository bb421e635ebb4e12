"""A static picture of the table for the documentation, readable on light and dark pages alike."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deciding.table import Result

__all__ = ["draw"]

_LEFT, _GAINS, _GAP, _WRONG, _RIGHT = 190, 380, 60, 150, 30
_LINE, _TITLE, _TOP, _BOTTOM = 21, 34, 46, 30
# Mid greys and blues keep a contrast of about 4 to 1 on white as on black.
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #7a7a7a; }
  .title { font-weight: 600; }
  .ours { fill: #2f81d4; font-weight: 600; }
  .grid { stroke: #808080; stroke-opacity: .3; }
  .span { stroke: #7a7a7a; stroke-width: 1.5; stroke-dasharray: 3 3; }
  .error { stroke: #7a7a7a; stroke-width: 2; }
  .true { fill: #7a7a7a; }
  .claimed { fill: none; stroke: #7a7a7a; stroke-width: 1.5; }
  .wrong { fill: #c8553d; }
  .ours-mark .error, .ours-mark .span, .ours-mark .claimed { stroke: #2f81d4; }
  .ours-mark .true { fill: #2f81d4; }
"""


def draw(results: Sequence[Result], worlds: Sequence[str], ours: str) -> str:
    """Return an SVG: true and claimed gain, and the share of false keeps, per contender in some worlds.

    Args:
        results: What was measured.
        worlds: Those to show, in this order.
        ours: The contender to mark.
    """
    shown = [one for one in results if one.world in worlds]
    top = max(one.gain + max(0.0, one.claimed_minus_true) for one in shown) * 1.03
    parts = [_legend()]
    y = float(_TOP)
    for world in worlds:
        rows = [one for one in shown if one.world == world]
        parts.append(f'<text class="title" x="8" y="{y + 16}">{escape(world)}</text>')
        y += _TITLE - 10
        parts += _grid(y, len(rows) * _LINE, top)
        for one in rows:
            parts.append(_row(one, y + _LINE / 2, top, mark=one.contender == ours))
            y += _LINE
        y += _BOTTOM
    width, height = _LEFT + _GAINS + _GAP + _WRONG + _RIGHT, y
    title = "True and claimed gain, and false keeps, for the same number of judge calls"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}" '
        f'role="img" aria-label="{title}">\n<title>{title}</title>\n<style>{_STYLE}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _legend() -> str:
    return (
        f'<text x="{_LEFT}" y="16">gain for the same judge calls</text>'
        f'<circle class="true" cx="{_LEFT + 6}" cy="32" r="4.5"/><text x="{_LEFT + 16}" y="36">true, ±2 SE</text>'
        f'<circle class="claimed" cx="{_LEFT + 106}" cy="32" r="4.5"/><text x="{_LEFT + 116}" y="36">claimed</text>'
        f'<text x="{_LEFT + _GAINS + _GAP}" y="16">false keeps, %</text>'
    )


def _x(value: float, top: float) -> float:
    return round(_LEFT + max(0.0, value) / top * _GAINS, 1)


def _grid(y: float, height: float, top: float) -> list[str]:
    step = 0.1 if top < 0.8 else 0.2 if top < 1.6 else 0.5
    lines: list[str] = []
    for at in range(int(top / step) + 1):
        x = _x(at * step, top)
        lines.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{y}" y2="{y + height}"/>')
        lines.append(f'<text x="{x}" y="{y + height + 14}" text-anchor="middle">{at * step:.1f}</text>')
    return lines


def _row(one: Result, y: float, top: float, *, mark: bool) -> str:
    gain, claimed = _x(one.gain, top), _x(one.gain + one.claimed_minus_true, top)
    low, high = _x(one.gain - 2 * one.gain_se, top), _x(one.gain + 2 * one.gain_se, top)
    ours, group = (' class="ours"', ' class="ours-mark"') if mark else ("", "")
    start = _LEFT + _GAINS + _GAP
    wrong = 0.0 if one.false_keeps is None else one.false_keeps
    bar = round(wrong * (_WRONG - 40), 1)
    share = "none kept" if one.false_keeps is None else f"{100 * wrong:.1f}"
    return (
        f'<g{group}><text{ours} x="20" y="{y + 4}">{escape(one.contender)}</text>'
        f'<line class="span" x1="{gain}" x2="{claimed}" y1="{y}" y2="{y}"/>'
        f'<line class="error" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>'
        f'<circle class="claimed" cx="{claimed}" cy="{y}" r="4.5"/><circle class="true" cx="{gain}" cy="{y}" r="4.5"/>'
        f'<rect class="wrong" x="{start}" y="{y - 6}" width="{bar}" height="12"/>'
        f'<text x="{start + bar + 6}" y="{y + 4}">{share}</text></g>'
    )
