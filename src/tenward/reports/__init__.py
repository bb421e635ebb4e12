"""Runs, comparisons and loops as HTML files that a person can read, keep and send: one file, nothing loaded."""

from tenward.reports._audit_page import AuditPageView, BlindPair, render_audit
from tenward.reports._compare_report import render_comparison
from tenward.reports._comparison import CasePair, ComparisonView
from tenward.reports._loop_report import render_loop
from tenward.reports._loop_view import (
    ArmView,
    AttemptView,
    CheckView,
    GainView,
    LookView,
    LoopView,
    NumberGainView,
    PlaceboView,
    StageView,
)
from tenward.reports._run_report import render_run
from tenward.reports._write import write_report

__all__ = [
    "ArmView",
    "AttemptView",
    "AuditPageView",
    "BlindPair",
    "CasePair",
    "CheckView",
    "ComparisonView",
    "GainView",
    "LookView",
    "LoopView",
    "NumberGainView",
    "PlaceboView",
    "StageView",
    "render_audit",
    "render_comparison",
    "render_loop",
    "render_run",
    "write_report",
]
