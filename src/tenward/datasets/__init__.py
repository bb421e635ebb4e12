"""On what is judged: cases, and the reading of files, folders and git revisions as cases."""

from tenward.datasets._case import Case
from tenward.datasets._targets import Target, read_target
from tenward.datasets._text import Limits, printable

__all__ = ["Case", "Limits", "Target", "printable", "read_target"]
