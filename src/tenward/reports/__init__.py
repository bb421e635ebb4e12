"""Runs and comparisons of runs as HTML files that a person can read, keep and send: one file, nothing loaded."""

from tenward.reports._compare_report import render_comparison
from tenward.reports._comparison import CasePair, ComparisonView
from tenward.reports._run_report import render_run
from tenward.reports._write import write_report

__all__ = ["CasePair", "ComparisonView", "render_comparison", "render_run", "write_report"]
