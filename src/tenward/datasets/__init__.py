"""On what is judged: cases, data sets of them, and files, folders and git revisions read as cases."""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenward.datasets._card import Card
    from tenward.datasets._case import Case, Split
    from tenward.datasets._dataset import DataSet
    from tenward.datasets._preferences import Preference, read_preferences
    from tenward.datasets._targets import Target, read_target
    from tenward.datasets._text import Limits, printable
    from tenward.datasets._write import write_cases

__all__ = [
    "Card",
    "Case",
    "DataSet",
    "Limits",
    "Preference",
    "Split",
    "Target",
    "printable",
    "read_preferences",
    "read_target",
    "write_cases",
]

_HOMES = {
    "_card": ("Card",),
    "_case": ("Case", "Split"),
    "_dataset": ("DataSet",),
    "_preferences": ("Preference", "read_preferences"),
    "_targets": ("Target", "read_target"),
    "_text": ("Limits", "printable"),
    "_write": ("write_cases",),
}


def __getattr__(name: str) -> object:
    # Resolved on first use: who only prints a name must not pay for reading documents.
    for module, names in _HOMES.items():
        if name in names:
            return getattr(_import_module(f"tenward.datasets.{module}"), name)
    raise AttributeError(f"module 'tenward.datasets' has no attribute {name!r}")
