"""Kinds of values that several commands take."""

from __future__ import annotations

import math
from typing import Any

import click

__all__ = ["NumberRange"]


class NumberRange(click.FloatRange):
    """A number within bounds. ``nan`` is refused too: no bound stops it, and as a limit it would never hold."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or a complaint."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail("found nan, expected a number", param, ctx)
        return number
