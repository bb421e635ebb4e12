"""On what is judged: cases, data sets of them, and files, folders and git revisions read as cases."""

from tenward.datasets._card import Card
from tenward.datasets._case import Case, Split
from tenward.datasets._dataset import DataSet
from tenward.datasets._targets import Target, read_target
from tenward.datasets._text import Limits, printable
from tenward.datasets._write import write_cases

__all__ = ["Card", "Case", "DataSet", "Limits", "Split", "Target", "printable", "read_target", "write_cases"]
