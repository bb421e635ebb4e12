"""Heads: from the state of a text to points per criterion, fitted on rated texts, with what they do not know.

A head is a file (:mod:`~tenward.judges.heads._file`); what it says of a state is arithmetic
(:mod:`~tenward.judges.heads._head`) and needs numpy alone. Fitting lives in :mod:`tenward.evaluation`.
"""

from tenward.judges.heads._bend import SKETCH, Bends, Landmarks, sketch
from tenward.judges.heads._counts import COUNTS, CountScale, counts_of
from tenward.judges.heads._file import (
    HeadBend,
    HeadCounts,
    HeadCriterion,
    HeadFile,
    HeadFor,
    HeadLandmarks,
    head_digest,
    load_head,
    packed,
    unpacked,
)
from tenward.judges.heads._head import Head, HeadReading, shrunk_covariance
from tenward.judges.heads._shelf import HeadInUse, HeadShelf
from tenward.judges.heads._text import TextState

__all__ = [
    "COUNTS",
    "SKETCH",
    "Bends",
    "CountScale",
    "Head",
    "HeadBend",
    "HeadCounts",
    "HeadCriterion",
    "HeadFile",
    "HeadFor",
    "HeadInUse",
    "HeadLandmarks",
    "HeadReading",
    "HeadShelf",
    "Landmarks",
    "TextState",
    "counts_of",
    "head_digest",
    "load_head",
    "packed",
    "shrunk_covariance",
    "sketch",
    "unpacked",
]
