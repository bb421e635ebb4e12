from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "null_loop.py"


def test_a_few_attempts_keep_nothing_and_tell_it() -> None:
    """The script runs a loop in a repository of its own, prints its figures and ends well."""
    done = subprocess.run([sys.executable, str(SCRIPT), "--attempts", "4"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("seed 1: 4 attempts (")
    assert "keeps 0; placebos kept 0 of " in done.stdout
